//! Taking over what other tools left on an object: their claims on its fields, and their annotations.

use flux_core::Object;
use flux_core::cluster::Patch;
use serde_json::{Map, Value, json};

/// Managers that are taken over: by name or prefix of the name, and by operation.
const OTHERS: [(&str, bool, &[&str]); 2] =
    [("kubectl", true, &["Apply", "Update"]), ("before-first-apply", false, &["Update"])];

/// What other tools leave behind and nobody needs once the object is ours.
const ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
const LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];

/// What is taken over from other managers of an object.
#[derive(Debug)]
pub(super) struct Takeover {
    /// The managers whose fields become ours.
    pub(super) managers: Vec<String>,
    /// The patch that makes them so. It holds only for the resource version it was made from.
    pub(super) patch: Patch,
}

/// What there is to take over from a live object, if anything: the fields of `kubectl` and of the managers named by the
/// host, without which a field dropped from the manifest would stay because they still claim it.
pub(super) fn takeover(live: &Object, manager: &str, overridden: &[String]) -> Option<Takeover> {
    let mut operations = Vec::new();
    for (field, keys) in [("annotations", &ANNOTATIONS[..]), ("labels", &LABELS[..])] {
        let found = live.metadata().and_then(|metadata| metadata.get(field)?.as_object());
        for key in keys.iter().filter(|key| found.is_some_and(|found| found.contains_key(**key))) {
            operations.push(json!({"op": "remove", "path": format!("/metadata/{field}/{}", key.replace('/', "~1"))}));
        }
    }
    let entries = live.metadata().and_then(|metadata| metadata.get("managedFields")?.as_array());
    let (merged, managers) = merge(entries.map_or(&[], Vec::as_slice), manager, overridden, live.api_version());
    if !managers.is_empty() {
        operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": merged}));
    }
    if operations.is_empty() {
        return None;
    }
    if let Some(version) = live.resource_version() {
        operations.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
    }
    Some(Takeover { managers, patch: Patch::Json(Value::Array(operations)) })
}

/// The entries with those of other managers merged into our own, and who those were.
fn merge(entries: &[Value], manager: &str, overridden: &[String], api_version: &str) -> (Vec<Value>, Vec<String>) {
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let taken = |entry: &Value| {
        let (name, operation) = (text(entry, "manager"), text(entry, "operation"));
        text(entry, "subresource").is_empty()
            && (OTHERS.iter().any(|(other, prefix, operations)| {
                (name == *other || (*prefix && name.starts_with(other))) && operations.contains(&operation.as_str())
            }) || (name == manager && operation == "Update")
                || overridden.contains(&name))
    };
    let ours = |entry: &Value| {
        text(entry, "manager") == manager
            && text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
            && text(entry, "apiVersion") == api_version
    };
    let managers: Vec<String> =
        entries.iter().filter(|entry| taken(entry)).map(|entry| text(entry, "manager")).collect();
    if managers.is_empty() {
        return (Vec::new(), managers);
    }
    let mut fields = Map::new();
    let mut merged: Vec<Value> = Vec::with_capacity(entries.len());
    let mut own: Option<Value> = None;
    for entry in entries {
        if !(ours(entry) || taken(entry)) {
            merged.push(entry.clone());
            continue;
        }
        if let Some(found) = entry.get("fieldsV1").and_then(Value::as_object) {
            unite(&mut fields, found);
        }
        if ours(entry) || own.is_none() {
            own = Some(entry.clone());
        }
    }
    if let Some(Value::Object(mut entry)) = own {
        entry.insert("manager".into(), manager.into());
        entry.insert("operation".into(), "Apply".into());
        entry.insert("apiVersion".into(), api_version.into());
        entry.insert("fieldsV1".into(), Value::Object(fields));
        merged.push(Value::Object(entry));
    }
    (merged, managers)
}

/// The union of two sets of fields in the form of `fieldsV1`: nested maps, the empty map a leaf.
fn unite(into: &mut Map<String, Value>, other: &Map<String, Value>) {
    for (key, value) in other {
        match (into.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
            (Some(known), Some(more)) => unite(known, more),
            (None, _) => {
                into.insert(key.clone(), value.clone());
            }
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(managed: Value, annotations: Value) -> Object {
        Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "a", "resourceVersion": "3", "annotations": annotations, "managedFields": managed}}))
        .unwrap()
    }

    #[test]
    fn fields_of_kubectl_become_ours() {
        let entry = |manager: &str, operation: &str, fields: Value| {
            json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": fields})
        };
        let live = live(
            json!([
                entry("kubectl-edit", "Update", json!({"f:data": {"f:b": {}}})),
                entry("kustomize-controller", "Apply", json!({"f:data": {"f:a": {}}})),
                entry("hpa", "Update", json!({"f:spec": {}})),
            ]),
            json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
        );
        let takeover = takeover(&live, "kustomize-controller", &[]).unwrap();
        assert_eq!(takeover.managers, ["kubectl-edit"]);
        let Patch::Json(patch) = takeover.patch else { panic!("not a JSON patch") };
        assert_eq!(
            patch,
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "3"},
                {"op": "remove",
                    "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"},
                {"op": "replace", "path": "/metadata/managedFields", "value": [
                    entry("hpa", "Update", json!({"f:spec": {}})),
                    entry("kustomize-controller", "Apply", json!({"f:data": {"f:b": {}, "f:a": {}}})),
                ]},
            ])
        );
    }

    #[test]
    fn subresources_and_strangers_are_left_alone() {
        let live = live(
            json!([
                {"manager": "kubectl", "operation": "Update", "subresource": "status", "fieldsV1": {}},
                {"manager": "helm", "operation": "Update", "fieldsV1": {}},
                {"manager": "before-first-apply", "operation": "Apply", "fieldsV1": {}},
            ]),
            json!({}),
        );
        assert!(takeover(&live, "kustomize-controller", &[]).is_none());
        assert!(takeover(&live, "kustomize-controller", &["helm".into()]).is_some());
    }
}
