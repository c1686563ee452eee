//! JSON as Go's `encoding/json` writes and reads it.

mod read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::helm::template::gofmt::{format_float, json_float};
use crate::helm::template::{Elements, Value};

pub(crate) use read::read;
pub(crate) use read::read_first;

/// Values deeper than this are refused: a dict can be made to hold itself.
const MAX_DEPTH: usize = 500;

/// How to write.
#[derive(Clone, Copy, Default)]
pub(super) struct Style {
    /// Two spaces a level, and line breaks.
    pub(super) pretty: bool,
    /// `<`, `>` and `&` as themselves.
    pub(super) raw: bool,
}

/// Writes a value.
pub(super) fn to_json(value: &Value, style: Style) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, style: Style, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("json: unsupported value: encountered a cycle".to_owned());
    }
    match value {
        Value::Nil | Value::Invalid => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Float(f) if !f.is_finite() => {
            return Err(not_finite(*f));
        }
        Value::Float(f) => out.push_str(&json_float(*f)),
        Value::Str(text) => write_text(out, &text.to_str(), style.raw),
        Value::Bytes(bytes) => write_text(out, &STANDARD.encode(bytes.as_bytes()), true),
        Value::List(list) if list.is_nil() => out.push_str("null"),
        Value::List(list) if list.elements == Elements::Bytes => {
            let bytes: Vec<u8> = list.items().iter().filter_map(|b| u8::try_from(b.as_integer()?).ok()).collect();
            write_text(out, &STANDARD.encode(bytes), true);
        }
        Value::List(list) => {
            sequence(out, ('[', ']'), style, depth, list.items(), |out, item| write(out, item, style, depth + 1))?;
        }
        Value::Map(map) if map.is_nil() => out.push_str("null"),
        Value::Map(map) => {
            sequence(out, ('{', '}'), style, depth, &map.entries(), |out, (key, item)| {
                write_text(out, &key.to_str(), style.raw);
                out.push_str(if style.pretty { ": " } else { ":" });
                write(out, item, style, depth + 1)
            })?;
        }
        Value::Native(native) => match native.marshalled().or_else(|| native.underlying()) {
            Some(inner) => write(out, &inner, style, depth)?,
            None => {
                let fields = native.json_fields();
                sequence(out, ('{', '}'), style, depth, &fields, |out, (key, item)| {
                    write_text(out, key, style.raw);
                    out.push_str(if style.pretty { ": " } else { ":" });
                    write(out, item, style, depth + 1)
                })?;
            }
        },
        other => out.push_str(&other.as_integer().unwrap_or_default().to_string()),
    }
    Ok(())
}

fn not_finite(float: f64) -> String {
    format!("json: unsupported value: {}", format_float(float, 'g', None))
}

fn sequence<T>(
    out: &mut String,
    (open, close): (char, char),
    style: Style,
    depth: usize,
    items: &[T],
    mut write: impl FnMut(&mut String, &T) -> Result<(), String>,
) -> Result<(), String> {
    let line = |out: &mut String, depth: usize| {
        if style.pretty {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        line(out, depth + 1);
        write(out, item)?;
    }
    if !items.is_empty() {
        line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn write_text(out: &mut String, text: &str, raw: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' if !raw => out.push_str(&format!("\\u{:04x}", c as u32)),
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A value as JSON data, whole floats as whole numbers, as Go's encoder writes them.
pub(crate) fn to_json_value(value: &Value) -> Result<Json, String> {
    json_at(value, 0)
}

fn json_at(value: &Value, depth: usize) -> Result<Json, String> {
    if depth > MAX_DEPTH {
        return Err("json: unsupported value: encountered a cycle".to_owned());
    }
    Ok(match value {
        Value::Nil | Value::Invalid => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 && !(*f == 0.0 && f.is_sign_negative()) => {
            Json::from(*f as i64)
        }
        Value::Float(f) => Json::Number(serde_json::Number::from_f64(*f).ok_or_else(|| not_finite(*f))?),
        Value::Int(i) | Value::Int64(i) => Json::from(*i),
        Value::Uint8(u) => Json::from(*u),
        Value::Uint64(u) => Json::from(*u),
        Value::Str(text) => Json::String(text.to_str().into_owned()),
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes.as_bytes())),
        Value::List(list) if list.is_nil() => Json::Null,
        Value::List(list) => {
            Json::Array(list.items().iter().map(|item| json_at(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) if map.is_nil() => Json::Null,
        Value::Map(map) => {
            let mut fields = serde_json::Map::with_capacity(map.len());
            let mut outcome = Ok(());
            map.for_each(|key, item| match json_at(item, depth + 1) {
                Ok(item) => {
                    fields.insert(key.to_str().into_owned(), item);
                }
                Err(error) => outcome = Err(error),
            });
            outcome?;
            Json::Object(fields)
        }
        Value::Native(native) => match native.marshalled().or_else(|| native.underlying()) {
            Some(inner) => json_at(&inner, depth)?,
            None => {
                let fields = native.json_fields();
                let fields = fields.iter().map(|(key, item)| Ok(((*key).to_owned(), json_at(item, depth + 1)?)));
                Json::Object(fields.collect::<Result<_, String>>()?)
            }
        },
    })
}
