//! Requests and limits.

use serde_json::Value;

use super::super::path::Path;
use super::super::{Errors, names};
use crate::apiserver::quantity::Quantity;
use crate::apiserver::status::FieldError;

const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Resources without a domain that exist, though not all for containers.
const KNOWN: [&str; 8] = [
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
];

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge(name)
}

/// A resource of somebody's own, such as a device: it comes in whole units and is never promised twice.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

fn amount(v: &Value) -> Option<Quantity> {
    v.as_str().and_then(Quantity::parse)
}

fn entries<'a>(v: &'a Value, part: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    v.get(part).and_then(Value::as_object).into_iter().flatten()
}

/// Amounts that are not negative, and whole where they must be.
pub(in super::super) fn quantity(path: Path<'_>, name: &str, value: &Value, errors: &mut Errors) {
    let Some(q) = amount(value) else { return };
    if q.is_negative() {
        errors.push(FieldError::invalid(path, value, "must be greater than or equal to 0"));
    }
    if (is_extended(name) || is_huge(name)) && !q.is_integer() {
        errors.push(FieldError::invalid(path, value, "must be an integer"));
    }
}

/// The names and amounts of a list of a container's resources.
pub(in super::super) fn resource_list(path: Path<'_>, amounts: &Value, errors: &mut Errors) {
    for (name, value) in amounts.as_object().into_iter().flatten() {
        let path = path.key(name);
        resource_name(path, name, errors);
        quantity(path, name, value, errors);
    }
}

fn resource_name(path: Path<'_>, name: &str, errors: &mut Errors) {
    if is_standard(name) {
        return;
    }
    let shown = Value::from(name);
    for why in names::qualified_name_errors(name) {
        errors.push(FieldError::invalid(path, &shown, &why));
    }
    if !name.contains('/') {
        if !KNOWN.contains(&name) {
            errors.push(FieldError::invalid(path, &shown, "must be a standard resource type or fully qualified"));
        }
        errors.push(FieldError::invalid(path, &shown, "must be a standard resource for containers"));
    }
}

pub(super) fn rules(path: Path<'_>, wanted: &Value, errors: &mut Errors) {
    for part in ["limits", "requests"] {
        if let Some(amounts) = wanted.get(part) {
            resource_list(path.child(part), amounts, errors);
        }
    }
    let limit = |name: &str| wanted.get("limits").and_then(|l| l.get(name));
    for (name, value) in entries(wanted, "requests") {
        let exact = is_extended(name) || is_huge(name);
        let Some(most) = limit(name) else {
            if exact {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(path.child("limits"), why));
            }
            continue;
        };
        let (Some(request), Some(limit)) = (amount(value), amount(most)) else { continue };
        if exact && request != limit {
            let why = format!("must be equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(path.child("requests"), value, &why));
        } else if !exact && request > limit {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(path.child("requests"), value, &why));
        }
    }
    let all = || entries(wanted, "limits").chain(entries(wanted, "requests"));
    if all().any(|(n, _)| is_huge(n)) && !all().any(|(n, _)| n == "cpu" || n == "memory") {
        errors.push(FieldError::forbidden(path, "HugePages require cpu or memory"));
    }
}
