//! What is changed in a desired object before it is applied, so that it reads as the API server will have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::Object;
use serde_json::{Map, Value};

/// A field that keeps an object from being applied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) field: String,
    pub(super) problem: String,
}

fn problem(field: impl Into<String>, problem: impl Into<String>) -> Problem {
    Problem { field: field.into(), problem: problem.into() }
}

/// Normalises an object as Flux does, without its round trip through typed structs. Beyond Flux, what a server writes
/// into metadata is dropped, so that a manifest exported from a cluster can be applied.
pub(super) fn normalise(object: &mut Object) -> Result<(), Problem> {
    const SERVERS_OWN: [&str; 9] = [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
        "generateName",
    ];
    if is_sops_encrypted(object) {
        return Err(problem(
            "sops",
            "the Secret is SOPS encrypted, configuring decryption is required for it to apply",
        ));
    }
    let is_definition = object.kind() == "CustomResourceDefinition";
    let map = object.as_map();
    if map.contains_key("status") && !is_definition {
        object.as_map_mut().shift_remove("status");
    }
    if object.metadata().is_some_and(|metadata| SERVERS_OWN.iter().any(|field| metadata.contains_key(*field))) {
        let metadata = object.metadata_mut();
        for field in SERVERS_OWN {
            metadata.shift_remove(field);
        }
    }
    let (group, kind) = (object.gvk().group, object.kind().to_owned());
    match (group.as_str(), kind.as_str()) {
        ("", "Secret") => secret(object)?,
        ("", "Service") => default_protocols(object.as_map_mut().get_mut("spec")),
        ("", "Pod") => pod(object.as_map_mut().get_mut("spec")),
        ("", "ReplicationController") | ("apps", _) | ("batch", "Job") => {
            template(object.as_map_mut().get_mut("spec"));
        }
        ("batch", "CronJob") => {
            let job = object.as_map_mut().get_mut("spec").and_then(|spec| spec.get_mut("jobTemplate"));
            template(without_creation_timestamp(job).and_then(|job| job.get_mut("spec")));
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => {}
    }
    Ok(())
}

fn is_sops_encrypted(object: &Object) -> bool {
    object.is_secret()
        && object.as_map().contains_key("sops")
        && !object
            .annotation("kustomize.toolkit.fluxcd.io/decrypt")
            .is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

/// Merges `stringData` into `data`, and looks whether `data` is what it should be: what a server says about a broken
/// Secret may show it.
fn secret(object: &mut Object) -> Result<(), Problem> {
    for field in ["data", "stringData"] {
        match object.as_map().get(field) {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(_) => return Err(problem(field, "must be a map")),
        }
    }
    for (key, value) in object.as_map().get("data").and_then(Value::as_object).into_iter().flatten() {
        let valid = match value {
            Value::Null => true,
            // Go's decoder passes over line breaks.
            Value::String(text) => STANDARD.decode(text.replace(['\n', '\r'], "")).is_ok(),
            _ => false,
        };
        if !valid {
            return Err(problem(format!("data.{key}"), "is not base64; put plain text under stringData"));
        }
    }
    if !object.as_map().contains_key("stringData") {
        return Ok(());
    }
    let map = object.as_map_mut();
    let Some(Value::Object(plain)) = map.shift_remove("stringData") else { return Ok(()) };
    let mut data = match map.shift_remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    for (key, value) in plain {
        match value {
            Value::String(text) => data.insert(key, Value::String(STANDARD.encode(text))),
            Value::Null => data.insert(key, Value::String(String::new())),
            _ => return Err(problem(format!("stringData.{key}"), "must be a string; quote it")),
        };
    }
    map.insert("data".into(), Value::Object(data));
    Ok(())
}

fn template(spec: Option<&mut Value>) {
    let template = without_creation_timestamp(spec.and_then(|spec| spec.get_mut("template")));
    pod(template.and_then(|template| template.get_mut("spec")));
}

/// Tools that write typed structs leave `creationTimestamp: null` in every template.
fn without_creation_timestamp(template: Option<&mut Value>) -> Option<&mut Value> {
    let template = template?;
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("creationTimestamp");
    }
    Some(template)
}

fn pod(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            default_protocols(Some(container));
        }
    }
}

