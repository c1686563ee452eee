//! Pod specs.

use serde_json::{Value, json};

use super::{Errors, list, names, one_of, service, text};
use crate::apiserver::quantity::Quantity;
use crate::apiserver::status::FieldError;

/// The rules of a pod's spec.
pub(super) fn spec(path: &str, spec: &Value, errors: &mut Errors) {
    let volumes: Vec<&str> = list(spec, "volumes").map(|v| text(v, "name")).collect();
    for (i, volume) in list(spec, "volumes").enumerate() {
        let path = format!("{path}.volumes[{i}]");
        let name = text(volume, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            for why in names::label_errors(name) {
                errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), &why));
            }
            if volumes.iter().take(i).any(|v| *v == name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
            }
        }
        let sources = volume.as_object().map_or(0, |v| v.len().saturating_sub(1));
        if sources == 0 {
            errors.push(FieldError::required(path.clone(), "must specify a volume type"));
        } else if sources > 1 {
            let second = volume.as_object().into_iter().flatten().filter(|(k, _)| *k != "name").nth(1);
            let name = second.map_or("", |(k, _)| k.as_str());
            errors.push(FieldError::forbidden(format!("{path}.{name}"), "may not specify more than 1 volume type"));
        }
    }
    if list(spec, "containers").next().is_none() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    for key in ["containers", "initContainers"] {
        for (i, c) in list(spec, key).enumerate() {
            let path = format!("{path}.{key}[{i}]");
            let name = text(c, "name");
            if name.is_empty() {
                errors.push(FieldError::required(format!("{path}.name"), ""));
            } else {
                for why in names::label_errors(name) {
                    errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), &why));
                }
                if seen.contains(&name) {
                    errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
                }
                seen.push(name);
            }
            container(&path, c, &volumes, errors);
        }
    }
    one_of(
        format!("{path}.restartPolicy"),
        spec.get("restartPolicy").unwrap_or(&Value::Null),
        &["Always", "OnFailure", "Never"],
        errors,
    );
    one_of(
        format!("{path}.dnsPolicy"),
        spec.get("dnsPolicy").unwrap_or(&Value::Null),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        errors,
    );
    let account = text(spec, "serviceAccountName");
    if !account.is_empty() {
        for why in names::subdomain_errors(account) {
            errors.push(FieldError::invalid(format!("{path}.serviceAccountName"), &account.into(), &why));
        }
    }
    super::meta::labels(&format!("{path}.nodeSelector"), spec.get("nodeSelector").and_then(Value::as_object), errors);
}

fn container(path: &str, c: &Value, volumes: &[&str], errors: &mut Errors) {
    let image = text(c, "image");
    if image.is_empty() {
        errors.push(FieldError::required(format!("{path}.image"), ""));
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(format!("{path}.image"), &image.into(), why));
    }
    one_of(
        format!("{path}.imagePullPolicy"),
        c.get("imagePullPolicy").unwrap_or(&Value::Null),
        &["Always", "IfNotPresent", "Never"],
        errors,
    );
    let mut port_names: Vec<&str> = Vec::new();
    for (i, port) in list(c, "ports").enumerate() {
        let path = format!("{path}.ports[{i}]");
        let name = text(port, "name");
        if !name.is_empty() {
            service::port_name(&format!("{path}.name"), name, errors);
            if port_names.contains(&name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
            }
            port_names.push(name);
        }
        let number = port.get("containerPort").and_then(Value::as_i64).unwrap_or(0);
        if number == 0 {
            errors.push(FieldError::required(format!("{path}.containerPort"), ""));
        } else if !(1..=65535).contains(&number) {
            let why = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(format!("{path}.containerPort"), &json!(number), why));
        }
        one_of(
            format!("{path}.protocol"),
            port.get("protocol").unwrap_or(&Value::Null),
            &["SCTP", "TCP", "UDP"],
            errors,
        );
    }
    for (i, env) in list(c, "env").enumerate() {
        let path = format!("{path}.env[{i}]");
        let name = text(env, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if name.contains('=') || name.chars().any(|c| !c.is_ascii() || c.is_ascii_control()) {
            let why =
                "a valid environment variable name must consist only of printable ASCII characters other than '='";
            errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), why));
        }
        if !text(env, "value").is_empty() && env.get("valueFrom").is_some() {
            let why = "may not be specified when `value` is not empty";
            errors.push(FieldError::invalid(format!("{path}.valueFrom"), &json!(""), why));
        }
    }
    let mut mounted: Vec<&str> = Vec::new();
    for (i, mount) in list(c, "volumeMounts").enumerate() {
        let path = format!("{path}.volumeMounts[{i}]");
        let (name, at) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !volumes.contains(&name) {
            errors.push(FieldError::not_found(format!("{path}.name"), &name.into()));
        }
        if at.is_empty() {
            errors.push(FieldError::required(format!("{path}.mountPath"), ""));
        }
        if mounted.contains(&at) {
            errors.push(FieldError::invalid(format!("{path}.mountPath"), &at.into(), "must be unique"));
        }
        mounted.push(at);
    }
    let resources = c.get("resources").unwrap_or(&Value::Null);
    let amount = |part: &str, key: &str| {
        resources.get(part).and_then(|p| p.get(key)).and_then(Value::as_str).and_then(Quantity::parse)
    };
    for part in ["limits", "requests"] {
        for (key, value) in resources.get(part).and_then(Value::as_object).into_iter().flatten() {
            if amount(part, key).is_some_and(Quantity::is_negative) {
                let why = "must be greater than or equal to 0";
                errors.push(FieldError::invalid(format!("{path}.resources.{part}[{key}]"), value, why));
            }
        }
    }
    for (key, value) in resources.get("requests").and_then(Value::as_object).into_iter().flatten() {
        if let (Some(request), Some(limit)) = (amount("requests", key), amount("limits", key))
            && request > limit
        {
            let why = format!("must be less than or equal to {key} limit of {limit}");
            errors.push(FieldError::invalid(format!("{path}.resources.requests"), value, &why));
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = c.get(key) else { continue };
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(|h| probe.get(**h).is_some()).count();
        if handlers == 0 {
            errors.push(FieldError::required(format!("{path}.{key}"), "must specify a handler type"));
        }
    }
}
