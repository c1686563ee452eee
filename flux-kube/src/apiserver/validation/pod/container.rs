//! Containers: names, images, ports, environment and mounts.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::path::Path;
use super::super::service::port_name;
use super::super::{Errors, list, names, one_of, text};
use super::{resources, security};
use crate::apiserver::status::FieldError;

const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

/// A container's name is its own in its pod.
pub(super) fn name<'a>(path: Path<'_>, c: &'a Value, seen: &mut HashSet<&'a str>, errors: &mut Errors) {
    let name = text(c, "name");
    if name.is_empty() {
        return errors.push(FieldError::required(path.child("name"), ""));
    }
    for why in names::label_errors(name) {
        errors.push(FieldError::invalid(path.child("name"), &name.into(), &why));
    }
    if !seen.insert(name) {
        errors.push(FieldError::duplicate(path.child("name"), &name.into()));
    }
}

/// What holds for containers of every kind.
pub(super) fn rules(path: Path<'_>, c: &Value, volumes: &[&str], errors: &mut Errors) {
    let image = text(c, "image");
    if image.is_empty() {
        errors.push(FieldError::required(path.child("image"), ""));
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(path.child("image"), &image.into(), why));
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    one_of(path.child("imagePullPolicy"), c.get("imagePullPolicy"), &policies, errors);
    let policies = ["File", "FallbackToLogsOnError"];
    one_of(path.child("terminationMessagePolicy"), c.get("terminationMessagePolicy"), &policies, errors);
    ports(path.child("ports"), c, errors);
    environment(path.child("env"), c, errors);
    environment_from(path.child("envFrom"), c, errors);
    mounts(path.child("volumeMounts"), c, volumes, errors);
    if let Some(wanted) = c.get("resources") {
        resources::rules(path.child("resources"), wanted, errors);
    }
    if let Some(context) = c.get("securityContext") {
        security::container(path.child("securityContext"), context, errors);
    }
}

/// What an init container may not have unless it stays beside the others.
pub(super) fn init(path: Path<'_>, c: &Value, errors: &mut Errors) {
    if text(c, "restartPolicy") == "Always" {
        return;
    }
    for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if c.get(key).is_some() {
            let why = "may not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(path.child(key), why));
        }
    }
}

fn ports(path: Path<'_>, c: &Value, errors: &mut Errors) {
    let mut seen: HashSet<&str> = HashSet::new();
    for (i, port) in list(c, "ports").enumerate() {
        let path = path.index(i);
        let name = text(port, "name");
        if !name.is_empty() {
            let wrong = errors.len();
            port_name(path.child("name"), name, errors);
            if errors.len() == wrong && !seen.insert(name) {
                errors.push(FieldError::duplicate(path.child("name"), &name.into()));
            }
        }
        match port.get("containerPort").and_then(Value::as_i64).unwrap_or(0) {
            0 => errors.push(FieldError::required(path.child("containerPort"), "")),
            n => super::super::port(path.child("containerPort"), n, errors),
        }
        match port.get("hostPort").and_then(Value::as_i64).unwrap_or(0) {
            0 => {}
            n => super::super::port(path.child("hostPort"), n, errors),
        }
        one_of(path.child("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"], errors);
    }
}

/// No two containers take the same port of their node; on the node's network a port is that of the node.
pub(super) fn host_ports<'a>(
    path: Path<'_>,
    spec: &Value,
    c: &'a Value,
    taken: &mut Vec<(&'a str, &'a str, i64)>,
    errors: &mut Errors,
) {
    let on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for (i, port) in list(c, "ports").enumerate() {
        let host = port.get("hostPort").and_then(Value::as_i64).unwrap_or(0);
        if on_host && port.get("containerPort").and_then(Value::as_i64).unwrap_or(0) != host {
            let why = "must match `containerPort` when `hostNetwork` is true";
            errors.push(FieldError::invalid(path.index(i).child("hostPort"), &json!(host), why));
        }
        if host == 0 {
            continue;
        }
        let key = (text(port, "protocol"), text(port, "hostIP"), host);
        if taken.contains(&key) {
            let shown = format!("{}/{}/{}", key.0, key.1, key.2);
            errors.push(FieldError::duplicate(path.index(i).child("hostPort"), &shown.into()));
        }
        taken.push(key);
    }
}

