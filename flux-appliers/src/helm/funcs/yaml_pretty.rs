//! `toYamlPretty`: what Go's YAML package makes of a value itself, without JSON in between.

use flux_core::yaml::{self, Content, Layout, Node, Scalar, Style, Tag, Text, key_order, write_node};
use serde_json::Value as Json;

use super::time::{Duration, Time};
use crate::helm::template::gofmt::format_float;
use crate::helm::template::{Native, Str, Value, exported};

/// Values deeper than this are refused: a dict can be made to hold itself.
const MAX_DEPTH: usize = 500;

/// Writes a value, without the last line break.
pub(super) fn write(value: &Value) -> Result<String, String> {
    let mut text = match json(value, 0) {
        Some(json) => yaml::write(&json, Layout::Wide),
        None => write_node(&node(value, 0)?, Layout::Wide),
    };
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// The value as JSON, if it is of nothing but what JSON has; most are.
fn json(value: &Value, depth: usize) -> Option<Json> {
    Some(match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) | Value::Int64(i) => Json::from(*i),
        Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e6 && !(*f == 0.0 && f.is_sign_negative()) => {
            Json::from(*f as i64)
        }
        Value::Float(f) => Json::Number(serde_json::Number::from_f64(*f)?),
        Value::Str(text) => Json::from(std::str::from_utf8(text.as_bytes()).ok()?),
        Value::List(list) if !list.is_nil() && depth < MAX_DEPTH => {
            Json::Array(list.items().iter().map(|item| json(item, depth + 1)).collect::<Option<_>>()?)
        }
        Value::Map(map) if !map.is_nil() && depth < MAX_DEPTH => {
            let entries = map.entries();
            let fields = entries.iter().map(|(key, item)| {
                Some((std::str::from_utf8(key.as_bytes()).ok()?.to_owned(), json(item, depth + 1)?))
            });
            Json::Object(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn plain(text: impl Into<Text>, tag: Tag) -> Node {
    Node::new(Content::Scalar(Scalar { text: text.into(), tag: Some(tag), style: Style::Plain }))
}

fn text(text: &Str) -> Node {
    use base64::Engine as _;
    match std::str::from_utf8(text.as_bytes()) {
        Ok(text) => {
            // As quoted as the writer of JSON would have it.
            let quoted = yaml::write(&Json::from(text), Layout::Wide).starts_with('"');
            let style = if quoted { Style::Double } else { Style::Plain };
            Node::new(Content::Scalar(Scalar { text: text.into(), tag: Some(Tag::Str), style }))
        }
        Err(_) => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_bytes());
            plain(encoded, Tag::Binary)
        }
    }
}

fn float(float: f64) -> Node {
    let text = match float {
        float if float.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        float => format_float(float, 'g', None),
    };
    // A whole number needs no tag to be read back.
    let is_whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    plain(text, if is_whole { Tag::Int } else { Tag::Float })
}

fn node(value: &Value, depth: usize) -> Result<Node, String> {
    if depth > MAX_DEPTH {
        return Err("yaml: value is nested too deeply".to_owned());
    }
    let integer = |number: i128| plain(number.to_string(), Tag::Int);
    Ok(match value {
        Value::Invalid | Value::Nil => Node::null(),
        Value::Bool(b) => plain(b.to_string(), Tag::Bool),
        Value::Float(f) => float(*f),
        Value::Str(s) => text(s),
        Value::Bytes(bytes) => {
            Node::new(Content::Sequence(bytes.as_bytes().iter().map(|byte| integer(i128::from(*byte))).collect()))
        }
        Value::List(list) => {
            let items: Result<_, _> = list.items().iter().map(|item| node(item, depth + 1)).collect();
            Node::new(Content::Sequence(items?))
        }
        Value::Map(map) => {
            let mut entries = map.entries();
            entries.sort_by(|(a, _), (b, _)| key_order(&a.to_str(), &b.to_str()));
            let fields: Result<_, String> =
                entries.iter().map(|(key, item)| Ok((text(key), node(item, depth + 1)?))).collect();
            Node::new(Content::Mapping(fields?))
        }
        Value::Native(native) => of_native(native.as_ref(), value, depth)?,
        other => integer(other.as_integer().unwrap_or_default()),
    })
}

fn of_native(native: &dyn Native, value: &Value, depth: usize) -> Result<Node, String> {
    if let Some(duration) = value.downcast::<Duration>() {
        return Ok(plain(duration.to_string(), Tag::Str));
    }
    if let Some(time) = value.downcast::<Time>() {
        return Ok(plain(time.rfc3339(), Tag::Timestamp));
    }
    if let Some(inner) = native.marshalled().or_else(|| native.underlying()) {
        return node(&inner, depth);
    }
    let fields: Result<_, String> = exported(native)
        .iter()
        .map(|(name, item)| Ok((Node::string(name.to_lowercase()), node(item, depth + 1)?)))
        .collect();
    Ok(Node::new(Content::Mapping(fields?)))
}
