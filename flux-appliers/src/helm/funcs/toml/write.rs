//! Writing: keys sorted, plain values before tables, tables indented.

use crate::helm::funcs::time::{Time, Zone};
use crate::helm::template::gofmt::format_float;
use crate::helm::template::{Native, Str, Value, exported};

/// Values deeper than this are refused: a dict can be made to hold itself.
const MAX_DEPTH: usize = 500;

/// Writes a map as a document, and anything else as it would stand in one.
pub(in crate::helm::funcs) fn write(value: &Value) -> Result<String, String> {
    let mut writer = Writer { out: String::new(), path: Vec::new() };
    match Kind::of(value) {
        Kind::Table(fields) => writer.table(&fields)?,
        Kind::Tables(_) | Kind::Plain => writer.inline(value, 0)?,
    }
    Ok(writer.out)
}

/// How a value is laid out.
enum Kind {
    /// `[table]`
    Table(Vec<(Str, Value)>),
    /// `[[table]]`
    Tables(Vec<Vec<(Str, Value)>>),
    /// Behind a key.
    Plain,
}

impl Kind {
    fn of(value: &Value) -> Self {
        if let Some(fields) = fields(value) {
            return Self::Table(fields);
        }
        let Value::List(list) = value else { return Self::Plain };
        let tables: Option<Vec<_>> = list.items().iter().map(fields).collect();
        tables.filter(|tables| !tables.is_empty()).map_or(Self::Plain, Self::Tables)
    }
}

/// The fields of what is a table.
fn fields(value: &Value) -> Option<Vec<(Str, Value)>> {
    match value {
        Value::Map(map) => Some(map.entries()),
        Value::Native(native) if native.marshalled().is_none() && native.text().is_none() => {
            if let Some(Value::Map(map)) = native.underlying() {
                return Some(map.entries());
            }
            native
                .underlying()
                .is_none()
                .then(|| exported(native.as_ref()).into_iter().map(|(name, value)| (Str::from(name), value)).collect())
        }
        _ => None,
    }
}

struct Writer {
    out: String,
    path: Vec<String>,
}

impl Writer {
    fn line_break(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn table(&mut self, fields: &[(Str, Value)]) -> Result<(), String> {
        if self.path.len() > MAX_DEPTH {
            return Err("toml: value is nested too deeply".to_owned());
        }
        let indent = "  ".repeat(self.path.len());
        let mut tables = Vec::new();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_nothing()) {
            match Kind::of(value) {
                Kind::Plain => {
                    self.out.push_str(&indent);
                    self.out.push_str(&key(&name.to_str()));
                    self.out.push_str(" = ");
                    self.inline(value, 0)?;
                    self.out.push('\n');
                }
                kind => tables.push((name, kind)),
            }
        }
        for (name, kind) in tables {
            self.path.push(key(&name.to_str()));
            let path = self.path.join(".");
            match kind {
                Kind::Table(fields) => {
                    if self.path.len() == 1 {
                        self.line_break();
                    }
                    self.out.push_str(&format!("{indent}[{path}]\n"));
                    self.table(&fields)?;
                }
                Kind::Tables(tables) => {
                    for fields in tables {
                        self.line_break();
                        self.out.push_str(&format!("{indent}[[{path}]]\n"));
                        self.table(&fields)?;
                    }
                }
                Kind::Plain => {}
            }
            self.path.pop();
        }
        Ok(())
    }

    fn inline(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("toml: value is nested too deeply".to_owned());
        }
        match value {
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Float(f) => self.out.push_str(&float(*f)),
            Value::Str(s) => self.out.push_str(&text(&s.to_str())),
            Value::Bytes(bytes) => {
                let numbers: Vec<_> = bytes.as_bytes().iter().map(u8::to_string).collect();
                self.out.push_str(&format!("[{}]", numbers.join(", ")));
            }
            Value::List(list) => {
                self.out.push('[');
                for (i, item) in list.items().iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    if item.is_nothing() {
                        return Err("toml: cannot encode array with nil element".to_owned());
                    }
                    self.inline(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Native(native) => self.native(native.as_ref(), value, depth)?,
            other => match (fields(other), other.as_integer()) {
                (Some(fields), _) => self.inline_table(&fields, depth)?,
                (None, Some(number)) => self.out.push_str(&number.to_string()),
                (None, None) => return Err(format!("toml: unsupported type: {}", other.type_name())),
            },
        }
        Ok(())
    }

    fn native(&mut self, native: &dyn Native, value: &Value, depth: usize) -> Result<(), String> {
        if let Some(time) = value.downcast::<Time>() {
            // Times without a zone are told apart by the name of theirs.
            let layout = match &time.zone {
                Zone::Fixed(name, _) if &**name == "datetime-local" => "2006-01-02T15:04:05.999999999",
                Zone::Fixed(name, _) if &**name == "date-local" => "2006-01-02",
                Zone::Fixed(name, _) if &**name == "time-local" => "15:04:05.999999999",
                _ => "2006-01-02T15:04:05.999999999Z07:00",
            };
            self.out.push_str(&time.format(layout));
            return Ok(());
        }
        if let Some(own) = native.text() {
            self.out.push_str(&text(&own));
            return Ok(());
        }
        if let Some(fields) = fields(value) {
            return self.inline_table(&fields, depth);
        }
        match native.marshalled().or_else(|| native.underlying()) {
            Some(inner) => self.inline(&inner, depth),
            None => Err(format!("toml: unsupported type: {}", native.type_name())),
        }
    }

    fn inline_table(&mut self, fields: &[(Str, Value)], depth: usize) -> Result<(), String> {
        self.out.push('{');
        for (i, (name, item)) in fields.iter().filter(|(_, item)| !item.is_nothing()).enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.out.push_str(&key(&name.to_str()));
            self.out.push_str(" = ");
            self.inline(item, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }
}

fn float(float: f64) -> String {
    match float {
        float if float.is_nan() => return "nan".to_owned(),
        f64::INFINITY => return "inf".to_owned(),
        f64::NEG_INFINITY => return "-inf".to_owned(),
        _ => {}
    }
    let text = format_float(float, 'g', None);
    if text.contains(['.', 'e']) { text } else { text + ".0" }
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
