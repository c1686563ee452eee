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
        _ => {}
    }
}
