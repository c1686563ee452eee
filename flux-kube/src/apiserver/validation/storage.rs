//! Volumes, claims on them and the classes they come from.

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, immutable, internal, list, names, one_of, pod, quantity, same, selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;
const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn class_name(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        for why in names::subdomain_errors(class) {
            errors.push(FieldError::invalid(path.child("storageClassName"), &class.into(), &why));
        }
    }
}

fn access_modes(path: Path<'_>, spec: &Value, why_none: &str, errors: &mut Errors) {
    let modes: Vec<&str> = list(spec, "accessModes").filter_map(Value::as_str).collect();
    if modes.is_empty() {
        errors.push(FieldError::required(path.child("accessModes"), why_none));
    }
    let mut unknown = false;
    for mode in modes.iter().filter(|m| !MODES.contains(m)) {
        unknown = true;
        errors.push(FieldError::not_supported(path.child("accessModes"), &(*mode).into(), &MODES));
    }
    if !unknown && modes.len() > 1 && modes.contains(&"ReadWriteOncePod") {
        let why = "may not use ReadWriteOncePod with other access modes";
        errors.push(FieldError::forbidden(path.child("accessModes"), why));
    }
}

/// What a claim asks for.
pub(super) fn claim_spec(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    access_modes(path, spec, "at least 1 access mode is required", errors);
    if let Some(s) = spec.get("selector") {
        selector(path.child("selector"), s, errors);
    }
    let size = spec.get("resources").and_then(|r| r.get("requests")).and_then(|r| r.get("storage"));
    let at = path.child("resources");
    match size {
        None => errors.push(FieldError::required(at.key("storage"), "")),
        Some(v) => positive(at.key("storage"), v, errors),
    }
    class_name(path, spec, errors);
    if spec.get("volumeMode").is_some() {
        one_of(path.child("volumeMode"), spec.get("volumeMode"), &["Block", "Filesystem"], errors);
    }
    for key in ["dataSource", "dataSourceRef"] {
        let Some(source) = spec.get(key) else { continue };
        let path = path.child(key);
        for key in ["kind", "name"] {
            if text(source, key).is_empty() {
                errors.push(FieldError::required(path.child(key), ""));
            }
        }
    }
}

fn positive(path: Path<'_>, v: &Value, errors: &mut Errors) {
    if quantity(Some(v)).is_some_and(|q| q.is_negative() || q.is_zero()) {
        errors.push(FieldError::invalid(path, v, "must be greater than zero"));
    }
}

pub(super) fn claim(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    claim_spec(Path::new("spec"), spec, errors);
    let Some(old) = old else { return };
    let before = at(old, "spec");
    let bound = at(object, "status.phase") == "Bound";
    let (mut now, mut then) = (spec.clone(), before.clone());
    if let (Some(n), Some(t)) = (now.as_object_mut(), then.as_object_mut()) {
        // It is bound to a volume once.
        if text(before, "volumeName").is_empty()
            && let Some(volume) = n.get("volumeName")
        {
            t.insert("volumeName".to_owned(), volume.clone());
        }
        if bound {
            let storage = |spec: &Value| spec.get("resources").and_then(|r| r.get("requests")?.get("storage")).cloned();
            if let (Some(requests), Some(was)) = (
                n.get_mut("resources").and_then(|r| r.get_mut("requests")).and_then(Value::as_object_mut),
                storage(before),
            ) {
                requests.insert("storage".to_owned(), was);
            }
            match t.get("volumeAttributesClassName") {
                Some(class) => n.insert("volumeAttributesClassName".to_owned(), class.clone()),
                None => n.shift_remove("volumeAttributesClassName"),
            };
        }
    }
    if !same(&now, &then) {
        let difference = internal::difference("core.PersistentVolumeClaimSpec", &then, &now);
        let why = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{difference}"
        );
        errors.push(FieldError::forbidden("spec", &why));
    }
    let size = |o: &Fields, path: &str| quantity(at(o, path).get("storage"));
    let (new, was) = (size(object, "spec.resources.requests"), size(old, "spec.resources.requests"));
    if let (Some(new), Some(was)) = (new, was)
        && new < was
        && size(old, "status.capacity").is_some_and(|c| new <= c)
    {
        let why = "field can not be less than status.capacity";
        errors.push(FieldError::forbidden("spec.resources.requests.storage", why));
    }
    immutable("volumeMode", at(object, "spec.volumeMode"), at(old, "spec.volumeMode"), errors);
}

