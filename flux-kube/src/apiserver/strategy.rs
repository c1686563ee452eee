//! What the server does to an object of a kind before it stores it: fields it resets, generations it counts.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::fields::{FieldSet, Fields, decode_fields, no_fields};
use super::registry::Resource;

static STATUS: LazyLock<FieldSet> = LazyLock::new(|| decode_fields(&json!({"f:status": {}})));
static SPEC: LazyLock<FieldSet> = LazyLock::new(|| decode_fields(&json!({"f:spec": {}})));
static SPEC_AND_LABELS: LazyLock<FieldSet> =
    LazyLock::new(|| decode_fields(&json!({"f:spec": {}, "f:metadata": {"f:labels": {}}})));
static SPEC_AND_METADATA: LazyLock<FieldSet> =
    LazyLock::new(|| decode_fields(&json!({"f:spec": {}, "f:metadata": {".": {}}})));
static POD_STATUS: LazyLock<FieldSet> = LazyLock::new(|| {
    decode_fields(&json!({"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}}))
});

/// The fields that an endpoint resets, and so never owns.
pub(crate) fn reset_fields(resource: &Resource, subresource: &str) -> &'static FieldSet {
    match subresource {
        "status" => match (resource.group.as_str(), resource.kind.as_str()) {
            _ if resource.custom.is_some() => &SPEC_AND_METADATA,
            ("apps", "Deployment") => &SPEC_AND_LABELS,
            ("", "Pod") => &POD_STATUS,
            (
                "flowcontrol.apiserver.k8s.io" | "networking.k8s.io",
                "FlowSchema" | "PriorityLevelConfiguration" | "ServiceCIDR",
            )
            | ("storage.k8s.io", "VolumeAttachment")
            | ("resource.k8s.io", _)
            | ("admissionregistration.k8s.io", _) => &SPEC_AND_METADATA,
            _ => &SPEC,
        },
        "" if resource.has_status() => &STATUS,
        _ => no_fields(),
    }
}

/// Whether the kind counts generations of its spec.
fn has_generation(resource: &Resource) -> bool {
    if resource.custom.is_some() {
        return true;
    }
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("", "Pod" | "PodTemplate" | "ReplicationController")
            | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
            | ("batch", _)
            | ("networking.k8s.io", "Ingress" | "IngressClass" | "NetworkPolicy")
            | ("policy", _)
            | ("discovery.k8s.io", _)
            | ("flowcontrol.apiserver.k8s.io", _)
            | ("admissionregistration.k8s.io", _)
            | ("scheduling.k8s.io", _)
            | ("resource.k8s.io", "DeviceClass" | "ResourceSlice")
            | ("apiextensions.k8s.io", _)
    )
}

/// The fields whose change is a new generation: `spec`, or for kinds without one all but metadata and status.
fn same_generation(resource: &Resource, new: &Fields, old: &Fields) -> bool {
    if resource.custom.is_none() && (new.contains_key("spec") || old.contains_key("spec")) {
        return new.get("spec") == old.get("spec");
    }
    let counted = |k: &str| {
        !matches!(k, "apiVersion" | "kind" | "metadata")
            && !(k == "status" && (resource.custom.is_none() || resource.has_status()))
    };
    let (a, b) = (new.iter().filter(|(k, _)| counted(k)), old.iter().filter(|(k, _)| counted(k)));
    a.clone().count() == b.count() && a.into_iter().all(|(k, v)| old.get(k) == Some(v))
}

fn metadata(object: &mut Fields) -> Option<&mut Fields> {
    object.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

/// Before a create: status is reset, the first generation counted.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Fields) {
    if resource.has_status() && resource.kind != "Namespace" {
        if resource.custom.is_some() {
            object.shift_remove("status");
        } else if object.contains_key("status") {
            object.insert("status".into(), initial_status(resource));
        }
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => {
            object.insert("status".into(), json!({"phase": "Active"}));
            let spec = object.entry("spec").or_insert_with(|| json!({}));
            if let Some(spec) = spec.as_object_mut() {
                let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
                if let Some(list) = finalizers.as_array_mut()
                    && !list.iter().any(|f| f == "kubernetes")
                {
                    list.push(json!("kubernetes"));
                }
            }
        }
        ("", "Secret") => string_data(object),
        _ => {}
    }
    if has_generation(resource) {
        if let Some(meta) = metadata(object) {
            meta.insert("generation".into(), json!(1));
        }
    }
}

/// `stringData` is written only: it ends up in `data`, encoded.
pub(crate) fn string_data(object: &mut Fields) {
    if let Some(Value::Object(plain)) = object.shift_remove("stringData") {
        let data = object.entry("data").or_insert_with(|| json!({}));
        if let Some(data) = data.as_object_mut() {
            for (key, value) in plain {
                data.insert(key, json!(super::base64::encode(value.as_str().unwrap_or("").as_bytes())));
            }
        }
    }
}

fn initial_status(resource: &Resource) -> Value {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => json!({"phase": "Pending"}),
        ("", "PersistentVolume" | "PersistentVolumeClaim") => json!({"phase": "Pending"}),
        ("", "Service") | ("networking.k8s.io", "Ingress") => json!({"loadBalancer": {}}),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => json!({"replicas": 0}),
        ("apps", "StatefulSet") => json!({"availableReplicas": 0, "replicas": 0}),
        ("apps", "DaemonSet") => json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0,
            "numberMisscheduled": 0, "numberReady": 0}),
        ("policy", "PodDisruptionBudget") => json!({"currentHealthy": 0, "desiredHealthy": 0,
            "disruptionsAllowed": 0, "expectedPods": 0}),
        ("autoscaling", _) => json!({"currentMetrics": null, "desiredReplicas": 0}),
        ("apiextensions.k8s.io", _) => json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null,
            "storedVersions": null}),
        _ => json!({}),
    }
}

