//! What a custom resource definition must satisfy.

use std::collections::HashSet;

use flux_core::re2::Pattern;
use serde_json::{Map as JsonMap, Value, json};

use super::structural::Structural;
use super::{rules, text, validate};
use crate::apiserver::fields::{Fields, equal_values};
use crate::apiserver::status::FieldError;
use crate::apiserver::validation::names;

type Errors = Vec<FieldError>;

/// The rules that a definition breaks.
pub(crate) fn check(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let empty = Value::Null;
    let spec = object.get("spec").unwrap_or(&empty);
    let name = object.get("metadata").map_or("", |m| text(m, "name"));
    let given = spec.get("names").unwrap_or(&empty);
    let group = text(spec, "group");
    if name != format!("{}.{group}", text(given, "plural")) {
        let why = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &name.into(), why));
    }
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !group.contains('.') {
        let why = "should be a domain with at least one dot";
        errors.push(FieldError::invalid("spec.group", &group.into(), why));
    } else {
        for why in names::subdomain_errors(group) {
            errors.push(FieldError::invalid("spec.group", &group.into(), &why));
        }
    }
    for key in ["plural", "singular", "kind", "listKind"] {
        let value = text(given, key);
        if value.is_empty() {
            errors.push(FieldError::required(format!("spec.names.{key}"), ""));
        } else {
            let mixed = key.to_lowercase().ends_with("kind");
            let whys = names::label_1035_errors(&if mixed { value.to_lowercase() } else { value.to_owned() });
            for why in whys {
                let why = if mixed { format!("may have mixed case, but should otherwise match: {why}") } else { why };
                errors.push(FieldError::invalid(format!("spec.names.{key}"), &value.into(), &why));
            }
        }
    }
    if !text(given, "kind").is_empty() && text(given, "kind") == text(given, "listKind") {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid("spec.names.listKind", &text(given, "listKind").into(), why));
    }
    let scope = text(spec, "scope");
    if scope.is_empty() {
        errors.push(FieldError::required("spec.scope", ""));
    } else if !matches!(scope, "Cluster" | "Namespaced") {
        errors.push(FieldError::not_supported("spec.scope", &scope.into(), &["Cluster", "Namespaced"]));
    }
    versions(object, spec, errors);
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(true)) {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", &Value::Bool(true), why));
    }
    conversion(spec.get("conversion").unwrap_or(&empty), errors);
    let approved = object.get("metadata").and_then(|m| m.get("annotations")).and_then(|a| a.get(APPROVED)).is_some();
    if old.is_none() && !approved && (group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io")) {
        let why = format!(
            "protected groups must have approval annotation {APPROVED:?}, see https://github.com/kubernetes/enhancements/pull/1111"
        );
        errors.push(FieldError::required(format!("metadata.annotations[{APPROVED}]"), &why));
    }
    if let Some(old) = old {
        let before = old.get("spec").unwrap_or(&empty);
        let mut frozen = |path: &str, new: &Value, old: &Value| {
            if !equal_values(new, old) {
                errors.push(FieldError::invalid(path, new, "field is immutable"));
            }
        };
        let at =
            |v: &Value, path: &[&str]| path.iter().try_fold(v, |v, key| v.get(key)).cloned().unwrap_or(Value::Null);
        for path in [&["group"][..], &["scope"], &["names", "kind"], &["names", "plural"]] {
            frozen(&format!("spec.{}", path.join(".")), &at(spec, path), &at(before, path));
        }
        // Its name follows from these, which are what is wrong.
        if errors.iter().any(|e| e.field == "spec.group" && e.message.contains("immutable")) {
            errors.retain(|e| e.field != "metadata.name");
        }
    }
}

/// The annotation that a definition in one of the project's own groups needs.
const APPROVED: &str = "api-approved.kubernetes.io";