/// The fields of a volume that say where it is.
fn source_of(spec: &Value) -> Value {
    const OTHER: [&str; 9] = [
        "capacity",
        "accessModes",
        "claimRef",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "mountOptions",
        "volumeMode",
        "nodeAffinity",
        "volumeAttributesClassName",
    ];
    let fields = spec.as_object().into_iter().flatten().filter(|(k, _)| !OTHER.contains(&k.as_str()));
    Value::Object(fields.map(|(k, v)| (k.clone(), v.clone())).collect())
}

pub(super) fn volume(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    access_modes(path, spec, "", errors);
    let capacity = spec.get("capacity").and_then(Value::as_object).filter(|c| !c.is_empty());
    if capacity.is_none() {
        errors.push(FieldError::required(path.child("capacity"), ""));
    }
    let storage = capacity.and_then(|c| c.get("storage"));
    if storage.is_none() || capacity.is_some_and(|c| c.len() > 1) {
        let shown = spec.get("capacity").unwrap_or(NOTHING);
        errors.push(FieldError::not_supported(path.child("capacity"), shown, &["storage"]));
    }
    if let Some(size) = storage {
        let at = path.child("capacity");
        positive(at.key("storage"), size, errors);
        if let Some(q) = quantity(Some(size)).filter(|q| q.is_negative()) {
            let shown = q.to_string();
            errors.push(FieldError::invalid_shown(at.key("storage"), &shown, "must be a valid resource quantity"));
        }
    }
    let policies = ["Delete", "Recycle", "Retain"];
    if spec.get("persistentVolumeReclaimPolicy").is_some() {
        let at = path.child("persistentVolumeReclaimPolicy");
        one_of(at, spec.get("persistentVolumeReclaimPolicy"), &policies, errors);
    }
    pod::volume_source(path, &source_of(spec), errors);
    if spec.get("hostPath").is_some_and(|h| text(h, "path") == "/")
        && text(spec, "persistentVolumeReclaimPolicy") == "Recycle"
    {
        let why = "may not be 'recycle' for a hostPath mount of '/'";
        errors.push(FieldError::forbidden(path.child("persistentVolumeReclaimPolicy"), why));
    }
    class_name(path, spec, errors);
    if spec.get("volumeMode").is_some() {
        one_of(path.child("volumeMode"), spec.get("volumeMode"), &["Block", "Filesystem"], errors);
    }
    if let Some(required) = spec.get("nodeAffinity").and_then(|a| a.get("required")) {
        pod::node_selector(path.child("nodeAffinity.required"), required, errors);
    }
    let Some(old) = old else { return };
    let (now, before) = (source_of(spec), source_of(at(old, "spec")));
    if !same(&now, &before) {
        let difference = internal::difference("core.PersistentVolumeSource", &before, &now);
        let why = format!("spec.persistentvolumesource is immutable after creation\n{difference}");
        errors.push(FieldError::forbidden("spec.persistentvolumesource", &why));
    }
    immutable("volumeMode", at(object, "spec.volumeMode"), at(old, "spec.volumeMode"), errors);
}