/// Before an update: what the endpoint may not change is put back, the generation counted.
pub(crate) fn prepare_update(resource: &Resource, subresource: &str, object: &mut Fields, old: &Fields) {
    let keep = |object: &mut Fields, key: &str| match old.get(key) {
        Some(value) => {
            object.insert(key.to_owned(), value.clone());
        }
        None => {
            object.shift_remove(key);
        }
    };
    match subresource {
        "status" => {
            if resource.custom.is_some() {
                let keys: Vec<String> = object.keys().chain(old.keys()).filter(|k| *k != "status").cloned().collect();
                let managed = object.get("metadata").and_then(|m| m.get("managedFields")).cloned();
                for key in keys {
                    keep(object, &key);
                }
                if let (Some(managed), Some(meta)) = (managed, metadata(object)) {
                    meta.insert("managedFields".into(), managed);
                }
            } else {
                keep(object, "spec");
                if resource.kind == "Deployment"
                    && let (Some(meta), Some(old)) = (metadata(object), old.get("metadata").and_then(Value::as_object))
                {
                    match old.get("labels") {
                        Some(labels) => {
                            meta.insert("labels".into(), labels.clone());
                        }
                        None => {
                            meta.shift_remove("labels");
                        }
                    }
                }
            }
        }
        "finalize" => keep(object, "status"),
        "" if resource.has_status() => keep(object, "status"),
        _ => {}
    }
    if resource.kind == "Secret" && resource.group.is_empty() {
        string_data(object);
    }
    if subresource.is_empty() && resource.kind == "Namespace" && resource.group.is_empty() {
        // Only the finalize endpoint removes finalizers of the spec.
        keep(object, "spec");
    }
    if has_generation(resource) {
        let before = old.get("metadata").and_then(|m| m.get("generation")).cloned();
        let bump = subresource != "status" && !same_generation(resource, object, old);
        if let Some(meta) = metadata(object) {
            match before {
                Some(Value::Number(n)) if bump => {
                    meta.insert("generation".into(), json!(n.as_i64().unwrap_or(0) + 1));
                }
                Some(generation) => {
                    meta.insert("generation".into(), generation);
                }
                None if bump => {
                    meta.insert("generation".into(), json!(1));
                }
                None => {
                    meta.shift_remove("generation");
                }
            }
        }
    }
}
