//! The rules that objects must keep, for the kinds that GitOps meets.

mod config;
mod internal;
pub(crate) mod meta;
pub(crate) mod names;
mod network;
mod pod;
mod rbac;
mod service;
mod workloads;

use serde_json::Value;

use super::fields::{Fields, equal_values};
use super::registry::Resource;
use super::status::FieldError;

type Errors = Vec<FieldError>;

/// The rules a new object breaks.
pub(crate) fn create(resource: &Resource, object: &Fields) -> Errors {
    let mut errors = Vec::new();
    meta::create(resource, object, &mut errors);
    kind(resource, object, None, &mut errors);
    errors
}

/// The rules a change breaks.
pub(crate) fn update(resource: &Resource, object: &Fields, old: &Fields, subresource: &str) -> Errors {
    let mut errors = Vec::new();
    meta::update(resource, object, old, &mut errors);
    if subresource.is_empty() {
        kind(resource, object, Some(old), &mut errors);
    }
    errors
}

fn kind(resource: &Resource, object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if resource.custom.is_some() {
        return super::crd::validate(resource, object, old, errors);
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "ConfigMap") => config::config_map(object, old, errors),
        ("", "Secret") => config::secret(object, old, errors),
        ("", "Event") => config::event(object, errors),
        ("", "Service") => service::service(object, old, errors),
        ("", "PersistentVolumeClaim") => config::claim(object, old, errors),
        ("", "Pod") => workloads::pod(object, old, errors),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => {
            workloads::apps(&resource.kind, object, old, errors);
        }
        ("batch", "Job") => workloads::job(object, old, errors),
        ("batch", "CronJob") => workloads::cron_job(object, errors),
        ("autoscaling", _) => workloads::autoscaler(object, errors),
        ("policy", "PodDisruptionBudget") => workloads::budget(object, errors),
        ("networking.k8s.io", "Ingress") => network::ingress(object, errors),
        ("networking.k8s.io", "IngressClass") => network::ingress_class(object, old, errors),
        ("networking.k8s.io", "NetworkPolicy") => network::policy(object, errors),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => rbac::role(&resource.kind, object, errors),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            rbac::binding(&resource.kind, object, old, errors);
        }
        ("storage.k8s.io", "StorageClass") => config::storage_class(object, old, errors),
        ("scheduling.k8s.io", "PriorityClass") => config::priority_class(object, old, errors),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => super::crd::validate_definition(object, old, errors),
        _ => {}
    }
}

/// The value at a path such as `spec.template`.
fn at<'a>(object: &'a Fields, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let mut parts = path.split('.');
    let mut v = match parts.next().and_then(|p| object.get(p)) {
        Some(v) => v,
        None => return NOTHING,
    };
    for part in parts {
        match v.get(part) {
            Some(next) => v = next,
            None => return NOTHING,
        }
    }
    v
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + Clone {
    v.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

fn same(a: &Value, b: &Value) -> bool {
    equal_values(a, b)
}

/// A field that may not change.
fn immutable(path: &str, new: &Value, old: &Value, errors: &mut Errors) {
    if !same(new, old) {
        errors.push(FieldError::invalid(path, new, "field is immutable"));
    }
}

fn not_negative(path: String, v: &Value, errors: &mut Errors) {
    if v.as_i64().is_some_and(|n| n < 0) {
        errors.push(FieldError::invalid(path, v, "must be greater than or equal to 0"));
    }
}

/// One of a few values.
fn one_of(path: String, v: &Value, supported: &[&str], errors: &mut Errors) {
    let given = v.as_str().unwrap_or("");
    if !supported.contains(&given) {
        errors.push(FieldError::not_supported(path, &given.into(), supported));
    }
}

/// The rules of a label selector.
fn selector(path: &str, v: &Value, errors: &mut Errors) {
    meta::labels(&format!("{path}.matchLabels"), v.get("matchLabels").and_then(Value::as_object), errors);
    for (i, e) in list(v, "matchExpressions").enumerate() {
        let path = format!("{path}.matchExpressions[{i}]");
        let values = list(e, "values").count();
        match text(e, "operator") {
            "In" | "NotIn" if values == 0 => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), why));
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(
                format!("{path}.operator"),
                &other.into(),
                "not a valid selector operator",
            )),
        }
        for why in names::label_key_errors(text(e, "key")) {
            errors.push(FieldError::invalid(format!("{path}.key"), &text(e, "key").into(), &why));
        }
    }
}
