//! Field-level differences between two values.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which field, such as `spec.template.spec.containers[name=app].image`.
    pub path: String,
    /// What it was; none when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it becomes; none when it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The fields in which two maps differ, in the order of the first, additions last. Lists whose items carry names of
/// their own are compared by name, other lists by position.
pub fn diff(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    diff_maps("", before, after, &mut changes);
    changes
}

fn diff_maps(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<FieldChange>) {
    for (key, old) in before {
        diff_values(&child(path, key), Some(old), after.get(key), changes);
    }
    for (key, new) in after {
        if !before.contains_key(key) {
            diff_values(&child(path, key), None, Some(new), changes);
        }
    }
}

fn diff_values(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => diff_maps(path, before, after, changes),
        (Some(Value::Array(before)), Some(Value::Array(after))) => diff_lists(path, before, after, changes),
        (before, after) => {
            changes.push(FieldChange { path: path.into(), before: before.cloned(), after: after.cloned() });
        }
    }
}

fn diff_lists(path: &str, before: &[Value], after: &[Value], changes: &mut Vec<FieldChange>) {
    if let Some(key) = merge_key(before, after) {
        let find = |items: &'_ [Value], name: &Value| items.iter().position(|item| item.get(key) == Some(name));
        for old in before {
            let name = &old[key];
            let new = find(after, name).map(|i| &after[i]);
            diff_values(&item(path, key, name), Some(old), new, changes);
        }
        for new in after.iter().filter(|new| find(before, &new[key]).is_none()) {
            diff_values(&item(path, key, &new[key]), None, Some(new), changes);
        }
        return;
    }
    for i in 0..before.len().max(after.len()) {
        diff_values(&format!("{path}[{i}]"), before.get(i), after.get(i), changes);
    }
}

/// The field that tells the items of both lists apart, if there is one.
fn merge_key(before: &[Value], after: &[Value]) -> Option<&'static str> {
    const KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "type", "key", "ip"];
    let identifies = |key: &str, items: &[Value]| {
        let mut names: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            match item.get(key) {
                Some(name @ (Value::String(_) | Value::Number(_))) => names.push(name.to_string()),
                _ => return false,
            }
        }
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    };
    KEYS.into_iter().find(|key| identifies(key, before) && identifies(key, after))
}

fn child(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{key:?}]"),
    }
}

fn item(path: &str, key: &str, name: &Value) -> String {
    let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
    format!("{path}[{key}={name}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(before: Value, after: Value) -> Vec<String> {
        let (Value::Object(before), Value::Object(after)) = (before, after) else { panic!("not maps") };
        diff(&before, &after).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn only_what_differs_is_named() {
        assert!(paths(json!({"a": {"b": [1, 2]}}), json!({"a": {"b": [1, 2]}})).is_empty());
        assert_eq!(
            paths(json!({"a": 1, "b": {"c": 2, "x.y/z": 3}, "l": [1, 2]}), json!({"b": {"c": 3}, "l": [1], "n": 0})),
            ["a", "b.c", "b[\"x.y/z\"]", "l[1]", "n"]
        );
    }

    #[test]
    fn named_items_are_compared_by_name() {
        let before = json!({"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]});
        let after = json!({"containers": [{"name": "b", "image": "b:2"}, {"name": "a", "image": "a:1"}]});
        assert_eq!(paths(before, after), ["containers[name=b].image"]);
    }
}
