//! TOML in the layout of the Go encoder that Helm uses: keys sorted, plain values before tables, tables indented.

use crate::helm::template::gofmt::format_float;
use crate::helm::template::{Entries, Str, Value};

const MAX_DEPTH: usize = 500;

/// Writes a map as a document.
pub(super) fn write(value: &Value) -> Result<String, String> {
    let Value::Map(map) = value else {
        return Err(match value {
            Value::Nil | Value::Invalid => "toml: cannot encode a nil pointer".to_owned(),
            _ => "toml: top-level values must be Go maps or structs".to_owned(),
        });
    };
    let mut out = String::new();
    table(&mut out, &mut Vec::new(), &map.entries())?;
    Ok(out)
}

fn is_table(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::List(list) => !list.items().is_empty() && list.items().iter().all(|item| matches!(item, Value::Map(_))),
        _ => false,
    }
}

fn table(out: &mut String, path: &mut Vec<String>, entries: &[(Str, Value)]) -> Result<(), String> {
    if path.len() > MAX_DEPTH {
        return Err("toml: value is nested too deeply".to_owned());
    }
    let indent = "  ".repeat(path.len());
    for (name, value) in entries.iter().filter(|(_, value)| !is_table(value)) {
        if value.is_nothing() {
            continue;
        }
        out.push_str(&indent);
        out.push_str(&key(&name.to_str()));
        out.push_str(" = ");
        inline(out, value, 0)?;
        out.push('\n');
    }
    for (name, value) in entries.iter().filter(|(_, value)| is_table(value)) {
        path.push(key(&name.to_str()));
        let indent = "  ".repeat(path.len() - 1);
        let maps: Vec<_> = match value {
            Value::Map(map) => vec![map.clone()],
            Value::List(list) => list
                .items()
                .iter()
                .filter_map(|item| match item {
                    Value::Map(map) => Some(map.clone()),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let (open, close) = if matches!(value, Value::Map(_)) { ("[", "]") } else { ("[[", "]]") };
        for map in maps {
            if !out.is_empty() && (path.len() == 1 || !out.ends_with("\n\n")) && blank_before(out, path.len()) {
                out.push('\n');
            }
            out.push_str(&format!("{indent}{open}{}{close}\n", path.join(".")));
            table(out, path, &map.entries())?;
        }
        path.pop();
    }
    Ok(())
}

/// Top-level tables stand apart from what is before them.
fn blank_before(out: &str, depth: usize) -> bool {
    depth == 1 && !out.is_empty()
}

fn key(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return name.to_owned();
    }
    text(name)
}

fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn inline(out: &mut String, value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("toml: value is nested too deeply".to_owned());
    }
    match value {
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Float(f) => {
            let number = format_float(*f, if f.abs() >= 1e21 { 'e' } else { 'f' }, None);
            out.push_str(&number);
            if f.is_finite() && !number.contains(['.', 'e']) {
                out.push_str(".0");
            }
        }
        Value::Str(s) => out.push_str(&text(&s.to_str())),
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                if item.is_nothing() {
                    return Err("toml: cannot encode array with nil element".to_owned());
                }
                inline(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (i, (name, item)) in map.entries().iter().filter(|(_, item)| !item.is_nothing()).enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(&key(&name.to_str()));
                out.push_str(" = ");
                inline(out, item, depth + 1)?;
            }
            out.push('}');
        }
        Value::Native(native) => out.push_str(&text(&native.text().unwrap_or_default())),
        other => match other.as_integer() {
            Some(i) => out.push_str(&i.to_string()),
            None => return Err(format!("toml: unsupported type: {}", other.type_name())),
        },
    }
    Ok(())
}

/// Reads a document.
pub(super) fn read(document: &str) -> Result<Value, String> {
    let table: toml::Table = document.parse().map_err(|error: toml::de::Error| fault(document, &error))?;
    Ok(Value::map(table.iter().map(|(k, v)| (Str::from(k.as_str()), value(v))).collect::<Entries>()))
}

fn fault(document: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = 1 + document.bytes().take(at).filter(|b| *b == b'\n').count();
    format!("toml: line {line}: {}", error.message())
}

fn value(toml: &toml::Value) -> Value {
    match toml {
        toml::Value::String(s) => Value::text(s.as_str()),
        toml::Value::Integer(i) => Value::Int64(*i),
        toml::Value::Float(f) => Value::Float(*f),
        toml::Value::Boolean(b) => Value::Bool(*b),
        toml::Value::Datetime(d) if d.time.is_none() => Value::text(format!("{d}T00:00:00Z")),
        toml::Value::Datetime(d) => Value::text(d.to_string()),
        toml::Value::Array(items) => Value::list(items.iter().map(value).collect()),
        toml::Value::Table(table) => {
            Value::map(table.iter().map(|(k, v)| (Str::from(k.as_str()), value(v))).collect::<Entries>())
        }
    }
}
