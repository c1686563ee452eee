//! Conditions, and counts, as controllers report them.

use serde_json::{Value, json};

use crate::apiserver::fields::Fields;

/// What a condition says.
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

pub(super) fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

pub(super) fn is(condition: Option<&Value>, key: &str, value: &str) -> bool {
    condition.and_then(|c| c.get(key)).and_then(Value::as_str) == Some(value)
}

/// The conditions in a status.
pub(super) fn of(object: &Fields) -> Vec<Value> {
    let conditions = object.get("status").and_then(|s| s.get("conditions")).and_then(Value::as_array);
    conditions.cloned().unwrap_or_default()
}

/// Sets a condition in the way of the deployment controller: what says the same stays as it is, anything else goes to
/// the end of the list, with the time of the last transition if its status does not change.
pub(super) fn set(conditions: &mut Vec<Value>, new: &Condition<'_>, now: &str) {
    let old = find(conditions, new.kind);
    if is(old, "status", new.status) && is(old, "reason", new.reason) {
        return;
    }
    renew(conditions, new, now);
}

/// Sets a condition again, even if it says the same: its time of update is new.
pub(super) fn renew(conditions: &mut Vec<Value>, new: &Condition<'_>, now: &str) {
    let old = find(conditions, new.kind);
    let since =
        if is(old, "status", new.status) { old.and_then(|c| c.get("lastTransitionTime")).cloned() } else { None };
    let condition = json!({"type": new.kind, "status": new.status, "lastUpdateTime": now,
        "lastTransitionTime": since.unwrap_or_else(|| now.into()), "reason": new.reason, "message": new.message});
    conditions.retain(|c| !is(Some(c), "type", new.kind));
    conditions.push(condition);
}

/// A status from counts, without those that are zero, and whatever else there is to say.
pub(super) fn status(counts: &[(&str, i64)], rest: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let counts = counts.iter().filter(|(_, count)| *count != 0).map(|(key, count)| ((*key).to_owned(), json!(count)));
    Value::Object(counts.chain(rest.into_iter().map(|(key, value)| (key.to_owned(), value))).collect())
}