fn conversion(conversion: &Value, errors: &mut Errors) {
    match text(conversion, "strategy") {
        "" | "None" => {}
        "Webhook" => {
            let webhook = conversion.get("webhook");
            if webhook.and_then(|w| w.get("clientConfig")).is_none() {
                let why = "required when strategy is set to Webhook";
                errors.push(FieldError::required("spec.conversion.webhookClientConfig", why));
            }
            let versions = webhook.and_then(|w| w.get("conversionReviewVersions")).and_then(Value::as_array);
            if versions.is_none_or(Vec::is_empty) {
                errors.push(FieldError::required("spec.conversion.conversionReviewVersions", ""));
            }
        }
        other => {
            let known = ["None", "Webhook"];
            errors.push(FieldError::not_supported("spec.conversion.strategy", &other.into(), &known));
        }
    }
}

/// A path such as `.spec.replicas`.
fn simple_path(field: String, path: &str, errors: &mut Errors) {
    if path.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if !path.starts_with('.') {
        errors.push(FieldError::invalid(field, &path.into(), "must be a simple json path starting with ."));
    }
}

/// The printer columns, the scale and the selectable fields of a version, under the path that names them.
fn extras(path: &str, v: &Value, schema: &Value, errors: &mut Errors) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    let list = |key: &str| v.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (i, column) in list("additionalPrinterColumns").iter().enumerate() {
        let path = format!("{path}.additionalPrinterColumns[{i}]");
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        let must = format!("must be one of {}", TYPES.join(","));
        match text(column, "type") {
            "" => errors.push(FieldError::required(format!("{path}.type"), &must)),
            kind if !TYPES.contains(&kind) => {
                errors.push(FieldError::invalid(format!("{path}.type"), &kind.into(), &must));
            }
            _ => {}
        }
        let format = text(column, "format");
        if !format.is_empty() && !FORMATS.contains(&format) {
            let must = format!("must be one of {}", FORMATS.join(","));
            errors.push(FieldError::invalid(format!("{path}.format"), &format.into(), &must));
        }
        simple_path(format!("{path}.JSONPath"), text(column, "jsonPath"), errors);
    }
    if let Some(scale) = v.get("subresources").and_then(|s| s.get("scale")) {
        for key in ["specReplicasPath", "statusReplicasPath"] {
            simple_path(format!("{path}.subresources.scale.{key}"), text(scale, key), errors);
        }
    }
    for (i, selectable) in list("selectableFields").iter().enumerate() {
        let at = text(selectable, "jsonPath");
        let field = format!("{path}.selectableFields[{i}].jsonPath");
        let Some(rest) = at.strip_prefix('.') else {
            let why = format!("is an invalid path: expected [ or . but got: {at}");
            errors.push(FieldError::invalid(field, &at.into(), &why));
            continue;
        };
        let found = rest.split('.').try_fold(schema, |s, part| s.get("properties")?.get(part));
        if found.is_none() {
            let why = "is an invalid path: does not refer to a valid field";
            errors.push(FieldError::invalid(field, &at.into(), why));
        }
    }
}

