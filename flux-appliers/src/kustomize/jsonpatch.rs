//! JSON patches (RFC 6902) with the leniencies of the Go library that kustomize uses.

use flux_core::yaml::{self, ReadOptions};
use serde_json::{Map, Value};

use super::budget::value_size;
use super::yaml_limits;

/// What all copies of one patch to one document may take: each can double the document.
const LARGEST_COPIES: usize = 16 << 20;

/// The operations of one patch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonPatch(Vec<Map<String, Value>>);

impl JsonPatch {
    /// Reads a patch, JSON or YAML.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let value = if text.first() == Some(&b'[') {
            serde_json::from_slice(text).map_err(|error| error.to_string())?
        } else {
            yaml::read(text, &ReadOptions { limits: yaml_limits(), ..ReadOptions::default() })
                .map_err(|error| error.to_string())?
        };
        Self::from_value(value)
    }

    pub(super) fn from_value(value: Value) -> Result<Self, String> {
        let operation = |value| match value {
            Value::Object(map) => Ok(map),
            Value::Null => Ok(Map::new()),
            other => Err(format!("a patch operation must be an object, not {other}")),
        };
        match value {
            Value::Array(list) => list.into_iter().map(operation).collect::<Result<_, _>>().map(Self),
            Value::Null => Ok(Self(Vec::new())),
            _ => Err("a JSON patch must be a list of operations".into()),
        }
    }

    /// About how much it adds to a document, copies apart.
    pub(super) fn size(&self) -> usize {
        self.0.iter().filter_map(|operation| operation.get("value")).map(value_size).sum()
    }

    /// True where it copies parts of a document.
    pub(super) fn copies(&self) -> bool {
        self.0.iter().any(|operation| operation.get("op").is_some_and(|op| op == "copy"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies all operations.
    pub(super) fn apply(&self, document: &mut Value) -> Result<(), String> {
        if !matches!(document, Value::Object(_) | Value::Array(_) | Value::Null) {
            return Err("the document is neither an object nor a list".into());
        }
        let mut copied = 0;
        for operation in &self.0 {
            let name = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
            apply(document, name, operation, &mut copied).map_err(|error| format!("{name} operation: {error}"))?;
        }
        Ok(())
    }
}

fn apply(document: &mut Value, name: &str, operation: &Map<String, Value>, copied: &mut usize) -> Result<(), String> {
    let pointer = |field: &str| {
        operation.get(field).and_then(Value::as_str).ok_or_else(|| format!("operation missing {field} field"))
    };
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match name {
        "add" => add(document, pointer("path")?, value()),
        "remove" => remove(document, pointer("path")?),
        "replace" => replace(document, pointer("path")?, value()),
        "test" => test(document, pointer("path")?, operation.get("value")),
        "copy" => {
            let found = get(document, pointer("from")?)?.cloned().unwrap_or(Value::Null);
            *copied += value_size(&found);
            if *copied > LARGEST_COPIES {
                return Err(format!("all copies together are larger than {LARGEST_COPIES} bytes"));
            }
            add(document, pointer("path")?, found)
        }
        "move" => {
            let from = pointer("from")?;
            let found = get(document, from)?.cloned().unwrap_or(Value::Null);
            remove(document, from)?;
            add(document, pointer("path")?, found)
        }
        other => Err(format!("unexpected kind: {other}")),
    }
}

/// The container that holds what a pointer names, and the name in it.
fn container<'v>(document: &'v mut Value, pointer: &str) -> Result<(&'v mut Value, String), String> {
    let missing = || format!("doc is missing path: \"{}\"", shown(pointer));
    let mut parts = pointer.split('/').skip(1).map(unescape).peekable();
    let mut found = document;
    loop {
        let part = parts.next().ok_or_else(missing)?;
        if parts.peek().is_none() {
            return match found {
                Value::Object(_) | Value::Array(_) => Ok((found, part)),
                _ => Err(missing()),
            };
        }
        found = match found {
            Value::Object(map) => map.get_mut(&part),
            Value::Array(list) => index(&part, list.len()).ok().and_then(|i| list.get_mut(i)),
            _ => None,
        }
        .ok_or_else(missing)?;
    }
}

/// A pointer as it is named in errors.
fn shown(pointer: &str) -> String {
    const LONGEST: usize = 200;
    match pointer.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", pointer.get(..end).unwrap_or_default()),
        None => pointer.to_owned(),
    }
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// An index into a list; from the end where it is negative.
fn index(part: &str, length: usize) -> Result<usize, String> {
    let number: i64 = part.parse().map_err(|_| format!("invalid index: {part}"))?;
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let at = if number < 0 { number + size } else { number };
    usize::try_from(at).ok().filter(|at| *at < length).ok_or_else(|| format!("unable to access invalid index: {part}"))
}

fn get<'v>(document: &'v mut Value, pointer: &str) -> Result<Option<&'v Value>, String> {
    let (container, key) = container(document, pointer)?;
    match container {
        Value::Object(map) => Ok(map.get(&key)),
        Value::Array(list) => {
            let at = index(&key, list.len())?;
            Ok(list.get(at))
        }
        _ => Ok(None),
    }
}

fn add(document: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let (container, key) = container(document, pointer)?;
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => {
            let at = index(&key, list.len() + 1)?;
            list.insert(at, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(document: &mut Value, pointer: &str) -> Result<(), String> {
    let (container, key) = container(document, pointer)?;
    match container {
        Value::Object(map) => {
            map.shift_remove(&key).ok_or_else(|| format!("unable to remove nonexistent key: {key}"))?;
        }
        Value::Array(list) => {
            let at = index(&key, list.len())?;
            list.remove(at);
        }
        _ => {}
    }
    Ok(())
}

fn replace(document: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    if pointer.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("value must be an object or a list".into());
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = container(document, pointer)?;
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(list) => {
            let at = index(&key, list.len())?;
            if let Some(slot) = list.get_mut(at) {
                *slot = value;
            }
        }
        _ => {}
    }
    Ok(())
}

fn test(document: &mut Value, pointer: &str, wanted: Option<&Value>) -> Result<(), String> {
    let wanted = wanted.unwrap_or(&Value::Null);
    let found = get(document, pointer)?.unwrap_or(&Value::Null);
    if found == wanted { Ok(()) } else { Err(format!("testing value {pointer} failed")) }
}
