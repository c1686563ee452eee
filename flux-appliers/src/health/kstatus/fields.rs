//! Fields of an object that may be anything, read as the Go packages read them.

use serde_json::{Map, Value};

use super::{Condition, StatusError};

fn wrong(field: &'static str, found: &Value, expected: &str) -> StatusError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_i64() => "an integer",
        Value::Number(_) => "a float",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    StatusError { field, problem: format!("is {found}, expected {expected}") }
}

/// What is at a path; none where nothing is, an error where the way leads through something that is no map.
fn nested<'a>(object: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a Value>, StatusError> {
    let mut map = object;
    let mut parts = field.split('.').peekable();
    while let Some(part) = parts.next() {
        match map.get(part) {
            None => return Ok(None),
            found if parts.peek().is_none() => return Ok(found),
            Some(Value::Null) => return Ok(None),
            Some(Value::Object(child)) => map = child,
            Some(other) => return Err(wrong(field, other, "a map")),
        }
    }
    Ok(None)
}

/// A text that must be one where it is.
pub(super) fn text<'a>(object: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, StatusError> {
    match nested(object, field)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(field, other, "a string")),
    }
}

/// An integer that must be one where it is.
pub(super) fn integer(object: &Map<String, Value>, field: &'static str) -> Result<Option<i64>, StatusError> {
    match nested(object, field)? {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(field, value, "an integer")),
    }
}

/// A list that must be one where it is.
pub(super) fn list<'a>(
    object: &'a Map<String, Value>,
    field: &'static str,
) -> Result<Option<&'a [Value]>, StatusError> {
    match nested(object, field)? {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(wrong(field, other, "a list")),
    }
}

/// A text, or the default where there is none or something else.
pub(super) fn text_or<'a>(object: &'a Map<String, Value>, field: &'static str, default: &'a str) -> &'a str {
    nested(object, field).ok().flatten().and_then(Value::as_str).unwrap_or(default)
}

/// An integer, or the default where there is none or something else.
pub(super) fn integer_or(object: &Map<String, Value>, field: &'static str, default: i64) -> i64 {
    nested(object, field).ok().flatten().and_then(Value::as_i64).unwrap_or(default)
}

/// The conditions of an object.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    pub(super) fn of(object: &Map<String, Value>) -> Result<Self, StatusError> {
        let status = match object.get("status") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(status)) => status,
            Some(other) => return Err(wrong("status", other, "a map")),
        };
        let items = match status.get("conditions") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(wrong("status.conditions", other, "a list")),
        };
        items.iter().map(condition).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Condition> {
        self.0.iter()
    }

    pub(super) fn find(&self, kind: &str, status: &str) -> Option<&Condition> {
        self.iter().find(|condition| condition.kind == kind && condition.status == status)
    }
}

fn condition(item: &Value) -> Result<Condition, StatusError> {
    let map = match item {
        Value::Null => return Ok(Condition::default()),
        Value::Object(map) => map,
        other => return Err(wrong("status.conditions[]", other, "a map")),
    };
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(wrong("status.conditions[]", other, "a string")),
    };
    Ok(Condition { kind: text("type")?, status: text("status")?, reason: text("reason")?, message: text("message")? })
}
