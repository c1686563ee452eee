//! Services.

use serde_json::{Value, json};

use super::{Errors, at, list, names, one_of, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

pub(super) fn service(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    if list(spec, "ports").next().is_none() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    one_of(
        "spec.type".into(),
        spec.get("type").unwrap_or(&Value::Null),
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        errors,
    );
    one_of(
        "spec.sessionAffinity".into(),
        spec.get("sessionAffinity").unwrap_or(&Value::Null),
        &["ClientIP", "None"],
        errors,
    );
    if kind == "ExternalName" {
        let name = text(spec, "externalName");
        if name.is_empty() {
            errors.push(FieldError::required("spec.externalName", ""));
        } else {
            for why in names::subdomain_errors(name.strip_suffix('.').unwrap_or(name)) {
                errors.push(FieldError::invalid("spec.externalName", &name.into(), &why));
            }
        }
        if !text(spec, "clusterIP").is_empty() && old.is_none() {
            errors.push(FieldError::forbidden("spec.clusterIPs[0]", "may not be set for ExternalName services"));
        }
    }
    let ports: Vec<&Value> = list(spec, "ports").collect();
    let mut seen_names: Vec<&str> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{i}]");
        let name = text(port, "name");
        if ports.len() > 1 && name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !name.is_empty() {
            for why in names::label_errors(name) {
                errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), &why));
            }
            if seen_names.contains(&name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
            }
            seen_names.push(name);
        }
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let why = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(format!("{path}.port"), &json!(number), why));
        }
        one_of(
            format!("{path}.protocol"),
            port.get("protocol").unwrap_or(&Value::Null),
            &["SCTP", "TCP", "UDP"],
            errors,
        );
        if let Some(target) = port.get("targetPort") {
            match target {
                Value::Number(n) if !(1..=65535).contains(&n.as_i64().unwrap_or(0)) => {
                    let why = "must be between 1 and 65535, inclusive";
                    errors.push(FieldError::invalid(format!("{path}.targetPort"), target, why));
                }
                Value::String(s) => port_name(&format!("{path}.targetPort"), s, errors),
                _ => {}
            }
        }
        let node = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
        if node != 0 && !matches!(kind, "NodePort" | "LoadBalancer") && old.is_none() {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(format!("{path}.nodePort"), why));
        }
        let same_port =
            |other: &&Value| other.get("port") == port.get("port") && text(other, "protocol") == text(port, "protocol");
        if ports.iter().take(i).any(same_port) {
            errors.push(FieldError::duplicate(path.clone(), &shown_port(port)));
        }
    }
    super::meta::labels("spec.selector", spec.get("selector").and_then(Value::as_object), errors);
    let Some(old) = old else { return };
    let (was, before) = (text(at(old, "spec"), "type"), text(at(old, "spec"), "clusterIP"));
    let now = text(spec, "clusterIP");
    if was != "ExternalName" && kind != "ExternalName" && !before.is_empty() && now != before {
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!([now]), "may not change once set"));
    }
}

/// A port as duplicates show it.
fn shown_port(port: &Value) -> Value {
    let mut out = serde_json::Map::new();
    out.insert("Name".into(), json!(""));
    for (from, to) in [("protocol", "Protocol"), ("port", "Port")] {
        if let Some(v) = port.get(from) {
            out.insert(to.into(), v.clone());
        }
    }
    Value::Object(out)
}

/// The grammar of a named port.
pub(super) fn port_name(path: &str, name: &str, errors: &mut Errors) {
    let mut whys = Vec::new();
    if name.len() > 15 {
        whys.push("must be no more than 15 characters");
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        whys.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        whys.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        whys.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        whys.push("must not begin or end with a hyphen");
    }
    for why in whys {
        errors.push(FieldError::invalid(path, &name.into(), why));
    }
}
