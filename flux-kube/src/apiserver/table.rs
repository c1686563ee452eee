//! Tables and metadata alone: what `kubectl get` shows.

use serde_json::{Value, json};

use super::fields::Fields;
use super::registry::Resource;

/// `PartialObjectMetadata` of an object.
pub(crate) fn metadata(object: &Fields, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.get("metadata").cloned().unwrap_or(json!({}))})
}

/// A table of one object.
pub(crate) fn of_object(
    resource: &Resource,
    object: &Fields,
    version: &str,
    include: &str,
    now: &jiff::Timestamp,
) -> Value {
    let meta = json!({"resourceVersion": object.get("metadata").and_then(|m| m.get("resourceVersion")).cloned()});
    build(resource, [object].into_iter(), meta, version, include, now)
}

/// A table of a list.
pub(crate) fn of_list(
    resource: &Resource,
    objects: &[std::sync::Arc<Fields>],
    meta: Value,
    version: &str,
    include: &str,
    now: &jiff::Timestamp,
) -> Value {
    build(resource, objects.iter().map(|o| &**o), meta, version, include, now)
}

fn build<'a>(
    _resource: &Resource,
    objects: impl Iterator<Item = &'a Fields>,
    meta: Value,
    version: &str,
    include: &str,
    now: &jiff::Timestamp,
) -> Value {
    let columns = json!([
        {"name": "Name", "type": "string", "format": "name", "description": "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0}
    ]);
    let _ = now;
    let rows: Vec<Value> = objects
        .map(|o| {
            let m = |k: &str| o.get("metadata").and_then(|m| m.get(k)).cloned().unwrap_or(Value::Null);
            let mut row = json!({"cells": [m("name"), m("creationTimestamp")]});
            if let Some(row) = row.as_object_mut() {
                match include {
                    "None" => {}
                    "Object" => {
                        row.insert("object".into(), Value::Object(o.clone()));
                    }
                    _ => {
                        row.insert("object".into(), metadata(o, version));
                    }
                }
            }
            row
        })
        .collect();
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": meta,
        "columnDefinitions": columns, "rows": rows})
}
