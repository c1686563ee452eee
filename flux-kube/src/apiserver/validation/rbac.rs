//! Roles and bindings.

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, list, names, one_of, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

pub(super) fn role(kind: &str, object: &Fields, errors: &mut Errors) {
    let rules = object.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (i, rule) in rules.iter().enumerate() {
        let path = format!("rules[{i}]");
        let count = |key: &str| list(rule, key).count();
        if count("verbs") == 0 {
            errors.push(FieldError::required(format!("{path}.verbs"), "verbs must contain at least one value"));
        }
        if count("nonResourceURLs") > 0 {
            if kind == "Role" {
                let why = "namespaced rules cannot apply to non-resource URLs";
                let urls = rule.get("nonResourceURLs").unwrap_or(&Value::Null);
                errors.push(FieldError::invalid(format!("{path}.nonResourceURLs"), urls, why));
            }
            if count("apiGroups") > 0 || count("resources") > 0 || count("resourceNames") > 0 {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                let urls = rule.get("nonResourceURLs").unwrap_or(&Value::Null);
                errors.push(FieldError::invalid(format!("{path}.nonResourceURLs"), urls, why));
            }
            continue;
        }
        if count("apiGroups") == 0 {
            errors.push(FieldError::required(
                format!("{path}.apiGroups"),
                "resource rules must supply at least one api group",
            ));
        }
        if count("resources") == 0 {
            errors.push(FieldError::required(
                format!("{path}.resources"),
                "resource rules must supply at least one resource",
            ));
        }
    }
}

pub(super) fn binding(kind: &str, object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let role = at(object, "roleRef");
    let supported: &[&str] = if kind == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if text(role, "apiGroup") != "rbac.authorization.k8s.io" {
        errors.push(FieldError::not_supported(
            "roleRef.apiGroup",
            &text(role, "apiGroup").into(),
            &["rbac.authorization.k8s.io"],
        ));
    }
    one_of(Path::new("roleRef.kind"), role.get("kind"), supported, errors);
    let name = text(role, "name");
    if name.is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for why in names::path_segment_errors(name) {
        errors.push(FieldError::invalid("roleRef.name", &name.into(), &why));
    }
    let subjects = object.get("subjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (i, subject) in subjects.iter().enumerate() {
        let path = format!("subjects[{i}]");
        let name = text(subject, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        match text(subject, "kind") {
            "ServiceAccount" => {
                for why in names::subdomain_errors(name) {
                    if !name.is_empty() {
                        errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), &why));
                    }
                }
                if !text(subject, "apiGroup").is_empty() {
                    errors.push(FieldError::not_supported(
                        format!("{path}.apiGroup"),
                        &text(subject, "apiGroup").into(),
                        &[""],
                    ));
                }
                if kind == "ClusterRoleBinding" && text(subject, "namespace").is_empty() {
                    errors.push(FieldError::required(format!("{path}.namespace"), ""));
                }
            }
            "User" | "Group" => {
                if text(subject, "apiGroup") != "rbac.authorization.k8s.io" {
                    errors.push(FieldError::not_supported(
                        format!("{path}.apiGroup"),
                        &text(subject, "apiGroup").into(),
                        &["rbac.authorization.k8s.io"],
                    ));
                }
            }
            other => {
                errors.push(FieldError::not_supported(
                    format!("{path}.kind"),
                    &other.into(),
                    &["ServiceAccount", "User", "Group"],
                ));
            }
        }
    }
    if let Some(old) = old
        && at(old, "roleRef") != role
    {
        let shown = json!({"APIGroup": text(role, "apiGroup"), "Kind": text(role, "kind"), "Name": name});
        errors.push(FieldError::invalid("roleRef", &shown, "cannot change roleRef"));
    }
}
