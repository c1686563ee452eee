//! Admission, aggregation, certificates, flow control and devices.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, internal, list, names, one_of, same, selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;

/// The kinds of the registration group.
pub(super) fn registration(kind: &str, object: &Fields, errors: &mut Errors) {
    match kind {
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            let hooks = object.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let path = Path::new("webhooks");
            let mut seen: HashSet<&str> = HashSet::new();
            for (i, hook) in hooks.iter().enumerate() {
                let path = path.index(i);
                webhook(path, hook, errors);
                let name = text(hook, "name");
                if !seen.insert(name) {
                    errors.push(FieldError::duplicate(path.child("name"), &name.into()));
                }
            }
        }
        "ValidatingAdmissionPolicy" => validating_policy(object, errors),
        "ValidatingAdmissionPolicyBinding" => binding(object, true, errors),
        "MutatingAdmissionPolicyBinding" => binding(object, false, errors),
        _ => {}
    }
}

fn failure_policy(path: Path<'_>, v: &Value, errors: &mut Errors) {
    if v.get("failurePolicy").is_some() {
        one_of(path.child("failurePolicy"), v.get("failurePolicy"), &["Fail", "Ignore"], errors);
    }
}

fn webhook(path: Path<'_>, hook: &Value, errors: &mut Errors) {
    let name = text(hook, "name");
    if name.is_empty() {
        errors.push(FieldError::required(path.child("name"), ""));
    } else {
        let whys = names::subdomain_errors(name);
        if whys.is_empty() && name.split('.').count() < 3 {
            let why = "should be a domain with at least three segments separated by dots";
            errors.push(FieldError::invalid(path.child("name"), &name.into(), why));
        }
        for why in whys {
            errors.push(FieldError::invalid(path.child("name"), &name.into(), &why));
        }
    }
    versions(path.child("admissionReviewVersions"), hook, errors);
    failure_policy(path, hook, errors);
    if hook.get("matchPolicy").is_some() {
        one_of(path.child("matchPolicy"), hook.get("matchPolicy"), &["Equivalent", "Exact"], errors);
    }
    one_of(path.child("sideEffects"), hook.get("sideEffects"), &["None", "NoneOnDryRun"], errors);
    if hook.get("reinvocationPolicy").is_some() {
        one_of(path.child("reinvocationPolicy"), hook.get("reinvocationPolicy"), &["IfNeeded", "Never"], errors);
    }
    if let Some(seconds) = hook.get("timeoutSeconds").and_then(Value::as_i64)
        && !(1..=30).contains(&seconds)
    {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.push(FieldError::invalid(path.child("timeoutSeconds"), &json!(seconds), why));
    }
    for key in ["namespaceSelector", "objectSelector"] {
        if let Some(s) = hook.get(key) {
            selector(path.child(key), s, errors);
        }
    }
    for (i, rule) in list(hook, "rules").enumerate() {
        rules(path.child("rules").index(i), rule, errors);
    }
    client(path.child("clientConfig"), hook.get("clientConfig").unwrap_or(NOTHING), errors);
    for (i, condition) in list(hook, "matchConditions").enumerate() {
        if text(condition, "name").is_empty() {
            errors.push(FieldError::required(path.child("matchConditions").index(i).child("name"), ""));
        }
    }
}

fn versions(path: Path<'_>, hook: &Value, errors: &mut Errors) {
    let given: Vec<&str> = list(hook, "admissionReviewVersions").filter_map(Value::as_str).collect();
    if given.is_empty() {
        return errors.push(FieldError::required(path, "must specify one of v1, v1beta1"));
    }
    if !given.iter().any(|v| matches!(*v, "v1" | "v1beta1")) {
        errors.push(FieldError::invalid(path, &json!(given), "must include at least one of v1, v1beta1"));
    }
}

fn rules(path: Path<'_>, rule: &Value, errors: &mut Errors) {
    for key in ["apiGroups", "apiVersions", "operations", "resources"] {
        if list(rule, key).next().is_none() {
            errors.push(FieldError::required(path.child(key), ""));
        }
    }
    for (i, operation) in list(rule, "operations").enumerate() {
        let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
        one_of(path.child("operations").index(i), Some(operation), &known, errors);
    }
}

fn client(path: Path<'_>, config: &Value, errors: &mut Errors) {
    let (url, service) = (config.get("url").and_then(Value::as_str), config.get("service"));
    match (url, service) {
        (None, None) | (Some(_), Some(_)) => {
            errors.push(FieldError::required(path, "exactly one of url or service is required"));
        }
        (Some(url), None) => {
            let scheme = url.split("://").next().unwrap_or("");
            if scheme != "https" {
                let why = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
                errors.push(FieldError::invalid(path.child("url"), &scheme.into(), why));
            }
        }
        (None, Some(service)) => {
            for (key, what) in [("name", "service name is required"), ("namespace", "service namespace is required")] {
                if text(service, key).is_empty() {
                    errors.push(FieldError::required(path.child("service").child(key), what));
                }
            }
        }
    }
}

