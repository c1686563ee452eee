//! The values that the API fills in.

use serde_json::{Value, json};

use super::fields::Fields;
use super::registry::Resource;

mod pod;
mod workloads;

/// Sets `key` if it is not there.
fn set(map: &mut Fields, key: &str, value: impl Into<Value>) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), value.into());
    }
}

/// The map under `key`, made if there is none.
fn child<'a>(map: &'a mut Fields, key: &str) -> Option<&'a mut Fields> {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), json!({}));
    }
    map.get_mut(key)?.as_object_mut()
}

/// The maps in the list under `key`.
fn each<'a>(map: &'a mut Fields, key: &str) -> impl Iterator<Item = &'a mut Fields> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Fills in what a built-in object leaves open.
pub(crate) fn apply(resource: &Resource, object: &mut Fields) {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => {
            if let Some(spec) = child(object, "spec") {
                pod::spec(spec);
                pod::requests(spec);
                set(spec, "enableServiceLinks", true);
            }
        }
        ("", "PodTemplate") => {
            if let Some(spec) = child(object, "template").and_then(|t| child(t, "spec")) {
                pod::spec(spec);
            }
        }
        ("", "Namespace") => {
            if let Some(status) = child(object, "status") {
                set(status, "phase", "Active");
            }
            let name = object.get("metadata").and_then(|m| m.get("name")).and_then(Value::as_str).unwrap_or("");
            if !name.is_empty() {
                let name = json!(name);
                if let Some(labels) = child(object, "metadata").and_then(|m| child(m, "labels")) {
                    set(labels, "kubernetes.io/metadata.name", name);
                }
            }
        }
        ("", "Secret") => {
            super::strategy::string_data(object);
            set(object, "type", "Opaque");
        }
        ("", "Service") => workloads::service(object),
        ("", "ReplicationController") => workloads::replication_controller(object),
        ("", "PersistentVolume") => {
            if let Some(spec) = child(object, "spec") {
                set(spec, "persistentVolumeReclaimPolicy", "Retain");
                set(spec, "volumeMode", "Filesystem");
                pod::volume_source(spec);
            }
            if let Some(status) = child(object, "status") {
                set(status, "phase", "Pending");
            }
        }
        ("", "PersistentVolumeClaim") => {
            if let Some(spec) = child(object, "spec") {
                set(spec, "volumeMode", "Filesystem");
            }
            if let Some(status) = child(object, "status") {
                set(status, "phase", "Pending");
            }
        }
        ("", "Endpoints") => {
            for subset in each(object, "subsets") {
                for port in each(subset, "ports") {
                    set(port, "protocol", "TCP");
                }
            }
        }
        ("", "LimitRange") => workloads::limit_range(object),
        ("", "Node") => node(object),
        ("apps", _) => workloads::apps(&resource.kind, object),
        ("batch", _) => workloads::batch(&resource.kind, object),
        ("autoscaling", _) => workloads::autoscaler(&resource.version, object),
        ("networking.k8s.io", "NetworkPolicy") => workloads::network_policy(object),
        ("networking.k8s.io", "IngressClass") => {
            let parameters = object.get_mut("spec").and_then(|s| s.get_mut("parameters"));
            if let Some(parameters) = parameters.and_then(Value::as_object_mut) {
                set(parameters, "scope", "Cluster");
            }
        }
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => workloads::priority_level(object),
        ("apiregistration.k8s.io", "APIService") => {
            let service = object.get_mut("spec").and_then(|s| s.get_mut("service"));
            if let Some(service) = service.and_then(Value::as_object_mut) {
                set(service, "port", 443);
            }
        }
        ("resource.k8s.io", "ResourceClaim") => {
            if let Some(spec) = child(object, "spec") {
                workloads::device_requests(spec);
            }
        }
        ("resource.k8s.io", "ResourceClaimTemplate") => {
            if let Some(spec) = child(object, "spec").and_then(|s| child(s, "spec")) {
                workloads::device_requests(spec);
            }
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            if let Some(role) = object.get_mut("roleRef").and_then(Value::as_object_mut)
                && role.get("apiGroup").and_then(Value::as_str).is_none_or(str::is_empty)
            {
                role.insert("apiGroup".into(), json!("rbac.authorization.k8s.io"));
            }
            for subject in each(object, "subjects") {
                let group = match subject.get("kind").and_then(Value::as_str) {
                    Some("User" | "Group") => "rbac.authorization.k8s.io",
                    _ => continue,
                };
                if subject.get("apiGroup").and_then(Value::as_str).is_none_or(str::is_empty) {
                    subject.insert("apiGroup".into(), json!(group));
                }
            }
        }
        ("storage.k8s.io", "StorageClass") => {
            set(object, "reclaimPolicy", "Delete");
            set(object, "volumeBindingMode", "Immediate");
        }
        ("storage.k8s.io", "CSIDriver") => {
            if let Some(spec) = child(object, "spec") {
                set(spec, "attachRequired", true);
                set(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
                set(spec, "podInfoOnMount", false);
                set(spec, "requiresRepublish", false);
                set(spec, "seLinuxMount", false);
                set(spec, "storageCapacity", false);
                set(spec, "volumeLifecycleModes", json!(["Persistent"]));
            }
        }
        ("scheduling.k8s.io", "PriorityClass") => set(object, "preemptionPolicy", "PreemptLowerPriority"),
        ("discovery.k8s.io", "EndpointSlice") => {
            for port in each(object, "ports") {
                set(port, "name", "");
                set(port, "protocol", "TCP");
            }
        }
        ("admissionregistration.k8s.io", _) => workloads::webhooks(&resource.kind, object),
        ("apiextensions.k8s.io", _) => workloads::definition(object),
        _ => {}
    }
}

/// The old and the new field for where a claim's data comes from say the same.
pub(crate) fn data_sources(spec: &mut Fields) {
    let ordered = |v: &Value| {
        let mut out = Fields::new();
        for key in ["apiGroup", "kind", "name", "namespace"] {
            match v.get(key) {
                None if key != "apiGroup" => {}
                value => {
                    out.insert(key.to_owned(), value.cloned().unwrap_or(Value::Null));
                }
            }
        }
        Value::Object(out)
    };
    let (old, new) = (spec.get("dataSource").map(ordered), spec.get("dataSourceRef").map(ordered));
    if let Some(source) = old.clone().or_else(|| new.clone().filter(|n| n.get("namespace").is_none())) {
        spec.insert("dataSource".into(), source);
    }
    if let Some(source) = new.or(old) {
        spec.insert("dataSourceRef".into(), source);
    }
}

/// The first range of a node's pods is also told by itself; what a node has is all there to give.
fn node(object: &mut Fields) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        && let Some(range) = spec.get("podCIDR").cloned()
    {
        set(spec, "podCIDRs", json!([range]));
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        && let Some(capacity) = status.get("capacity").cloned()
    {
        set(status, "allocatable", capacity);
    }
}
