//! JSON patch (RFC 6902) with the quirks of the library that Kubernetes uses: negative indices count from the end,
//! `replace` of a missing key of a map adds it, `test` with null passes where there is nothing.

use serde_json::{Map as JsonMap, Value};

/// Copies and moves may not make a document larger than this many values.
const MAX_VALUES: usize = 1_000_000;

/// Why a JSON patch failed, in the words of the library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct JsonPatchError {
    pub(crate) message: String,
    /// The patch itself could not be read.
    pub(crate) decode: bool,
}

fn fail<T>(message: impl Into<String>) -> Result<T, JsonPatchError> {
    Err(JsonPatchError { message: message.into(), decode: false })
}

/// Applies a patch to a document.
///
/// # Errors
/// The patch is no list of operations, or an operation does not apply.
pub(crate) fn apply(doc: &Value, patch: &Value) -> Result<Value, JsonPatchError> {
    let operations = match patch {
        Value::Array(operations) => operations.as_slice(),
        Value::Null => &[],
        other => return undecodable(other, "jsonpatch.Patch"),
    };
    if let Some(other) = operations.iter().find(|o| !(o.is_object() || o.is_null())) {
        return undecodable(other, "jsonpatch.Operation");
    }
    let mut doc = match doc {
        Value::Object(_) | Value::Array(_) | Value::Null => doc.clone(),
        other => {
            let message =
                format!("json: cannot unmarshal {} into Go value of type jsonpatch.partialDoc", json_type(other));
            return fail(message);
        }
    };
    for operation in operations {
        let nothing = JsonMap::new();
        let operation = operation.as_object().unwrap_or(&nothing);
        match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
            "add" => add(&mut doc, operation)?,
            "remove" => remove(&mut doc, operation)?,
            "replace" => replace(&mut doc, operation)?,
            "move" => relocate(&mut doc, operation)?,
            "test" => test(&doc, operation)?,
            "copy" => copy(&mut doc, operation)?,
            other => return fail(format!("Unexpected kind: {other}")),
        }
    }
    Ok(doc)
}

fn undecodable<T>(value: &Value, into: &str) -> Result<T, JsonPatchError> {
    let message = format!("json: cannot unmarshal {} into Go value of type {into}", json_type(value));
    Err(JsonPatchError { message, decode: true })
}

pub(crate) fn json_type(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn text<'a>(operation: &'a JsonMap<String, Value>, key: &str) -> Option<&'a str> {
    operation.get(key).and_then(Value::as_str)
}

fn unescape(part: &str) -> String {
    // One pass, as Go's replacer: `~01` is `~1`.
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = rest.find('~') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        if let Some(tail) = tail.strip_prefix("~1") {
            out.push('/');
            rest = tail;
        } else if let Some(tail) = tail.strip_prefix("~0") {
            out.push('~');
            rest = tail;
        } else {
            out.push('~');
            rest = tail.get(1..).unwrap_or("");
        }
    }
    out.push_str(rest);
    out
}

/// The container that holds the last part of the path, and that part.
fn find<'a>(doc: &'a Value, path: &str) -> Option<(&'a Value, String)> {
    let (head, last) = path.rsplit_once('/')?;
    let mut at = doc;
    for part in head.split('/').skip(1) {
        let part = unescape(part);
        at = match at {
            Value::Object(map) => map.get(&part)?,
            Value::Array(items) => items.get(index(&part, items.len()).ok()?)?,
            _ => return None,
        };
        if !(at.is_object() || at.is_array()) {
            return None;
        }
    }
    Some((at, unescape(last)))
}

fn find_mut<'a>(doc: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (head, last) = path.rsplit_once('/')?;
    let mut at = doc;
    for part in head.split('/').skip(1) {
        let part = unescape(part);
        at = match at {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(items) => {
                let i = index(&part, items.len()).ok()?;
                items.get_mut(i)?
            }
            _ => return None,
        };
        if !(at.is_object() || at.is_array()) {
            return None;
        }
    }
    Some((at, unescape(last)))
}

