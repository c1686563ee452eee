//! JSON merge patch (RFC 7386).

use serde_json::{Map as JsonMap, Value};

/// A patch or document that is neither a map nor a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid JSON {0}")]
pub(crate) struct MergePatchError(&'static str);

/// Applies a merge patch to a document.
///
/// # Errors
/// The document is null, or the patch is null or a scalar.
pub(crate) fn apply(doc: &Value, patch: &Value) -> Result<Value, MergePatchError> {
    match (doc, patch) {
        (Value::Null, _) => Err(MergePatchError("Document")),
        (Value::Object(doc), Value::Object(patch)) => Ok(Value::Object(merged(doc.clone(), patch))),
        (_, Value::Object(_) | Value::Array(_)) => Ok(pruned(patch)),
        _ => Err(MergePatchError("Patch")),
    }
}

fn merged(mut doc: JsonMap<String, Value>, patch: &JsonMap<String, Value>) -> JsonMap<String, Value> {
    for (key, change) in patch {
        if change.is_null() {
            doc.shift_remove(key);
            continue;
        }
        let new = match (doc.get_mut(key).map(std::mem::take), change) {
            (None | Some(Value::Null), change) => pruned(change),
            (Some(Value::Object(old)), Value::Object(change)) => Value::Object(merged(old, change)),
            (Some(Value::Object(_)), change) => change.clone(),
            (Some(_), change) => pruned(change),
        };
        doc.insert(key.clone(), new);
    }
    doc
}

/// Without the nulls of its maps: they mean removal, and there is nothing to remove.
fn pruned(patch: &Value) -> Value {
    match patch {
        Value::Object(map) => {
            Value::Object(map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), pruned(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(pruned).collect()),
        other => other.clone(),
    }
}
