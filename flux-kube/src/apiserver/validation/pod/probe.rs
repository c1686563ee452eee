//! Probes, and what runs when a container starts and stops.

use serde_json::{Value, json};

use super::super::path::Path;
use super::super::service::port_name;
use super::super::{Errors, list, not_negative, one_of, text};
use crate::apiserver::status::FieldError;

/// The probes and hooks of a container; `none` if it may have none of them, which is said elsewhere.
pub(super) fn of_container(path: Path<'_>, c: &Value, none: bool, errors: &mut Errors) {
    if none {
        return;
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(p) = c.get(key) {
            probe(path.child(key), p, key, errors);
        }
    }
    for key in ["postStart", "preStop"] {
        if let Some(hook) = c.get("lifecycle").and_then(|l| l.get(key)) {
            handler(path.child("lifecycle").child(key), hook, &["exec", "httpGet", "tcpSocket", "sleep"], errors);
        }
    }
}

fn probe(path: Path<'_>, p: &Value, which: &str, errors: &mut Errors) {
    handler(path, p, &["exec", "httpGet", "tcpSocket", "grpc"], errors);
    for key in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        not_negative(path.child(key), p.get(key), errors);
    }
    let grace = p.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if which == "readinessProbe" {
        if let Some(grace) = grace {
            let why = "must not be set for readinessProbes";
            errors.push(FieldError::invalid(path.child("terminationGracePeriodSeconds"), &json!(grace), why));
        }
        return;
    }
    let threshold = p.get("successThreshold").and_then(Value::as_i64).unwrap_or(1);
    if threshold != 1 {
        errors.push(FieldError::invalid(path.child("successThreshold"), &json!(threshold), "must be 1"));
    }
    if let Some(grace) = grace.filter(|g| *g <= 0) {
        let why = "must be greater than 0";
        errors.push(FieldError::invalid(path.child("terminationGracePeriodSeconds"), &json!(grace), why));
    }
}

/// Exactly one way of doing it, and that one right.
fn handler(path: Path<'_>, h: &Value, kinds: &[&str], errors: &mut Errors) {
    let mut found = 0;
    for kind in kinds {
        let Some(action) = h.get(*kind) else { continue };
        found += 1;
        let path = path.child(kind);
        if found > 1 {
            errors.push(FieldError::forbidden(path, "may not specify more than 1 handler type"));
            continue;
        }
        match *kind {
            "exec" if list(action, "command").next().is_none() => {
                errors.push(FieldError::required(path.child("command"), ""));
            }
            "httpGet" => {
                if text(action, "path").is_empty() {
                    errors.push(FieldError::required(path.child("path"), ""));
                }
                port(path.child("port"), action, errors);
                one_of(path.child("scheme"), action.get("scheme"), &["HTTP", "HTTPS"], errors);
                for header in list(action, "httpHeaders") {
                    let name = text(header, "name");
                    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                        let why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
                        errors.push(FieldError::invalid(path.child("httpHeaders"), &name.into(), why));
                    }
                }
            }
            "tcpSocket" | "grpc" => port(path.child("port"), action, errors),
            _ => {}
        }
    }
    if found == 0 {
        errors.push(FieldError::required(path, "must specify a handler type"));
    }
}

fn port(path: Path<'_>, action: &Value, errors: &mut Errors) {
    match action.get("port") {
        Some(Value::String(name)) => port_name(path, name, errors),
        other => super::super::port(path, other.and_then(Value::as_i64).unwrap_or(0), errors),
    }
}
