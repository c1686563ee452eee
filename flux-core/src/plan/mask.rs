//! Keeping secrets out of what is shown.

use serde_json::Value;

use super::FieldChange;
use crate::object::Object;

/// Replaces every value of a Secret, and every copy of an object that an annotation holds, by stars that say only
/// whether there was a value and whether it changes: Flux's own words.
pub(super) fn mask(object: &Object, changes: &mut [FieldChange]) {
    let secret = object.is_secret();
    for change in changes {
        let root = change.path.split(['.', '[']).next().unwrap_or_default();
        let content =
            secret && (matches!(root, "data" | "stringData") || !matches!(root, "metadata" | "type" | "immutable"));
        let copy = change.path.contains("last-applied-configuration")
            || (change.path == "metadata.annotations" && holds_copy(change));
        if !(content || copy || (secret && change.path.starts_with("metadata.annotations"))) {
            continue;
        }
        let both = change.before.is_some() && change.after.is_some();
        change.before = change.before.as_ref().map(|value| stars(value, if both { "*** (before)" } else { "***" }));
        change.after = change.after.as_ref().map(|value| stars(value, if both { "*** (after)" } else { "***" }));
    }
}

fn holds_copy(change: &FieldChange) -> bool {
    [&change.before, &change.after].into_iter().flatten().any(|value| {
        value.as_object().is_some_and(|map| map.keys().any(|key| key.contains("last-applied-configuration")))
    })
}

/// The same shape with every scalar starred, so that the keys of a Secret that comes or goes can still be seen.
fn stars(value: &Value, mark: &str) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), stars(value, mark))).collect(),
        Value::Array(items) => items.iter().map(|value| stars(value, mark)).collect(),
        _ => Value::String(mark.to_owned()),
    }
}
