//! Nodes and what runs on them.

use serde_json::Value;

use super::path::Path;
use super::{Errors, at, immutable, list, names, one_of, pod, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

pub(super) fn node(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    // Named so by the server.
    let path = Path::new("metadata.taints");
    for (i, taint) in list(spec, "taints").enumerate() {
        let path = path.index(i);
        let (key, value) = (text(taint, "key"), text(taint, "value"));
        for why in names::qualified_name_errors(key) {
            errors.push(FieldError::invalid(path.child("key"), &key.into(), &why));
        }
        let whys = names::label_value_errors(value);
        if !whys.is_empty() {
            errors.push(FieldError::invalid(path.child("value"), &value.into(), &whys.join(";")));
        }
        if text(taint, "effect").is_empty() {
            errors.push(FieldError::required(path.child("effect"), ""));
        } else {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            one_of(path.child("effect"), taint.get("effect"), &known, errors);
        }
    }
    let path = Path::new("spec.podCIDRs");
    for (i, range) in list(spec, "podCIDRs").filter_map(Value::as_str).enumerate() {
        super::cidr(path.index(i), range, errors);
    }
    let Some(old) = old else { return };
    let ranges = |o: &Fields| at(o, "spec").get("podCIDRs").cloned().unwrap_or(Value::Null);
    if !ranges(old).is_null() && ranges(old) != ranges(object) {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.podCIDRs", why));
    }
    let provider = |o: &Fields| at(o, "spec.providerID").as_str().unwrap_or("").to_owned();
    if !provider(old).is_empty() && provider(old) != provider(object) {
        let why = "node updates may not change providerID except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.providerID", why));
    }
}

pub(super) fn runtime_class(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let handler = at(object, "handler").as_str().unwrap_or("");
    for why in names::label_errors(handler) {
        errors.push(FieldError::invalid("handler", &handler.into(), &why));
    }
    if let Some(overhead) = at(object, "overhead").get("podFixed") {
        pod::resource_list(Path::new("overhead.limits"), overhead, errors);
    }
    let scheduling = at(object, "scheduling");
    let labels = scheduling.get("nodeSelector").and_then(Value::as_object);
    super::meta::labels(Path::new("scheduling.nodeSelector"), labels, errors);
    pod::tolerations(Path::new("scheduling.tolerations"), scheduling, errors);
    if let Some(old) = old {
        immutable("handler", at(object, "handler"), at(old, "handler"), errors);
    }
}