/// The kinds of the storage group.
pub(super) fn classes(kind: &str, object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let mut required = |path: &str, why: &str| {
        if at(object, path).as_str().is_none_or(str::is_empty) {
            errors.push(FieldError::required(path, why));
        }
    };
    match kind {
        "StorageClass" => storage_class(object, old, errors),
        "CSIDriver" => driver(object, old, errors),
        "CSINode" => {
            let path = Path::new("spec.drivers");
            for (i, d) in list(at(object, "spec"), "drivers").enumerate() {
                for key in ["name", "nodeID"] {
                    if text(d, key).is_empty() {
                        errors.push(FieldError::required(path.index(i).child(key), ""));
                    }
                }
            }
        }
        "VolumeAttachment" => attachment(object, old, errors),
        "CSIStorageCapacity" => {
            let class = at(object, "storageClassName").as_str().unwrap_or("");
            for why in names::subdomain_errors(class) {
                errors.push(FieldError::invalid("storageClassName", &class.into(), &why));
            }
            if quantity(object.get("capacity")).is_some_and(crate::apiserver::quantity::Quantity::is_negative) {
                let why = "must be greater than or equal to 0";
                errors.push(FieldError::invalid("capacity", at(object, "capacity"), why));
            }
        }
        "VolumeAttributesClass" => {
            required("driverName", "");
            if at(object, "parameters").as_object().is_none_or(Fields::is_empty) {
                errors.push(FieldError::required("parameters", "must contain at least one key/value pair"));
            }
            let Some(old) = old else { return };
            for key in ["driverName", "parameters"] {
                if !same(at(object, key), at(old, key)) {
                    errors.push(FieldError::forbidden(key, &format!("updates to {key} are forbidden.")));
                }
            }
        }
        _ => {}
    }
}

fn storage_class(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if at(object, "provisioner").as_str().is_none_or(str::is_empty) {
        errors.push(FieldError::required("provisioner", ""));
    }
    for (key, known) in
        [("reclaimPolicy", ["Delete", "Retain"]), ("volumeBindingMode", ["Immediate", "WaitForFirstConsumer"])]
    {
        if object.contains_key(key) {
            one_of(Path::new(key), object.get(key), &known, errors);
        }
    }
    if at(object, "parameters").get("").is_some() {
        errors.push(FieldError::invalid("parameters", &json!(""), "field can not be empty."));
    }
    let path = Path::new("allowedTopologies");
    let topologies = object.get("allowedTopologies").and_then(Value::as_array).into_iter().flatten();
    for (i, term) in topologies.enumerate() {
        let path = path.index(i);
        for (j, e) in list(term, "matchLabelExpressions").enumerate() {
            let path = path.child("matchLabelExpressions");
            let path = path.index(j);
            for why in names::label_key_errors(text(e, "key")) {
                errors.push(FieldError::invalid(path.child("key"), &text(e, "key").into(), &why));
            }
            if list(e, "values").next().is_none() {
                errors.push(FieldError::required(path.child("values"), ""));
            }
        }
    }
    let Some(old) = old else { return };
    for key in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
        immutable(key, at(object, key), at(old, key), errors);
    }
}

fn driver(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    if spec.get("fsGroupPolicy").is_some() {
        let known = ["File", "None", "ReadWriteOnceWithFSType"];
        one_of(path.child("fsGroupPolicy"), spec.get("fsGroupPolicy"), &known, errors);
    }
    for mode in list(spec, "volumeLifecycleModes") {
        one_of(path.child("volumeLifecycleModes"), Some(mode), &["Persistent", "Ephemeral"], errors);
    }
    if let Some(old) = old {
        let before = at(old, "spec");
        // Named so by the server.
        for (key, shown) in [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")] {
            let get = |s: &Value| s.get(key).cloned().unwrap_or(Value::Null);
            immutable(&format!("spec.{shown}"), &get(spec), &get(before), errors);
        }
    }
}

fn attachment(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    if text(spec, "attacher").is_empty() {
        errors.push(FieldError::required("spec.attacher", ""));
    }
    let node = text(spec, "nodeName");
    for why in names::subdomain_errors(node) {
        errors.push(FieldError::invalid("spec.nodeName", &node.into(), &why));
    }
    let source = spec.get("source").unwrap_or(NOTHING);
    match (source.get("inlineVolumeSpec").is_some(), source.get("persistentVolumeName").is_some()) {
        (false, false) => {
            let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
            errors.push(FieldError::required("spec.source", why));
        }
        (true, true) => {
            let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
            errors.push(FieldError::forbidden("spec.source", why));
        }
        _ => {}
    }
    if let Some(old) = old
        && !same(spec, at(old, "spec"))
    {
        let shown = internal::show("storage.VolumeAttachmentSpec", spec);
        errors.push(FieldError::invalid_shown("spec", &shown, "field is immutable"));
    }
}
