//! Whether an apply would change anything: a live object against the dry run.

use flux_core::Object;
use serde_json::{Map, Value};

/// Whether a live object differs from what applying the desired one would make of it: labels, annotations, owners,
/// finalizers, and everything but `metadata` and `status`.
pub(super) fn differs(live: &Object, dry_run: &Object) -> bool {
    let metadata = |object: &Object, field: &str| -> Option<Value> {
        object.metadata().and_then(|metadata| metadata.get(field)).filter(|value| !is_empty(value)).cloned()
    };
    if ["labels", "annotations", "ownerReferences", "finalizers"]
        .iter()
        .any(|field| metadata(live, field) != metadata(dry_run, field))
    {
        return true;
    }
    let content = |object: &Object| -> Vec<(String, Value)> { Vec::from_iter(comparable(object)) };
    if live.kind() == "HorizontalPodAutoscaler" {
        let normal = |object: &Object| Map::from_iter(content(object).into_iter().map(without_duplicate_metrics));
        return normal(live) != normal(dry_run);
    }
    let (mut ours, mut theirs) = (fields(live), fields(dry_run));
    ours.sort_unstable_by_key(|(key, _)| *key);
    theirs.sort_unstable_by_key(|(key, _)| *key);
    ours != theirs
}

fn fields(object: &Object) -> Vec<(&String, &Value)> {
    object.as_map().iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status")).collect()
}

fn comparable(object: &Object) -> impl Iterator<Item = (String, Value)> {
    fields(object).into_iter().map(|(key, value)| (key.clone(), value.clone()))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The API server keeps a metric of an autoscaler that is given twice, and adds it again when it is applied again.
fn without_duplicate_metrics((key, mut value): (String, Value)) -> (String, Value) {
    if key == "spec"
        && let Some(metrics) = value.get_mut("metrics").and_then(Value::as_array_mut)
    {
        let mut seen: Vec<Value> = Vec::with_capacity(metrics.len());
        metrics.retain(|metric| {
            let new = !seen.contains(metric);
            if new {
                seen.push(metric.clone());
            }
            new
        });
    }
    (key, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object::from_value(value).unwrap()
    }

    #[test]
    fn bookkeeping_and_status_are_not_drift() {
        let live = object(json!({"apiVersion": "v1", "kind": "A", "status": {"x": 1}, "spec": {"a": 1, "b": 2},
            "metadata": {"name": "a", "resourceVersion": "1", "labels": {}}}));
        let same = object(json!({"apiVersion": "v1", "kind": "A", "spec": {"b": 2, "a": 1},
            "metadata": {"name": "a", "resourceVersion": "2"}}));
        assert!(!differs(&live, &same));
        let drifted = object(json!({"apiVersion": "v1", "kind": "A", "spec": {"b": 3, "a": 1},
            "metadata": {"name": "a"}}));
        assert!(differs(&live, &drifted));
        let labelled = object(json!({"apiVersion": "v1", "kind": "A", "spec": {"b": 2, "a": 1},
            "metadata": {"name": "a", "labels": {"x": "y"}}}));
        assert!(differs(&live, &labelled));
    }

    #[test]
    fn a_metric_given_twice_is_not_drift() {
        let hpa = |metrics: Value| {
            object(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "a"}, "spec": {"metrics": metrics}}))
        };
        assert!(!differs(&hpa(json!([{"type": "A"}])), &hpa(json!([{"type": "A"}, {"type": "A"}]))));
        assert!(differs(&hpa(json!([{"type": "A"}])), &hpa(json!([{"type": "B"}]))));
    }
}