fn versions(object: &Fields, spec: &Value, errors: &mut Errors) {
    let all = spec.get("versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let storage: Vec<&str> =
        all.iter().filter(|v| v.get("storage") == Some(&Value::Bool(true))).map(|v| text(v, "name")).collect();
    let schema = |v: &Value| v.get("schema").and_then(|s| s.get("openAPIV3Schema")).filter(|s| !s.is_null()).cloned();
    // Internally, what all versions share is kept once, and named by another path.
    let shared = all.windows(2).all(|w| matches!(w, [a, b] if schema(a) == schema(b)));
    if storage.len() != 1 {
        let shown = Value::Array(all.iter().map(|v| internal_version(v, shared)).collect());
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid_shown("spec.versions", &shown.to_string(), why));
    }
    for (i, v) in all.iter().enumerate() {
        let name = text(v, "name");
        for why in names::label_1035_errors(name) {
            errors.push(FieldError::invalid(format!("spec.versions[{i}].name"), &name.into(), &why));
            if i == 0 {
                errors.push(FieldError::invalid("spec.version", &name.into(), &why));
            }
        }
    }
    let distinct: HashSet<&str> = all.iter().map(|v| text(v, "name")).collect();
    if distinct.len() < all.len() {
        let shown = Value::Array(all.iter().map(|v| internal_version(v, shared)).collect());
        errors.push(FieldError::invalid_shown(
            "spec.versions",
            &shown.to_string(),
            "must contain unique version names",
        ));
    }
    for (i, v) in all.iter().enumerate() {
        let own = format!("spec.versions[{i}].schema.openAPIV3Schema");
        let Some(schema) = schema(v) else {
            errors.push(FieldError::required(own, ""));
            continue;
        };
        if shared && i > 0 {
            continue;
        }
        let path = if shared { "spec.validation.openAPIV3Schema".to_owned() } else { own };
        let kind = text(&schema, "type");
        if kind.is_empty() {
            errors.push(FieldError::required(format!("{path}.type"), "must not be empty at the root"));
        } else if kind != "object" {
            let why = "must be object at the root";
            errors.push(FieldError::invalid(format!("{path}.type"), &kind.into(), why));
        }
        node(&schema, &path, 0, errors);
        metadata_schema(&schema, &path, errors);
    }
    for (i, v) in all.iter().enumerate() {
        // What all versions share is named as a whole, as the schema is.
        let alike = all.iter().all(|o| {
            ["additionalPrinterColumns", "subresources", "selectableFields"].iter().all(|k| o.get(*k) == v.get(*k))
        });
        if alike && i > 0 {
            break;
        }
        let path = if alike { "spec".to_owned() } else { format!("spec.versions[{i}]") };
        extras(&path, v, &schema(v).unwrap_or(Value::Null), errors);
    }
    let status = object.get("status").unwrap_or(&Value::Null);
    let stored = status.get("storedVersions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if stored.is_empty() {
        let why = "must have at least one stored version";
        errors.push(FieldError::invalid("status.storedVersions", &Value::Null, why));
    } else {
        for name in &storage {
            if !stored.iter().any(|s| s.as_str() == Some(name)) {
                let why = format!("must have the storage version {name}");
                errors.push(FieldError::invalid("status.storedVersions", &json!(stored), &why));
            }
        }
    }
    for (i, name) in stored.iter().filter_map(Value::as_str).enumerate() {
        if !all.iter().any(|v| text(v, "name") == name) {
            let why = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.push(FieldError::invalid(format!("status.storedVersions[{i}]"), &name.into(), &why));
        }
    }
}

/// A version as the server's internal type prints.
fn internal_version(v: &Value, shared: bool) -> Value {
    let flag = |key: &str| json!(v.get(key) == Some(&Value::Bool(true)));
    let or_null = |key: &str| if shared { Value::Null } else { v.get(key).cloned().unwrap_or(Value::Null) };
    let mut out = JsonMap::new();
    out.insert("Name".into(), json!(text(v, "name")));
    out.insert("Served".into(), flag("served"));
    out.insert("Storage".into(), flag("storage"));
    out.insert("Deprecated".into(), flag("deprecated"));
    out.insert("DeprecationWarning".into(), v.get("deprecationWarning").cloned().unwrap_or(Value::Null));
    out.insert("Schema".into(), or_null("schema"));
    out.insert("Subresources".into(), or_null("subresources"));
    out.insert("AdditionalPrinterColumns".into(), or_null("additionalPrinterColumns"));
    out.insert("SelectableFields".into(), or_null("selectableFields"));
    Value::Object(out)
}

/// Of metadata a schema may only bound the names.
fn metadata_schema(schema: &Value, path: &str, errors: &mut Errors) {
    let Some(meta) = schema.get("properties").and_then(|p| p.get("metadata")) else { return };
    let properties = meta.get("properties").and_then(Value::as_object);
    if properties.is_some_and(|p| p.keys().any(|k| k != "name" && k != "generateName")) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(format!("{path}.properties[metadata]"), why));
    }
}