/// The protocol is part of the key of a port: without it, server-side apply does not know which port is meant.
fn default_protocols(holder: Option<&mut Value>) {
    let ports = holder.and_then(|holder| holder.get_mut("ports")).and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        if port.get("protocol").is_none_or(Value::is_null) {
            port.insert("protocol".into(), Value::String("TCP".into()));
        }
    }
}

/// Drops a placeholder for a certificate bundle that the server would refuse; whoever injects it puts it there anyway.
fn definition(object: &mut Object) {
    const BUNDLE: &str = "/spec/conversion/webhook/clientConfig/caBundle";
    let invalid = match object.pointer(BUNDLE) {
        Some(Value::String(text)) => !STANDARD.decode(text.replace(['\n', '\r'], "")).is_ok_and(|pem| is_pem(&pem)),
        Some(_) => true,
        None => false,
    };
    if invalid {
        let mut value = object.as_map_mut().get_mut("spec");
        for key in ["conversion", "webhook", "clientConfig"] {
            value = value.and_then(|value| value.get_mut(key));
        }
        if let Some(config) = value.and_then(Value::as_object_mut) {
            config.shift_remove("caBundle");
        }
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn normalised(value: Value) -> Result<Value, Problem> {
        let mut object = Object::from_value(value).unwrap();
        normalise(&mut object)?;
        Ok(object.into_value())
    }

    #[test]
    fn ports_get_a_protocol_and_templates_lose_their_time() {
        let template = |extra: Value| {
            let mut ports = json!([{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]);
            ports[0].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            json!({"metadata": {"labels": {}}, "spec": {"containers": [{"name": "a", "ports": ports}]}})
        };
        let mut with_time = template(json!({}));
        with_time["metadata"]["creationTimestamp"] = Value::Null;
        let done = normalised(json!({"apiVersion": "apps/v1", "kind": "Deployment", "status": {},
            "metadata": {"name": "a", "creationTimestamp": null, "resourceVersion": "7", "managedFields": []},
            "spec": {"template": with_time}}))
        .unwrap();
        assert_eq!(
            done,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
                "spec": {"template": template(json!({"protocol": "TCP"}))}})
        );
    }

    #[test]
    fn string_data_becomes_data() {
        let done = normalised(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
            "data": {"a": "YQ==", "b": "YQ=="}, "stringData": {"b": "b"}}))
        .unwrap();
        assert_eq!(done["data"], json!({"a": "YQ==", "b": "Yg=="}));
        assert_eq!(done.get("stringData"), None);
    }

    #[test]
    fn h39_a_broken_secret_is_named_and_not_shown() {
        for (field, value) in [
            ("data", json!({"password": "canary!"})),
            ("data", json!({"password": ["canary"]})),
            ("stringData", json!({"password": {"x": "canary"}})),
            ("data", json!("canary")),
        ] {
            let error =
                normalised(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, field: value}))
                    .unwrap_err();
            assert!(error.field.starts_with(field) && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_secret_that_is_still_encrypted_is_refused() {
        let secret = |annotations: Value| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "annotations": annotations},
                "data": {"a": "ENC[AES256_GCM,data:x]"}, "sops": {"mac": "x"}})
        };
        assert_eq!(normalised(secret(json!({}))).unwrap_err().field, "sops");
    }

    #[test]
    fn only_a_broken_bundle_is_dropped() {
        let definition = |bundle: &str| {
            let done = normalised(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "a"},
                "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}}))
            .unwrap();
            done["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle").is_some()
        };
        assert!(!definition("Cg==") && !definition("${CA}"));
        assert!(definition(&STANDARD.encode("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")));
    }
}
