//! Conversion between the versions of built-in kinds.

use serde_json::{Value, json};

use super::fields::Fields;

/// Rewrites `object` from one API version to another; kinds whose versions are alike need nothing.
pub(crate) fn between(from: &str, to: &str, object: &mut Fields) {
    match (from, to) {
        ("autoscaling/v1", "autoscaling/v2") => {
            let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
            if let Some(cpu) = spec.shift_remove("targetCPUUtilizationPercentage") {
                let target = json!({"type": "Utilization", "averageUtilization": cpu});
                spec.insert(
                    "metrics".into(),
                    json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]),
                );
            }
        }
        ("autoscaling/v2", "autoscaling/v1") => {
            let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
            let metrics = spec.shift_remove("metrics");
            for m in metrics.as_ref().and_then(Value::as_array).into_iter().flatten() {
                let resource = m.get("resource");
                if resource.and_then(|r| r.get("name")) == Some(&json!("cpu"))
                    && let Some(cpu) = resource.and_then(|r| r.get("target")).and_then(|t| t.get("averageUtilization"))
                {
                    spec.insert("targetCPUUtilizationPercentage".into(), cpu.clone());
                }
            }
            spec.shift_remove("behavior");
            if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
                status.retain(|k, _| {
                    matches!(k.as_str(), "observedGeneration" | "lastScaleTime" | "currentReplicas" | "desiredReplicas")
                });
                for count in ["currentReplicas", "desiredReplicas"] {
                    status.entry(count).or_insert_with(|| json!(0));
                }
            }
        }
        ("v1", "events.k8s.io/v1") => event(object, 0, 1),
        ("events.k8s.io/v1", "v1") => event(object, 1, 0),
        _ => {}
    }
}

/// The names of a field in two versions, and what each writes of it when it is empty.
type Renamed = ([&'static str; 2], [Option<&'static str>; 2]);

/// The fields of an event whose names differ: of the old kind and of the new one.
const EVENT: [Renamed; 7] = [
    (["involvedObject", "regarding"], [None, None]),
    (["message", "note"], [None, None]),
    (["count", "deprecatedCount"], [None, None]),
    (["firstTimestamp", "deprecatedFirstTimestamp"], [Some("null"), Some("null")]),
    (["lastTimestamp", "deprecatedLastTimestamp"], [Some("null"), Some("null")]),
    (["source", "deprecatedSource"], [Some("{}"), Some("{}")]),
    (["reportingComponent", "reportingController"], [Some("\"\""), None]),
];

fn event(object: &mut Fields, from: usize, to: usize) {
    for (names, empty) in &EVENT {
        let value = object.shift_remove(names[from]).filter(|v| *v != json!(""));
        let empty = || empty[to].and_then(|text| serde_json::from_str(text).ok());
        if let Some(value) = value.or_else(empty) {
            object.insert(names[to].to_owned(), value);
        }
    }
    let instance = object.get("reportingInstance").and_then(Value::as_str).unwrap_or("");
    if instance.is_empty() {
        object.shift_remove("reportingInstance");
        if to == 0 {
            object.insert("reportingInstance".to_owned(), json!(""));
        }
    }
}
