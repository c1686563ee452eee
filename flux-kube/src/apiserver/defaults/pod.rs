//! Pods and pod templates.

use serde_json::{Value, json};

use super::{each, set};
use crate::apiserver::fields::Fields;

pub(super) fn spec(spec: &mut Fields) {
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "restartPolicy", "Always");
    set(spec, "securityContext", json!({}));
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "schedulerName", "default-scheduler");
    // The deprecated name is kept in step with the current one.
    match (spec.get("serviceAccountName").cloned(), spec.get("serviceAccount").cloned()) {
        (Some(name), _) => {
            spec.insert("serviceAccount".into(), name);
        }
        (None, Some(name)) => {
            spec.insert("serviceAccountName".into(), name);
        }
        (None, None) => {}
    }
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for volume in each(spec, "volumes") {
        if volume.len() == 1 {
            set(volume, "emptyDir", json!({}));
        }
        volume_source(volume);
    }
    for key in ["initContainers", "containers", "ephemeralContainers"] {
        for c in each(spec, key) {
            container(c, host_network);
        }
    }
    for constraint in each(spec, "topologySpreadConstraints") {
        set(constraint, "nodeAffinityPolicy", Value::Null);
        constraint.retain(|_, v| !v.is_null());
    }
}

pub(super) fn volume_source(volume: &mut Fields) {
    for (source, value) in volume.iter_mut() {
        let Some(source_fields) = value.as_object_mut() else { continue };
        match source.as_str() {
            "configMap" | "secret" | "downwardAPI" => set(source_fields, "defaultMode", 420),
            "projected" => {
                set(source_fields, "defaultMode", 420);
                for s in each(source_fields, "sources") {
                    if let Some(token) = s.get_mut("serviceAccountToken").and_then(Value::as_object_mut) {
                        set(token, "expirationSeconds", 3600);
                    }
                    if let Some(api) = s.get_mut("downwardAPI").and_then(Value::as_object_mut) {
                        field_refs(api);
                    }
                }
            }
            "hostPath" => set(source_fields, "type", ""),
            "iscsi" => set(source_fields, "iscsiInterface", "default"),
            "rbd" => {
                set(source_fields, "pool", "rbd");
                set(source_fields, "user", "admin");
                set(source_fields, "keyring", "/etc/ceph/keyring");
            }
            "azureDisk" => {
                set(source_fields, "cachingMode", "ReadWrite");
                set(source_fields, "kind", "Shared");
                set(source_fields, "fsType", "ext4");
                set(source_fields, "readOnly", false);
            }
            "scaleIO" => {
                set(source_fields, "storageMode", "ThinProvisioned");
                set(source_fields, "fsType", "xfs");
            }
            "ephemeral" => {
                let template = source_fields.get_mut("volumeClaimTemplate").and_then(|t| t.get_mut("spec"));
                if let Some(claim) = template.and_then(Value::as_object_mut) {
                    set(claim, "volumeMode", "Filesystem");
                }
            }
            _ => {}
        }
        if source == "downwardAPI" {
            field_refs(source_fields);
        }
    }
}

fn field_refs(downward: &mut Fields) {
    for item in each(downward, "items") {
        if let Some(r) = item.get_mut("fieldRef").and_then(Value::as_object_mut) {
            set(r, "apiVersion", "v1");
        }
    }
}

fn container(c: &mut Fields, host_network: bool) {
    if c.get("imagePullPolicy").is_none() {
        let image = c.get("image").and_then(Value::as_str).unwrap_or("");
        let name = image.rsplit('/').next().unwrap_or("");
        let latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
        c.insert("imagePullPolicy".into(), json!(if latest { "Always" } else { "IfNotPresent" }));
    }
    set(c, "terminationMessagePath", "/dev/termination-log");
    set(c, "terminationMessagePolicy", "File");
    for port in each(c, "ports") {
        set(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            set(port, "hostPort", number);
        }
    }
    for env in each(c, "env") {
        if let Some(r) = env.get_mut("valueFrom").and_then(|v| v.get_mut("fieldRef")).and_then(Value::as_object_mut) {
            set(r, "apiVersion", "v1");
        }
    }
    if let Some(context) = c.get_mut("securityContext").and_then(Value::as_object_mut)
        && context.contains_key("procMount")
    {
        set(context, "procMount", "Default");
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(p) = c.get_mut(key).and_then(Value::as_object_mut) {
            set(p, "timeoutSeconds", 1);
            set(p, "periodSeconds", 10);
            set(p, "successThreshold", 1);
            set(p, "failureThreshold", 3);
            handler(p);
            if let Some(grpc) = p.get_mut("grpc").and_then(Value::as_object_mut) {
                set(grpc, "service", "");
            }
        }
    }
    if let Some(lifecycle) = c.get_mut("lifecycle").and_then(Value::as_object_mut) {
        for key in ["postStart", "preStop"] {
            if let Some(h) = lifecycle.get_mut(key).and_then(Value::as_object_mut) {
                handler(h);
            }
        }
    }
}

/// In pods, though not in templates of pods, limits are requests too.
pub(super) fn requests(spec: &mut Fields) {
    for key in ["initContainers", "containers"] {
        each(spec, key).for_each(requests_of);
    }
}

fn requests_of(c: &mut Fields) {
    let missing: Vec<(String, Value)> = {
        let resources = c.get("resources");
        let part = |key: &str| resources.and_then(|r| r.get(key)).and_then(Value::as_object);
        let requests = part("requests");
        part("limits")
            .into_iter()
            .flatten()
            .filter(|(k, _)| requests.is_none_or(|r| !r.contains_key(*k)))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    if !missing.is_empty()
        && let Some(requests) = super::child(c, "resources").and_then(|r| super::child(r, "requests"))
    {
        requests.extend(missing);
    }
}

fn handler(h: &mut Fields) {
    if let Some(get) = h.get_mut("httpGet").and_then(Value::as_object_mut) {
        if get.get("path").and_then(Value::as_str).is_none_or(str::is_empty) {
            get.insert("path".into(), json!("/"));
        }
        if get.get("scheme").and_then(Value::as_str).is_none_or(str::is_empty) {
            get.insert("scheme".into(), json!("HTTP"));
        }
    }
}
