//! The rules of `metadata`.

use serde_json::Value;

use super::names;
use super::path::Path;
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::Resource;
use crate::apiserver::status::FieldError;

const MAX_ANNOTATIONS: usize = 256 * 1024;

/// How many controllers too many are told of.
const MAX_CONTROLLERS: usize = 16;

fn text<'a>(meta: &'a Value, key: &str) -> &'a str {
    meta.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The grammar of a kind's names.
fn name_errors(resource: &Resource, name: &str, prefix: bool) -> Vec<String> {
    // A generated name's prefix may end in `-`: something follows.
    let masked = if prefix && name.ends_with('-') && name.len() > 1 {
        let mut s = name.to_owned();
        s.pop();
        s.push('a');
        s
    } else {
        name.to_owned()
    };
    let rbac = resource.group == "rbac.authorization.k8s.io";
    match resource.kind.as_str() {
        _ if rbac => names::path_segment_errors(&masked),
        "Namespace" => names::label_errors(&masked),
        "Service" if resource.group.is_empty() => names::label_errors(&masked),
        "APIService" => names::path_segment_errors(&masked),
        "CertificateSigningRequest" | "FlowSchema" => names::subdomain_errors(&masked),
        _ => names::subdomain_errors(&masked),
    }
}

pub(super) fn create(resource: &Resource, object: &Fields, errors: &mut Vec<FieldError>) {
    let empty = Value::Null;
    let meta = object.get("metadata").unwrap_or(&empty);
    let generate = text(meta, "generateName");
    if !generate.is_empty() {
        for e in name_errors(resource, generate, true) {
            errors.push(FieldError::invalid("metadata.generateName", &generate.into(), &e));
        }
    }
    let name = text(meta, "name");
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        for e in name_errors(resource, name, false) {
            errors.push(FieldError::invalid("metadata.name", &name.into(), &e));
        }
    }
    if resource.namespaced {
        let namespace = text(meta, "namespace");
        if namespace.is_empty() {
            errors.push(FieldError::required("metadata.namespace", ""));
        } else {
            for e in names::label_errors(namespace) {
                errors.push(FieldError::invalid("metadata.namespace", &namespace.into(), &e));
            }
        }
    } else if !text(meta, "namespace").is_empty() {
        errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
    }
    common(resource, meta, errors);
}

/// Rules that new and changed objects share.
fn common(resource: &Resource, meta: &Value, errors: &mut Vec<FieldError>) {
    let labels = meta.get("labels").and_then(Value::as_object);
    self::labels(Path::new("metadata.labels"), labels, errors);
    let mut size = 0;
    for (key, value) in meta.get("annotations").and_then(Value::as_object).into_iter().flatten() {
        for e in names::label_key_errors(&key.to_lowercase()) {
            errors.push(FieldError::invalid("metadata.annotations", &key.as_str().into(), &e));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long("metadata.annotations", MAX_ANNOTATIONS));
    }
    let mut controller: Option<String> = None;
    let mut controllers = 0;
    for owner in meta.get("ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        let path = "metadata.ownerReferences";
        if text(owner, "apiVersion").is_empty() {
            errors.push(FieldError::invalid(format!("{path}.apiVersion"), &"".into(), "version must not be empty"));
        }
        for (key, what) in [("kind", "must not be empty"), ("name", "must not be empty"), ("uid", "must not be empty")]
        {
            if text(owner, key).is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{key}"), &"".into(), what));
            }
        }
        if text(owner, "kind") == "Event" && matches!(text(owner, "apiVersion"), "v1" | "events.k8s.io/v1") {
            let shown = format!("{}, Kind=Event is disallowed from being an owner", text(owner, "apiVersion"));
            errors.push(FieldError::invalid("metadata.ownerReferences", owner, &shown));
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            if let Some(other) = &controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {other} and {}/{}",
                    text(owner, "kind"),
                    text(owner, "name")
                );
                errors.push(FieldError::invalid_shown("metadata.ownerReferences", &show_owners(meta), &why));
                controllers += 1;
                // Each of these shows all owners.
                if controllers == MAX_CONTROLLERS {
                    break;
                }
            }
            controller = Some(format!("{}/{}", text(owner, "kind"), text(owner, "name")));
        }
    }
    let finalizers = meta.get("finalizers").and_then(Value::as_array).into_iter().flatten();
    let all = Path::new("metadata.finalizers");
    for (i, f) in finalizers.filter_map(Value::as_str).enumerate() {
        for e in names::qualified_name_errors(f) {
            errors.push(FieldError::invalid(all, &f.into(), &e));
        }
        let built_in = resource.custom.is_none() && resource.group != "apiextensions.k8s.io";
        if built_in && !f.contains('/') && !matches!(f, "kubernetes" | "orphan" | "foregroundDeletion") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(all.index(i), &f.into(), why));
        }
    }
    let has = |name: &str| {
        meta.get("finalizers").and_then(Value::as_array).is_some_and(|f| f.iter().any(|f| f.as_str() == Some(name)))
    };
    if has("orphan") && has("foregroundDeletion") {
        let all = meta.get("finalizers").unwrap_or(&Value::Null);
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid("metadata.finalizers", all, why));
    }
}

/// Owner references in the order in which Go writes their fields.
fn show_owners(meta: &Value) -> String {
    let owners = meta.get("ownerReferences").and_then(Value::as_array).into_iter().flatten().map(|o| {
        let keys = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
        let fields = keys.iter().filter_map(|k| Some(((*k).to_owned(), o.get(k)?.clone())));
        Value::Object(fields.collect())
    });
    Value::Array(owners.collect()).to_string()
}

/// The rules of labels under a path.
pub(crate) fn labels(path: Path<'_>, labels: Option<&Fields>, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.into_iter().flatten() {
        for e in names::label_key_errors(key) {
            errors.push(FieldError::invalid(path, &key.as_str().into(), &e));
        }
        for e in names::label_value_errors(value.as_str().unwrap_or("")) {
            errors.push(FieldError::invalid(path, value, &e));
        }
    }
}

pub(super) fn update(resource: &Resource, object: &Fields, old: &Fields, errors: &mut Vec<FieldError>) {
    let empty = Value::Null;
    let (new, old) = (object.get("metadata").unwrap_or(&empty), old.get("metadata").unwrap_or(&empty));
    for key in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if new.get(key) != old.get(key) {
            let value = new.get(key).unwrap_or(&empty);
            let shown =
                if value.is_null() && key != "deletionTimestamp" { &Value::String(String::new()) } else { value };
            errors.push(FieldError::invalid(format!("metadata.{key}"), shown, "field is immutable"));
        }
    }
    if old.get("deletionTimestamp").is_some_and(|t| !t.is_null()) {
        let list = |m: &Value| -> Vec<String> {
            let all = m.get("finalizers").and_then(Value::as_array).into_iter().flatten();
            all.filter_map(|f| f.as_str().map(str::to_owned)).collect()
        };
        let before = list(old);
        let added: Vec<String> = list(new).into_iter().filter(|f| !before.contains(f)).collect();
        if !added.is_empty() {
            let shown: Vec<String> = added.iter().map(|f| format!("{f:?}")).collect();
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                shown.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &why));
        }
    }
    // The generic rules and the kind's own both say so.
    errors.extend(errors.clone());
    common(resource, new, errors);
}
