//! What the server does to an object of a kind before it stores it: fields it resets, generations it counts.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
        // A rollout may depend on the annotations of a deployment.
        fn annotations(o: &Fields) -> Option<&Value> {
            o.get("metadata").and_then(|m| m.get("annotations"))
        }
        let same = resource.group != "apps" || resource.kind != "Deployment" || annotations(new) == annotations(old);
        return same && new.get("spec") == old.get("spec");
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
pub(crate) fn prepare_create(resource: &Resource, object: &mut Fields, now: &str) {
    if resource.has_status() && !matches!(resource.kind.as_str(), "Namespace" | "Node") {
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
        ("", "Pod") => pod(object, now),
        ("", "PersistentVolume") => phase_changed(object, now),
        ("", "PersistentVolumeClaim") => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                super::defaults::data_sources(spec);
            }
        }
        ("apps", "DaemonSet") => template_generation(object, 1),
        ("apiextensions.k8s.io", _) => definition(object),
        _ => {}
    }
    if has_generation(resource)
        && let Some(meta) = metadata(object)
    {
        meta.insert("generation".into(), json!(1));
    }
}

/// A volume remembers when its phase last changed.
fn phase_changed(object: &mut Fields, now: &str) {
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.insert("lastPhaseTransitionTime".into(), json!(now));
    }
}

/// `stringData` is written only: it ends up in `data`, encoded.
pub(crate) fn string_data(object: &mut Fields) {
    if let Some(Value::Object(plain)) = object.shift_remove("stringData") {
        let data = object.entry("data").or_insert_with(|| json!({}));
        if let Some(data) = data.as_object_mut() {
            for (key, value) in plain {
                data.insert(key, json!(STANDARD.encode(value.as_str().unwrap_or(""))));
            }
        }
    }
}

fn initial_status(resource: &Resource) -> Value {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => json!({"phase": "Pending"}),
        ("", "PersistentVolume" | "PersistentVolumeClaim") => json!({"phase": "Pending"}),
        ("storage.k8s.io", "VolumeAttachment") => json!({"attached": false}),
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
pub(crate) fn prepare_update(resource: &Resource, subresource: &str, object: &mut Fields, old: &Fields, now: &str) {
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
        "finalize" | "ephemeralcontainers" | "resize" => keep(object, "status"),
        "" if resource.has_status() => keep(object, "status"),
        _ => {}
    }
    if resource.kind == "PersistentVolumeClaim"
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        super::defaults::data_sources(spec);
    }
    if resource.kind == "PersistentVolume" && subresource == "status" {
        let phase = |o: &Fields| o.get("status").and_then(|s| s.get("phase")).cloned();
        if phase(object) != phase(old) {
            phase_changed(object, now);
        }
    }
    if resource.kind == "Service" && resource.group.is_empty() && subresource.is_empty() {
        super::allocate::carry_over(object, old);
    }
    if resource.kind == "CustomResourceDefinition" && subresource.is_empty() {
        stored_versions(object);
    }
    if resource.kind == "DaemonSet" && subresource.is_empty() {
        let template = |o: &Fields| o.get("spec").and_then(|s| s.get("template")).cloned();
        let count = old
            .get("metadata")
            .and_then(|m| m.get("annotations"))
            .and_then(|a| a.get(TEMPLATE_GENERATION))
            .and_then(Value::as_str)
            .and_then(|v| v.parse().ok())
            .unwrap_or(0i64);
        template_generation(object, if template(object) == template(old) { count } else { count + 1 });
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

/// The annotation in which daemon sets count changes of their template.
pub(crate) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Sets the count of a daemon set's templates.
pub(crate) fn template_generation(object: &mut Fields, count: i64) {
    if let Some(meta) = metadata(object) {
        let annotations = meta.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(TEMPLATE_GENERATION.into(), json!(count.to_string()));
        }
    }
}

