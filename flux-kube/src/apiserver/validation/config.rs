//! Config maps, secrets and events.

use serde_json::{Value, json};

use super::{Errors, at, immutable, names, same, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const MAX_SIZE: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

fn entries<'a>(object: &'a Fields, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn keys(object: &Fields, field: &str, errors: &mut Errors) {
    for (key, _) in entries(object, field) {
        for why in names::config_key_errors(key) {
            errors.push(FieldError::invalid(format!("{field}[{key}]"), &key.as_str().into(), &why));
        }
    }
}

fn decoded_len(v: &Value) -> usize {
    let text = v.as_str().unwrap_or("");
    text.trim_end_matches('=').len() * 3 / 4
}

/// What is immutable stays so, and with it what it protects.
fn frozen(object: &Fields, old: &Fields, fields: &[&str], errors: &mut Errors) {
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    if object.get("immutable") != Some(&Value::Bool(true)) {
        errors.push(FieldError::forbidden("immutable", FROZEN));
    }
    for field in fields {
        if !same(at(object, field), at(old, field)) {
            errors.push(FieldError::forbidden(*field, FROZEN));
        }
    }
}

pub(super) fn config_map(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if let Some(old) = old {
        frozen(object, old, &["data", "binaryData"], errors);
    }
    let mut size = 0;
    keys(object, "data", errors);
    for (key, value) in entries(object, "data") {
        if object.get("binaryData").and_then(|b| b.get(key)).is_some() {
            let why = "duplicate of key present in binaryData";
            errors.push(FieldError::invalid(format!("data[{key}]"), &key.as_str().into(), why));
        }
        size += value.as_str().map_or(0, str::len);
    }
    keys(object, "binaryData", errors);
    size += entries(object, "binaryData").map(|(_, v)| decoded_len(v)).sum::<usize>();
    if size > MAX_SIZE {
        errors.push(FieldError::too_long("[]", MAX_SIZE));
    }
}

pub(super) fn secret(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if let Some(old) = old {
        immutable("type", at(object, "type"), at(old, "type"), errors);
        frozen(object, old, &["data"], errors);
    }
    keys(object, "data", errors);
    let size: usize = entries(object, "data").map(|(_, v)| decoded_len(v)).sum();
    if size > MAX_SIZE {
        errors.push(FieldError::too_long("data", MAX_SIZE));
    }
    let has = |key: &str| object.get("data").and_then(|d| d.get(key)).is_some();
    let mut needs = |key: &str| {
        if !has(key) {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    };
    match object.get("type").and_then(Value::as_str).unwrap_or("") {
        "kubernetes.io/service-account-token" => {
            let account =
                at(object, "metadata").get("annotations").map_or("", |a| text(a, "kubernetes.io/service-account.name"));
            if account.is_empty() {
                errors.push(FieldError::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            }
        }
        "kubernetes.io/dockercfg" => docker(object, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => docker(object, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            needs("username");
            needs("password");
        }
        "kubernetes.io/ssh-auth" => needs("ssh-privatekey"),
        "kubernetes.io/tls" => {
            needs("tls.crt");
            needs("tls.key");
        }
        _ => {}
    }
}

fn docker(object: &Fields, key: &str, errors: &mut Errors) {
    let path = format!("data[{key}]");
    let Some(encoded) = object.get("data").and_then(|d| d.get(key)).and_then(Value::as_str) else {
        return errors.push(FieldError::required(path, ""));
    };
    let bytes = super::decoded(encoded);
    if let Err(e) = serde_json::from_slice::<Fields>(&bytes) {
        let why = if e.is_eof() { "unexpected end of JSON input".to_owned() } else { e.to_string() };
        errors.push(FieldError::invalid(path, &json!("<secret contents redacted>"), &why));
    }
}

pub(super) fn event(object: &Fields, errors: &mut Errors) {
    let about = text(at(object, "involvedObject"), "namespace");
    let own = text(at(object, "metadata"), "namespace");
    // What has no namespace is told of in the default one.
    let fits = if about.is_empty() { matches!(own, "" | "default") } else { about == own };
    if !fits {
        errors.push(FieldError::invalid("involvedObject.namespace", &about.into(), "does not match event.namespace"));
    }
}

/// An event of the newer kind says when, who and what.
pub(super) fn new_event(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if old.is_some() {
        return;
    }
    if at(object, "eventTime").is_null() {
        errors.push(FieldError::required("eventTime", ""));
        return event_type(object, errors);
    }
    for key in ["reportingController", "reportingInstance", "action", "reason"] {
        if at(object, key).as_str().is_none_or(str::is_empty) {
            errors.push(FieldError::required(key, ""));
        }
    }
    event_type(object, errors);
}

fn event_type(object: &Fields, errors: &mut Errors) {
    let kind = at(object, "type").as_str().unwrap_or("");
    if !matches!(kind, "Normal" | "Warning") {
        errors.push(FieldError::invalid("type", &kind.into(), &format!("has invalid value: {kind}")));
    }
}