fn number(key: &str) -> Result<i64, String> {
    let digits = key.strip_prefix(['+', '-']).unwrap_or(key);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {key:?}: invalid syntax"));
    }
    key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: value out of range"))
}

/// An index into a list of `len` items; negative ones count from the end.
fn index(key: &str, len: usize) -> Result<usize, String> {
    let i = number(key)?;
    let invalid = || format!("Unable to access invalid index: {i}: invalid index referenced");
    let at = if i < 0 { i.checked_add(len as i64).ok_or_else(invalid)? } else { i };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or_else(invalid)
}

const NIL_MAP: &str = "assignment to entry in nil map";

fn put(container: &mut Value, key: String, value: Value) -> Result<(), String> {
    match container {
        Value::Object(map) => {
            map.insert(key, value);
            Ok(())
        }
        Value::Array(items) if key == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => {
            number(&key).map_err(|e| format!("value was not a proper array index: '{key}': {e}"))?;
            let at = index(&key, items.len() + 1)?;
            items.insert(at, value);
            Ok(())
        }
        _ => Err(NIL_MAP.to_owned()),
    }
}

fn take(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Array(items) => {
            let at = index(key, items.len())?;
            Ok(items.remove(at))
        }
        Value::Object(map) => {
            map.shift_remove(key).ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value"))
        }
        _ => Err(format!("Unable to remove nonexistent key: {key}: missing value")),
    }
}

/// What is under the key; a map has null for what it does not have.
fn get<'a>(container: &'a Value, key: &str) -> Result<&'a Value, String> {
    const NOTHING: &Value = &Value::Null;
    match container {
        Value::Array(items) => {
            let at = index(key, items.len())?;
            Ok(items.get(at).unwrap_or(NOTHING))
        }
        Value::Object(map) => Ok(map.get(key).unwrap_or(NOTHING)),
        _ => Ok(NOTHING),
    }
}

fn value(operation: &JsonMap<String, Value>) -> Value {
    operation.get("value").cloned().unwrap_or(Value::Null)
}

fn add(doc: &mut Value, operation: &JsonMap<String, Value>) -> Result<(), JsonPatchError> {
    let Some(path) = text(operation, "path") else { return fail("add operation failed to decode path: missing value") };
    let Some((container, key)) = find_mut(doc, path) else {
        return fail(format!("add operation does not apply: doc is missing path: \"{path}\": missing value"));
    };
    put(container, key, value(operation)).or_else(|e| fail(format!("error in add for path: '{path}': {e}")))
}

fn remove(doc: &mut Value, operation: &JsonMap<String, Value>) -> Result<(), JsonPatchError> {
    let Some(path) = text(operation, "path") else {
        return fail("remove operation failed to decode path: missing value");
    };
    let Some((container, key)) = find_mut(doc, path) else {
        return fail(format!("remove operation does not apply: doc is missing path: \"{path}\": missing value"));
    };
    take(container, &key).map(drop).or_else(|e| fail(format!("error in remove for path: '{path}': {e}")))
}

fn replace(doc: &mut Value, operation: &JsonMap<String, Value>) -> Result<(), JsonPatchError> {
    let Some(path) = text(operation, "path") else {
        return fail("replace operation failed to decode path: operation missing path field: missing value");
    };
    if path.is_empty() {
        return match value(operation) {
            new @ (Value::Object(_) | Value::Array(_)) => {
                *doc = new;
                Ok(())
            }
            _ => fail("replace operation value must be object or array: %!w(<nil>)"),
        };
    }
    let Some((container, key)) = find_mut(doc, path) else {
        return fail(format!("replace operation does not apply: doc is missing path: {path}: missing value"));
    };
    if get(container, &key).is_err() {
        return fail(format!("replace operation does not apply: doc is missing key: {path}: missing value"));
    }
    match container {
        Value::Object(map) => {
            map.insert(key, value(operation));
        }
        Value::Array(items) => {
            let len = items.len();
            if let Some(slot) = index(&key, len).ok().and_then(|i| items.get_mut(i)) {
                *slot = value(operation);
            }
        }
        _ => return fail(NIL_MAP),
    }
    Ok(())
}