fn validating_policy(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    failure_policy(path, spec, errors);
    if list(spec, "validations").next().is_none() && list(spec, "auditAnnotations").next().is_none() {
        let why = "validations or auditAnnotations must contain at least one item";
        errors.push(FieldError::required(path.child("validations"), why));
        errors.push(FieldError::required(path.child("auditAnnotations"), why));
    }
    match spec.get("matchConstraints") {
        None => errors.push(FieldError::required(path.child("matchConstraints"), "")),
        Some(constraints) => {
            let path = path.child("matchConstraints");
            if list(constraints, "resourceRules").next().is_none() {
                errors.push(FieldError::required(path.child("resourceRules"), ""));
            }
            for (i, rule) in list(constraints, "resourceRules").enumerate() {
                rules(path.child("resourceRules").index(i), rule, errors);
            }
        }
    }
    for (i, validation) in list(spec, "validations").enumerate() {
        if text(validation, "expression").trim().is_empty() {
            let path = path.child("validations");
            errors.push(FieldError::required(path.index(i).child("expression"), "expression is not specified"));
        }
    }
}

fn binding(object: &Fields, validating: bool, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    if text(spec, "policyName").is_empty() {
        errors.push(FieldError::required(path.child("policyName"), ""));
    }
    if !validating {
        return;
    }
    if list(spec, "validationActions").next().is_none() {
        errors
            .push(FieldError::required(path.child("validationActions"), "at least one validation action is required"));
    }
    for (i, action) in list(spec, "validationActions").enumerate() {
        one_of(path.child("validationActions").index(i), Some(action), &["Audit", "Deny", "Warn"], errors);
    }
}

pub(super) fn api_service(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let name = text(at(object, "metadata"), "name");
    let wanted = format!("{}.{}", text(spec, "version"), text(spec, "group"));
    if name != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        errors.push(FieldError::invalid("metadata.name", &name.into(), &why));
    }
    for (key, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let n = spec.get(key).and_then(Value::as_i64).unwrap_or(0);
        if !(1..=most).contains(&n) {
            let why = format!("must be positive and less than {most}");
            errors.push(FieldError::invalid(format!("spec.{key}"), &json!(n), &why));
        }
    }
}

pub(super) fn signing_request(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let request = text(spec, "request");
    let pem = super::decoded(request);
    if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE REQU") {
        let why = "PEM block type must be CERTIFICATE REQUEST";
        errors.push(FieldError::invalid("spec.request", &request.into(), why));
    }
    if list(spec, "usages").next().is_none() {
        errors.push(FieldError::required("spec.usages", ""));
    }
    let signer = text(spec, "signerName");
    if signer.is_empty() {
        errors.push(FieldError::required("spec.signerName", ""));
    } else if !signer.split_once('/').is_some_and(|(d, p)| d.contains('.') && !p.is_empty()) {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(FieldError::invalid("spec.signerName", &signer.into(), why));
    }
}

pub(super) fn flow_control(kind: &str, object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    match kind {
        "FlowSchema" if text(spec.get("priorityLevelConfiguration").unwrap_or(NOTHING), "name").is_empty() => {
            let why = "must reference a priority level";
            errors.push(FieldError::required("spec.priorityLevelConfiguration.name", why));
        }
        "PriorityLevelConfiguration" => {
            one_of(Path::new("spec.type"), spec.get("type"), &["Exempt", "Limited"], errors);
        }
        _ => {}
    }
}

pub(super) fn device_claim(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    if let Some(old) = old {
        if !same(spec, at(old, "spec")) {
            let shown = internal::show("resource.ResourceClaimSpec", spec);
            errors.push(FieldError::invalid_shown("spec", &shown, "field is immutable"));
        }
        return;
    }
    let path = Path::new("spec.devices.requests");
    for (i, request) in list(at(object, "spec.devices"), "requests").enumerate() {
        let path = path.index(i);
        let name = text(request, "name");
        if name.is_empty() {
            errors.push(FieldError::required(path.child("name"), ""));
        } else {
            for why in names::label_errors(name) {
                errors.push(FieldError::invalid(path.child("name"), &name.into(), &why));
            }
        }
        let ways = ["exactly", "firstAvailable"].iter().filter(|k| request.get(**k).is_some()).count();
        if ways != 1 {
            errors.push(FieldError::required(path, "exactly one of `exactly` or `firstAvailable` is required"));
        }
    }
}