/// What a pod gets before it is stored: its class, and why it is not scheduled yet.
fn pod(object: &mut Fields, now: &str) {
    let class = quality(object);
    let gates = object.get("spec").and_then(|s| s.get("schedulingGates")).and_then(Value::as_array);
    let gated = gates.is_some_and(|g| !g.is_empty());
    if let Some(status) = object.entry("status").or_insert_with(|| json!({})).as_object_mut() {
        status.insert("qosClass".into(), json!(class));
        if gated {
            status.insert(
                "conditions".into(),
                json!([{"type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": now,
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates"}]),
            );
        }
    }
}

/// The quality of service a pod's resources ask for.
pub(crate) fn quality(object: &Fields) -> &'static str {
    let spec = object.get("spec");
    let containers = spec.and_then(|s| s.get("containers")).and_then(Value::as_array).into_iter().flatten();
    let (mut any, mut all) = (false, true);
    for c in containers {
        let part = |p: &str| c.get("resources").and_then(|r| r.get(p)).and_then(Value::as_object);
        for key in ["cpu", "memory"] {
            let (limit, request) = (part("limits").and_then(|l| l.get(key)), part("requests").and_then(|r| r.get(key)));
            any |= limit.is_some() || request.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The labels and selector by which a job knows its pods; they follow from its uid.
pub(crate) fn job_selector(object: &mut Fields, uid: &str) {
    let name = object.get("metadata").and_then(|m| m.get("name")).and_then(Value::as_str).unwrap_or("").to_owned();
    let template_labels = object
        .get("spec")
        .and_then(|s| s.get("template"))
        .and_then(|t| t.get("metadata"))
        .and_then(|m| m.get("labels"))
        .cloned()
        .unwrap_or_else(|| json!({}));
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if spec.get("manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let mut labels = template_labels.clone();
    if let Some(labels) = labels.as_object_mut() {
        for (key, value) in [
            ("controller-uid", uid),
            ("batch.kubernetes.io/controller-uid", uid),
            ("job-name", &name),
            ("batch.kubernetes.io/job-name", &name),
        ] {
            labels.insert(key.into(), json!(value));
        }
    }
    if let Some(template) = spec.get_mut("template").and_then(Value::as_object_mut)
        && let Some(meta) = metadata(template)
    {
        meta.insert("labels".into(), labels.clone());
    }
    let selector = spec.entry("selector").or_insert_with(|| json!({}));
    if let Some(selector) = selector.as_object_mut()
        && let Some(labels) = selector.entry("matchLabels").or_insert_with(|| json!({})).as_object_mut()
    {
        labels.insert("batch.kubernetes.io/controller-uid".into(), json!(uid));
    }
    // A job without labels of its own has those of its pods, and shares them.
    if let Some(meta) = metadata(object)
        && meta.get("labels").is_none_or(|own| *own == template_labels)
    {
        meta.insert("labels".into(), labels);
    }
}

/// A definition starts with its storage version as the one that is stored.
fn definition(object: &mut Fields) {
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.insert("storedVersions".into(), Value::Null);
    }
    let storage = storage_version(object);
    if let (Some(storage), Some(status)) = (storage, object.get_mut("status").and_then(Value::as_object_mut)) {
        status.insert("storedVersions".into(), json!([storage]));
    }
}

fn storage_version(object: &Fields) -> Option<Value> {
    let versions = object.get("spec")?.get("versions")?.as_array()?;
    versions.iter().find(|v| v.get("storage") == Some(&Value::Bool(true)))?.get("name").cloned()
}

/// A new storage version joins those that are stored.
fn stored_versions(object: &mut Fields) {
    let storage = storage_version(object);
    let stored = object.get_mut("status").and_then(|s| s.get_mut("storedVersions")).and_then(Value::as_array_mut);
    if let (Some(storage), Some(stored)) = (storage, stored)
        && !stored.contains(&storage)
    {
        stored.push(storage);
    }
}