fn is_env_name(name: &str) -> bool {
    !name.contains('=') && name.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

fn environment(path: Path<'_>, c: &Value, errors: &mut Errors) {
    for (i, env) in list(c, "env").enumerate() {
        let path = path.index(i);
        let name = text(env, "name");
        if name.is_empty() {
            errors.push(FieldError::required(path.child("name"), ""));
        } else if !is_env_name(name) {
            errors.push(FieldError::invalid(path.child("name"), &name.into(), ENV_NAME));
        }
        if let Some(from) = env.get("valueFrom") {
            value_from(path.child("valueFrom"), env, from, errors);
        }
    }
}

fn value_from(path: Path<'_>, env: &Value, from: &Value, errors: &mut Errors) {
    let mut sources = 0;
    for (source, value) in from.as_object().into_iter().flatten() {
        sources += 1;
        let path = path.child(source);
        match source.as_str() {
            "fieldRef" => field_ref(path, value, &ENV_FIELDS, errors),
            "resourceFieldRef" => resource_ref(path, value, errors),
            "secretKeyRef" | "configMapKeyRef" => {
                object_name(path.child("name"), text(value, "name"), errors);
                let key = text(value, "key");
                if key.is_empty() {
                    errors.push(FieldError::required(path.child("key"), ""));
                } else {
                    for why in names::config_key_errors(key) {
                        errors.push(FieldError::invalid(path.child("key"), &key.into(), &why));
                    }
                }
            }
            _ => {}
        }
    }
    let nothing = json!("");
    if sources == 0 {
        let why =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.push(FieldError::invalid(path, &nothing, why));
    } else if !text(env, "value").is_empty() {
        errors.push(FieldError::invalid(path, &nothing, "may not be specified when `value` is not empty"));
    } else if sources > 1 {
        errors.push(FieldError::invalid(path, &nothing, "may not have more than one field specified at a time"));
    }
}

fn object_name(path: Path<'_>, name: &str, errors: &mut Errors) {
    for why in names::subdomain_errors(name) {
        errors.push(FieldError::invalid(path, &name.into(), &why));
    }
}

/// The fields of a pod that its environment may show.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// The fields of a pod that its files may show.
pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Fields that exist, though neither may show them.
const OTHER_FIELDS: [&str; 4] = ["spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.hostNetwork"];

pub(super) fn field_ref(path: Path<'_>, v: &Value, supported: &[&str], errors: &mut Errors) {
    let field = text(v, "fieldPath");
    if field.is_empty() {
        return errors.push(FieldError::required(path.child("fieldPath"), ""));
    }
    let subscript = field.strip_suffix("']").and_then(|f| f.split_once("['"));
    if let Some((of, key)) = subscript {
        let key_errors = match of {
            "metadata.labels" => names::label_key_errors(key),
            "metadata.annotations" => names::label_key_errors(&key.to_lowercase()),
            _ => {
                let why = "does not support subscript";
                return errors.push(FieldError::invalid(path, &of.into(), why));
            }
        };
        for why in key_errors {
            errors.push(FieldError::invalid(path, &key.into(), &why));
        }
        return;
    }
    let known = ENV_FIELDS.contains(&field) || FILE_FIELDS.contains(&field) || OTHER_FIELDS.contains(&field);
    if !known {
        let why = format!("error converting fieldPath: field label not supported: {field}");
        errors.push(FieldError::invalid(path.child("fieldPath"), &field.into(), &why));
    } else if !supported.contains(&field) {
        errors.push(FieldError::not_supported(path.child("fieldPath"), &field.into(), supported));
    }
}

pub(super) fn resource_ref(path: Path<'_>, v: &Value, errors: &mut Errors) {
    const SUPPORTED: [&str; 6] = [
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let resource = text(v, "resource");
    let huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if resource.is_empty() {
        errors.push(FieldError::required(path.child("resource"), ""));
    } else if !huge && !SUPPORTED.contains(&resource) {
        errors.push(FieldError::not_supported(path.child("resource"), &resource.into(), &SUPPORTED));
    }
}

fn environment_from(path: Path<'_>, c: &Value, errors: &mut Errors) {
    for (i, from) in list(c, "envFrom").enumerate() {
        let at = path.index(i);
        let prefix = text(from, "prefix");
        if !is_env_name(prefix) {
            errors.push(FieldError::invalid(at.child("prefix"), &prefix.into(), ENV_NAME));
        }
        let mut sources = 0;
        for source in ["configMapRef", "secretRef"] {
            let Some(reference) = from.get(source) else { continue };
            sources += 1;
            let path = at.child(source);
            match text(reference, "name") {
                "" => errors.push(FieldError::required(path.child("name"), "")),
                name => object_name(path.child("name"), name, errors),
            }
        }
        let nothing = json!("");
        match sources {
            0 => errors.push(FieldError::invalid(path, &nothing, "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => {
                errors.push(FieldError::invalid(path, &nothing, "may not have more than one field specified at a time"))
            }
        }
    }
}

fn mounts(path: Path<'_>, c: &Value, volumes: &[&str], errors: &mut Errors) {
    let mut mounted: Vec<&str> = Vec::new();
    for (i, mount) in list(c, "volumeMounts").enumerate() {
        let own = path.index(i);
        let (name, at) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(own.child("name"), ""));
        }
        if !volumes.contains(&name) {
            errors.push(FieldError::not_found(own.child("name"), &name.into()));
        }
        if at.is_empty() {
            errors.push(FieldError::required(own.child("mountPath"), ""));
        }
        if mounted.contains(&at) {
            errors.push(FieldError::invalid(own.child("mountPath"), &at.into(), "must be unique"));
        }
        mounted.push(at);
        // These two name the list, not the mount.
        for key in ["subPath", "subPathExpr"] {
            let sub = text(mount, key);
            if !sub.is_empty() {
                super::volume::local_path(path.child(key), sub, errors);
            }
        }
        let (sub, expr) = (text(mount, "subPath"), text(mount, "subPathExpr"));
        if !sub.is_empty() && !expr.is_empty() {
            let why = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(own.child("subPathExpr"), &expr.into(), why));
        }
        let Some(propagation) = mount.get("mountPropagation").and_then(Value::as_str) else { continue };
        let privileged = c.get("securityContext").and_then(|s| s.get("privileged")) == Some(&Value::Bool(true));
        if propagation == "Bidirectional" && !privileged {
            let why = "Bidirectional mount propagation is available only to privileged containers";
            errors.push(FieldError::forbidden(path.child("mountPropagation"), why));
        }
        let known = ["Bidirectional", "HostToContainer", "None"];
        one_of(path.child("mountPropagation"), mount.get("mountPropagation"), &known, errors);
    }
}
