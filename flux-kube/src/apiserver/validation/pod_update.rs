//! What may change of a pod.

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, internal, list, pod, same, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// The rules of a pod that changes.
pub(super) fn pod(object: &Fields, old: &Fields, errors: &mut Errors) {
    let (spec, before) = (at(object, "spec"), at(old, "spec"));
    pod::spec(Path::new("spec"), spec, errors);
    for key in ["containers", "initContainers"] {
        if list(spec, key).count() != list(before, key).count() {
            let why = "pod updates may not add or remove containers";
            return errors.push(FieldError::forbidden(format!("spec.{key}"), why));
        }
    }
    let deadline = |spec: &Value| spec.get("activeDeadlineSeconds").and_then(Value::as_i64);
    match (deadline(spec), deadline(before)) {
        (Some(now), Some(then)) if now > then => {
            let why = "must be less than or equal to previous value";
            return errors.push(FieldError::invalid("spec.activeDeadlineSeconds", &json!(now), why));
        }
        (None, Some(_)) => {
            let why = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", &Value::Null, why));
        }
        _ => {}
    }
    let kept = |old: &Value| {
        list(spec, "tolerations").any(|new| {
            let mut new = new.clone();
            if let Some(fields) = new.as_object_mut() {
                match old.get("tolerationSeconds") {
                    Some(seconds) => fields.insert("tolerationSeconds".to_owned(), seconds.clone()),
                    None => fields.shift_remove("tolerationSeconds"),
                };
            }
            same(&new, old)
        })
    };
    if !list(before, "tolerations").all(kept) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", why));
    }
    let rest = with_changeable_of(spec, before);
    if !same(&rest, before) {
        let difference = internal::difference("core.PodSpec", before, &rest);
        let why = format!("pod updates may not change fields other than {CHANGEABLE}\n{difference}");
        errors.push(FieldError::forbidden("spec", &why));
    }
}

/// A pod's spec with the fields that may change as they were.
fn with_changeable_of(spec: &Value, old: &Value) -> Value {
    let mut spec = spec.clone();
    let Some(fields) = spec.as_object_mut() else { return spec };
    for key in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        match old.get(key) {
            Some(v) => fields.insert(key.to_owned(), v.clone()),
            None => fields.shift_remove(key),
        };
    }
    for key in ["containers", "initContainers"] {
        let now = fields.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten();
        for (c, before) in now.zip(list(old, key)) {
            if let (Some(c), Some(image)) = (c.as_object_mut(), before.get("image")) {
                c.insert("image".to_owned(), image.clone());
            }
        }
    }
    spec
}

/// Ephemeral containers are only ever added.
pub(super) fn ephemeral(object: &Fields, old: &Fields, errors: &mut Errors) {
    pod::spec(Path::new("spec"), at(object, "spec"), errors);
    let path = "spec.ephemeralContainers";
    for before in list(at(old, "spec"), "ephemeralContainers") {
        let name = text(before, "name");
        match list(at(object, "spec"), "ephemeralContainers").find(|c| text(c, "name") == name) {
            None => {
                let why = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.push(FieldError::forbidden(path, &why));
            }
            Some(now) if !same(now, before) => {
                let difference = internal::difference("core.EphemeralContainer", before, now);
                let why = format!("existing ephemeral containers {name:?} may not be changed\n{difference}");
                errors.push(FieldError::forbidden(path, &why));
            }
            Some(_) => {}
        }
    }
}

/// No node here can give a pod that runs other resources.
pub(super) fn resize(object: &Fields, old: &Fields, errors: &mut Errors) {
    let (spec, before) = (at(object, "spec"), at(old, "spec"));
    if same(spec, before) {
        return;
    }
    errors.push(FieldError::forbidden("spec", "Pod running on node without support for resize"));
    let class = crate::apiserver::strategy::quality(object);
    let was = crate::apiserver::strategy::quality(old);
    if class != was {
        let why = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid("spec", &was.into(), why));
    }
}
