//! Volumes.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::path::Path;
use super::super::{Errors, list, names, text};
use super::container::{FILE_FIELDS, field_ref, resource_ref};
use crate::apiserver::quantity::Quantity;
use crate::apiserver::status::FieldError;

/// The sources of volumes in the order in which a second one is noticed, with the fields that each must have.
const SOURCES: [(&str, &[&str]); 29] = [
    ("emptyDir", &[]),
    ("hostPath", &["path"]),
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("secret", &["secretName"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("glusterfs", &["endpoints", "path"]),
    ("flocker", &[]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["monitors", "image"]),
    ("cinder", &["volumeID"]),
    ("cephfs", &["monitors"]),
    ("quobyte", &["registry", "volume"]),
    ("downwardAPI", &[]),
    ("fc", &[]),
    ("flexVolume", &["driver"]),
    ("configMap", &["name"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("storageos", &["volumeName"]),
    ("projected", &[]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("csi", &["driver"]),
    ("ephemeral", &["volumeClaimTemplate"]),
];

const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// The volumes of a pod.
pub(super) fn volumes(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    let mut seen: HashSet<&str> = HashSet::new();
    for (i, volume) in list(spec, "volumes").enumerate() {
        let path = path.index(i);
        let name = text(volume, "name");
        if name.is_empty() {
            errors.push(FieldError::required(path.child("name"), ""));
        } else {
            for why in names::label_errors(name) {
                errors.push(FieldError::invalid(path.child("name"), &name.into(), &why));
            }
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(path.child("name"), &name.into()));
            }
        }
        let token = spec.get("serviceAccountName").and_then(Value::as_str).is_some_and(|n| !n.is_empty());
        source(path, volume, token, errors);
    }
}

/// One source, and that one right. `account`: the pod names a service account.
pub(in super::super) fn source(path: Path<'_>, volume: &Value, account: bool, errors: &mut Errors) {
    let mut found = usize::from(volume.get("image").is_some());
    for (kind, required) in SOURCES {
        let Some(v) = volume.get(kind) else { continue };
        let path = path.child(kind);
        found += 1;
        if found > 1 {
            errors.push(FieldError::forbidden(path, "may not specify more than 1 volume type"));
            continue;
        }
        for key in required {
            let empty = match v.get(*key) {
                None | Some(Value::Null) => true,
                Some(Value::String(s)) => s.is_empty(),
                Some(Value::Array(a)) => a.is_empty(),
                _ => false,
            };
            if empty {
                errors.push(FieldError::required(path.child(key), ""));
            }
        }
        one(path, kind, v, account, errors);
    }
    if found == 0 {
        errors.push(FieldError::required(path, "must specify a volume type"));
    }
}

fn one(path: Path<'_>, kind: &str, v: &Value, account: bool, errors: &mut Errors) {
    match kind {
        "emptyDir" => {
            let limit = v.get("sizeLimit").and_then(Value::as_str).and_then(Quantity::parse);
            if limit.is_some_and(Quantity::is_negative) {
                let why = "SizeLimit field must be a valid resource quantity";
                errors.push(FieldError::forbidden(path.child("sizeLimit"), why));
            }
        }
        "hostPath" => {
            no_backsteps(path.child("path"), text(v, "path"), errors);
            let kind = text(v, "type");
            if !HOST_PATH_TYPES.contains(&kind) {
                errors.push(FieldError::not_supported(path.child("type"), &kind.into(), &HOST_PATH_TYPES));
            }
        }
        "nfs" => {
            let at = text(v, "path");
            if !at.is_empty() && !at.starts_with('/') {
                errors.push(FieldError::invalid(path.child("path"), &at.into(), "must be an absolute path"));
            }
        }
        "secret" | "configMap" => {
            mode(path.child("defaultMode"), v.get("defaultMode"), errors);
            items(path.child("items"), v, errors);
        }
        "downwardAPI" => {
            mode(path.child("defaultMode"), v.get("defaultMode"), errors);
            for item in list(v, "items") {
                downward(path, item, errors);
            }
        }
        "projected" => {
            mode(path.child("defaultMode"), v.get("defaultMode"), errors);
            projected(path.child("sources"), v, account, errors);
        }
        "ephemeral" => {
            if let Some(claim) = v.get("volumeClaimTemplate").and_then(|t| t.get("spec")) {
                let path = path.child("volumeClaimTemplate");
                super::super::storage::claim_spec(path.child("spec"), claim, errors);
            }
        }
        _ => {}
    }
}

fn mode(path: Path<'_>, v: Option<&Value>, errors: &mut Errors) {
    if let Some(n) = v.and_then(Value::as_i64)
        && !(0..=0o777).contains(&n)
    {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(path, &json!(n), why));
    }
}

fn items(path: Path<'_>, v: &Value, errors: &mut Errors) {
    for (i, item) in list(v, "items").enumerate() {
        let path = path.index(i);
        if text(item, "key").is_empty() {
            errors.push(FieldError::required(path.child("key"), ""));
        }
        file_path(path.child("path"), text(item, "path"), errors);
        mode(path.child("mode"), item.get("mode"), errors);
    }
}

fn file_path(path: Path<'_>, file: &str, errors: &mut Errors) {
    if file.is_empty() {
        return errors.push(FieldError::required(path, ""));
    }
    local_path(path, file, errors);
    if file.starts_with("..") && !file.starts_with("../") && file != ".." {
        errors.push(FieldError::invalid(path, &file.into(), "must not start with '..'"));
    }
}

/// A path below some folder.
pub(super) fn local_path(path: Path<'_>, file: &str, errors: &mut Errors) {
    if file.starts_with('/') {
        errors.push(FieldError::invalid(path, &file.into(), "must be a relative path"));
    }
    no_backsteps(path, file, errors);
}

fn no_backsteps(path: Path<'_>, file: &str, errors: &mut Errors) {
    if file.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, &file.into(), "must not contain '..'"));
    }
}

/// A file of the pod's own fields; its faults are told of the volume as a whole.
fn downward(path: Path<'_>, item: &Value, errors: &mut Errors) {
    file_path(path.child("path"), text(item, "path"), errors);
    match (item.get("fieldRef"), item.get("resourceFieldRef")) {
        (Some(field), None) => field_ref(path.child("fieldRef"), field, &FILE_FIELDS, errors),
        (None, Some(resource)) => resource_ref(path.child("resourceFieldRef"), resource, errors),
        (None, None) => {
            errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
        }
        (Some(_), Some(_)) => {
            let shown = json!("resource");
            errors.push(FieldError::invalid(
                path,
                &shown,
                "fieldRef and resourceFieldRef can not be specified simultaneously",
            ));
        }
    }
    mode(path.child("mode"), item.get("mode"), errors);
}

fn projected(path: Path<'_>, v: &Value, account: bool, errors: &mut Errors) {
    for (i, source) in list(v, "sources").enumerate() {
        let path = path.index(i);
        for kind in ["secret", "configMap"] {
            let Some(of) = source.get(kind) else { continue };
            if text(of, "name").is_empty() {
                errors.push(FieldError::required(path.child(kind).child("name"), ""));
            }
            items(path.child(kind).child("items"), of, errors);
        }
        if let Some(of) = source.get("downwardAPI") {
            for item in list(of, "items") {
                downward(path.child("downwardAPI"), item, errors);
            }
        }
        if source.get("serviceAccountToken").is_some() && !account {
            let why = "must not be specified when serviceAccountName is not set";
            errors.push(FieldError::forbidden(path.child("serviceAccountToken"), why));
        }
    }
}