/// What stands below `allOf` and the like may only add value validations.
fn value_validation(s: &Value, path: &str, depth: usize, errors: &mut Errors) {
    if depth > MAX_DEPTH {
        return;
    }
    const STRUCTURE: [&str; 5] = ["type", "default", "title", "description", "additionalProperties"];
    let bare = s.get("x-kubernetes-int-or-string").is_some();
    for key in STRUCTURE.iter().filter(|k| s.get(**k).is_some() && !(bare && **k == "type")) {
        errors.push(FieldError::forbidden(format!("{path}.{key}"), "must be empty to be structural"));
    }
    for (key, property) in s.get("properties").and_then(Value::as_object).into_iter().flatten() {
        value_validation(property, &format!("{path}.properties[{key}]"), depth + 1, errors);
    }
    if let Some(items) = s.get("items").filter(|i| i.is_object()) {
        value_validation(items, &format!("{path}.items"), depth + 1, errors);
    }
}

/// The first value below `v` that the schema does not know, if any.
fn has_unknown(s: &Structural, v: &Value) -> bool {
    let mut v = v.clone();
    v.as_object_mut().is_some_and(|fields| !s.prune_part(fields).is_empty())
}

const MAX_DEPTH: usize = 64;

/// A node of a schema must be structural, its defaults valid, its rules compile.
fn node(s: &Value, path: &str, depth: usize, errors: &mut Errors) {
    if depth > MAX_DEPTH {
        return errors.push(FieldError::forbidden(path, "the schema is nested too deeply"));
    }
    let kind = text(s, "type");
    let flag = |key: &str| s.get(key) == Some(&Value::Bool(true));
    if kind.is_empty()
        && depth > 0
        && !flag("x-kubernetes-int-or-string")
        && !flag("x-kubernetes-preserve-unknown-fields")
    {
        let why = if path.ends_with("].items") || path.ends_with(".items") {
            "must not be empty for specified array items"
        } else {
            "must not be empty for specified object fields"
        };
        errors.push(FieldError::required(format!("{path}.type"), why));
    }
    let properties = s.get("properties").and_then(Value::as_object).filter(|p| !p.is_empty());
    let additional = s.get("additionalProperties").filter(|a| !a.is_null() && **a != Value::Bool(false));
    if properties.is_some() && additional.is_some() {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), why));
    }
    if kind == "array" && s.get("items").is_none_or(Value::is_null) {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    if let Some(pattern) = s.get("pattern").and_then(Value::as_str)
        && let Err(error) = Pattern::compile(pattern)
    {
        let why = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(FieldError::invalid(format!("{path}.pattern"), &pattern.into(), &why));
    }
    for word in [
        "$ref",
        "definitions",
        "dependencies",
        "patternProperties",
        "deprecated",
        "discriminator",
        "readOnly",
        "writeOnly",
        "xml",
    ] {
        if s.get(word).is_some() {
            errors.push(FieldError::forbidden(format!("{path}.{word}"), &format!("{word} is not supported")));
        }
    }
    for junctor in ["allOf", "anyOf", "oneOf"] {
        // Integers or strings may be spelt out as such.
        let parts = s.get(junctor).and_then(Value::as_array).into_iter().flatten();
        for (i, part) in parts.enumerate().filter(|_| !flag("x-kubernetes-int-or-string")) {
            value_validation(part, &format!("{path}.{junctor}[{i}]"), depth + 1, errors);
        }
    }
    if let Some(not) = s.get("not").filter(|n| n.is_object()) {
        value_validation(not, &format!("{path}.not"), depth + 1, errors);
    }
    if flag("uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(format!("{path}.uniqueItems"), why));
    }
    list_type(s, path, errors);
    if let Some(default) = s.get("default").filter(|d| !d.is_null()) {
        let mut found = Vec::new();
        let structural = Structural::parse_part(s);
        if has_unknown(&structural, default) {
            errors.push(FieldError::invalid(format!("{path}.default"), default, "must not have unknown fields"));
        }
        validate::value(&structural, default, "", &mut found);
        for mut e in found {
            e.field =
                format!("{path}.default{}", if e.field.is_empty() { String::new() } else { format!(".{}", e.field) });
            errors.push(e);
        }
    }
    for (i, rule) in s.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let source = text(rule, "rule");
        let at = format!("{path}.x-kubernetes-validations[{i}].rule");
        if source.trim().is_empty() {
            errors.push(FieldError::required(at, "rule is not specified"));
        } else if let Some(why) = rules::check(s, source) {
            errors.push(FieldError::invalid(at, rule, &why));
        }
    }
    for (key, property) in properties.into_iter().flatten() {
        node(property, &format!("{path}.properties[{key}]"), depth + 1, errors);
    }
    if let Some(items) = s.get("items").filter(|i| i.is_object()) {
        node(items, &format!("{path}.items"), depth + 1, errors);
    }
    if let Some(additional) = additional.filter(|a| a.is_object()) {
        node(additional, &format!("{path}.additionalProperties"), depth + 1, errors);
    }
}