fn relocate(doc: &mut Value, operation: &JsonMap<String, Value>) -> Result<(), JsonPatchError> {
    let Some(from) = text(operation, "from") else {
        return fail("move operation failed to decode from: operation, missing from field: missing value");
    };
    let Some((container, key)) = find_mut(doc, from) else {
        return fail(format!("move operation does not apply: doc is missing from path: {from}: missing value"));
    };
    let moved = take(container, &key).or_else(|e| fail(format!("error in move for path: '{key}': {e}")))?;
    let Some(path) = text(operation, "path") else {
        return fail("move operation failed to decode path: operation missing path field: missing value");
    };
    let Some((container, key)) = find_mut(doc, path) else {
        return fail(format!("move operation does not apply: doc is missing destination path: {path}: missing value"));
    };
    put(container, key, moved).or_else(|e| fail(format!("error in move for path: '{path}': {e}")))
}

fn copy(doc: &mut Value, operation: &JsonMap<String, Value>) -> Result<(), JsonPatchError> {
    let Some(from) = text(operation, "from") else {
        return fail("copy operation failed to decode from: operation, missing from field: missing value");
    };
    let Some((container, key)) = find(doc, from) else {
        return fail(format!("copy operation does not apply: doc is missing from path: {from}: missing value"));
    };
    let copied = match get(container, &key) {
        Ok(value) => value.clone(),
        Err(e) => return fail(format!("error in copy for from: '{from}': {e}")),
    };
    if size(doc) + size(&copied) > MAX_VALUES {
        return fail("the document would grow too large");
    }
    let Some(path) = text(operation, "path") else {
        return fail("copy operation failed to decode path: missing value");
    };
    let Some((container, key)) = find_mut(doc, path) else {
        return fail(format!("copy operation does not apply: doc is missing destination path: {path}: missing value"));
    };
    put(container, key, copied).or_else(|e| fail(format!("error while adding value during copy: {e}")))
}

fn size(v: &Value) -> usize {
    match v {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn test(doc: &Value, operation: &JsonMap<String, Value>) -> Result<(), JsonPatchError> {
    let Some(path) = text(operation, "path") else {
        return fail("test operation failed to decode path: operation missing path field: missing value");
    };
    let failed = || fail(format!("testing value {path} failed: test failed"));
    let want = operation.get("value");
    if path.is_empty() {
        return if want.is_some_and(|w| same(doc, w)) { Ok(()) } else { failed() };
    }
    let Some((container, key)) = find(doc, path) else {
        return fail(format!("test operation does not apply: is missing path: {path}: missing value"));
    };
    let found = match get(container, &key) {
        Ok(found) => found,
        Err(e) => return fail(format!("error in test for path: '{path}': {e}")),
    };
    match (found, want) {
        (Value::Null, None | Some(Value::Null)) => Ok(()),
        (Value::Null, _) | (_, None | Some(Value::Null)) => failed(),
        (found, Some(want)) if same(found, want) => Ok(()),
        _ => failed(),
    }
}

/// Equality as the library has it: numbers by how they are written, and nulls in lists never equal.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len()
                && x.iter().all(|(k, v)| {
                    y.get(k).is_some_and(|w| if v.is_null() || w.is_null() { v == w } else { same(v, w) })
                })
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(v, w)| !v.is_null() && !w.is_null() && same(v, w))
        }
        (Value::Number(x), Value::Number(y)) => x.to_string() == y.to_string(),
        _ => a == b,
    }
}