fn list_type(s: &Value, path: &str, errors: &mut Errors) {
    let at = format!("{path}.x-kubernetes-list-type");
    let kind = text(s, "type");
    if s.get("x-kubernetes-list-type").is_some() && kind != "array" {
        let why = "must be array if x-kubernetes-list-type is specified";
        errors.push(FieldError::invalid(format!("{path}.type"), &kind.into(), why));
    }
    let keys = s.get("x-kubernetes-list-map-keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let items = s.get("items");
    match s.get("x-kubernetes-list-type").and_then(Value::as_str) {
        None if !keys.is_empty() => {
            let why = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(FieldError::required(at, why));
        }
        None | Some("atomic") => {}
        Some("set") => {
            let of = items.map_or("", |i| text(i, "type"));
            let atomic = items.map_or("", |i| text(i, "x-kubernetes-map-type")) == "atomic"
                || items.map_or("", |i| text(i, "x-kubernetes-list-type")) == "atomic";
            if of == "object" && !atomic {
                let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
                errors.push(FieldError::invalid(format!("{path}.items.x-kubernetes-map-type"), &Value::Null, why));
            }
        }
        Some("map") => {
            let path_keys = format!("{path}.x-kubernetes-list-map-keys");
            let of = items.map_or("", |i| text(i, "type"));
            if of != "object" {
                let why = "must be object if parent array's x-kubernetes-list-type is map";
                errors.push(FieldError::invalid(format!("{path}.items.type"), &of.into(), why));
            }
            if keys.is_empty() {
                errors.push(FieldError::required(path_keys, "must not be empty if x-kubernetes-list-type is map"));
                return;
            }
            for (i, key) in keys.iter().filter_map(Value::as_str).enumerate() {
                let property = items.and_then(|i| i.get("properties")).and_then(|p| p.get(key));
                match property {
                    None => errors.push(FieldError::invalid(
                        format!("{path_keys}[{i}]"),
                        &key.into(),
                        "entries must all be names of item properties",
                    )),
                    Some(property) => {
                        let required = items.and_then(|i| i.get("required")).and_then(Value::as_array);
                        let required = required.is_some_and(|r| r.iter().any(|r| r.as_str() == Some(key)));
                        if !required && property.get("default").is_none() {
                            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                            errors.push(FieldError::required(format!("{path}.items.properties[{key}].default"), why));
                        }
                    }
                }
            }
        }
        Some(other) => errors.push(FieldError::not_supported(at, &other.into(), &["atomic", "set", "map"])),
    }
}
