//! Custom resource definitions: what they make the server serve.

mod definition;
mod rules;
pub(crate) mod structural;
mod types;
mod validate;

pub(crate) use definition::check as validate_definition;

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::fields::Fields;
use super::registry::{Resource, Subresource, Types};
use super::status::FieldError;
use structural::Structural;

/// What one version of a custom resource has beyond its names.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    /// The name of the definition.
    pub(crate) definition: String,
    pub(crate) structural: Structural,
    pub(crate) scale: Option<Scale>,
    pub(crate) columns: Vec<Column>,
    /// The warning that every request gets.
    pub(crate) deprecation: Option<String>,
    pub(crate) selectable: Vec<String>,
}

/// Where a custom resource keeps its replica counts.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) spec: String,
    pub(crate) status: String,
    pub(crate) selector: Option<String>,
}

/// `additionalPrinterColumns`.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: String,
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

fn texts(v: &Value, key: &str) -> Vec<String> {
    v.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned)).collect()
}

/// The resources that a definition serves, under its accepted names.
pub(crate) fn resources(definition: &Fields) -> Vec<Arc<Resource>> {
    let empty = Value::Null;
    let spec = definition.get("spec").unwrap_or(&empty);
    let status = definition.get("status").unwrap_or(&empty);
    let names = status.get("acceptedNames").unwrap_or(&empty);
    let name = definition.get("metadata").map_or("", |m| text(m, "name"));
    let versions = || spec.get("versions").and_then(Value::as_array).into_iter().flatten();
    let storage = versions().find(|v| v.get("storage") == Some(&Value::Bool(true))).map_or("", |v| text(v, "name"));
    let served = versions().filter(|v| v.get("served") == Some(&Value::Bool(true)));
    served.map(|v| Arc::new(resource(spec, names, name, v, storage))).collect()
}

fn resource(spec: &Value, names: &Value, definition: &str, version: &Value, storage: &str) -> Resource {
    let group = text(spec, "group").to_owned();
    let name = text(version, "name").to_owned();
    let kind = text(names, "kind").to_owned();
    let sub = version.get("subresources");
    let has_status = sub.is_some_and(|s| s.get("status").is_some_and(|s| !s.is_null()));
    let scale = sub.and_then(|s| s.get("scale")).filter(|s| !s.is_null()).map(|s| Scale {
        spec: text(s, "specReplicasPath").to_owned(),
        status: text(s, "statusReplicasPath").to_owned(),
        selector: Some(text(s, "labelSelectorPath").to_owned()).filter(|s| !s.is_empty()),
    });
    let mut subresources = Vec::new();
    let verbs = || vec!["get", "patch", "update"];
    if has_status {
        subresources.push(Subresource { name: "status".into(), kind: kind.clone(), of: None, verbs: verbs() });
    }
    if scale.is_some() {
        let of = Some(("autoscaling", "v1"));
        subresources.push(Subresource { name: "scale".into(), kind: "Scale".into(), of, verbs: verbs() });
    }
    let schema = version.get("schema").and_then(|s| s.get("openAPIV3Schema")).unwrap_or(&Value::Null);
    let preserve = spec.get("preserveUnknownFields") == Some(&Value::Bool(true));
    let (types, ty) = types::types(schema, preserve);
    let column = |c: &Value| Column {
        name: text(c, "name").to_owned(),
        kind: text(c, "type").to_owned(),
        format: text(c, "format").to_owned(),
        description: text(c, "description").to_owned(),
        priority: c.get("priority").and_then(Value::as_i64).unwrap_or(0),
        path: text(c, "jsonPath").to_owned(),
    };
    let columns =
        version.get("additionalPrinterColumns").and_then(Value::as_array).into_iter().flatten().map(column).collect();
    let selectable = version
        .get("selectableFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|f| text(f, "jsonPath").trim_start_matches('.').to_owned())
        .collect();
    let deprecation = (version.get("deprecated") == Some(&Value::Bool(true))).then(|| {
        match version.get("deprecationWarning").and_then(Value::as_str) {
            Some(warning) => warning.to_owned(),
            None => deprecation(spec, &group, &name, &kind),
        }
    });
    Resource {
        api_version: format!("{group}/{name}"),
        empty: std::sync::OnceLock::new(),
        key: std::sync::OnceLock::new(),
        plural: text(names, "plural").to_owned(),
        singular: text(names, "singular").to_owned(),
        list_kind: text(names, "listKind").to_owned(),
        short_names: texts(names, "shortNames"),
        categories: texts(names, "categories"),
        namespaced: text(spec, "scope") == "Namespaced",
        verbs: vec!["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        subresources,
        types: Types::Custom(Arc::new(types)),
        ty,
        storage_version: storage.to_owned(),
        custom: Some(Arc::new(CustomVersion {
            definition: definition.to_owned(),
            structural: Structural::parse(schema, preserve),
            scale,
            columns,
            deprecation,
            selectable,
        })),
        group,
        version: name,
        kind,
    }
}

fn deprecation(spec: &Value, group: &str, version: &str, kind: &str) -> String {
    let newer = spec
        .get("versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|v| v.get("deprecated") != Some(&Value::Bool(true)) && v.get("served") == Some(&Value::Bool(true)))
        .map(|v| text(v, "name"))
        .filter(|v| version_order(v, version).is_gt())
        .max_by(|a, b| version_order(a, b));
    match newer {
        Some(newer) => format!("{group}/{version} {kind} is deprecated; use {group}/{newer} {kind}"),
        None => format!("{group}/{version} {kind} is deprecated"),
    }
}

/// Brings the metadata of a custom resource into the form the server keeps. Returns unknown fields.
///
/// # Errors
/// A value of a wrong type, in the words of Go's decoder.
pub(crate) fn metadata(resource: &Resource, object: &mut Fields) -> Result<Vec<String>, String> {
    let schema = resource.schema();
    let Some(ty) = schema.named("meta.v1.ObjectMeta") else { return Ok(Vec::new()) };
    match object.get_mut("metadata") {
        Some(Value::Object(meta)) => {
            let unknown = super::decode::normalise(schema, ty, meta)?;
            Ok(unknown.into_iter().map(|u| u.replace("unknown field \"", "unknown field \"metadata.")).collect())
        }
        Some(Value::Null) | None => Ok(Vec::new()),
        Some(other) => {
            let what = super::patch::json::json_type(other);
            Err(format!("json: cannot unmarshal {what} into Go struct field .metadata of type v1.ObjectMeta"))
        }
    }
}

/// The rules of a schema that a custom resource breaks.
pub(crate) fn validate(resource: &Resource, object: &Fields, old: Option<&Fields>, errors: &mut Vec<FieldError>) {
    let Some(custom) = &resource.custom else { return };
    let mut found = Vec::new();
    if let Some(scale) = &custom.scale {
        scale_path(&scale.spec, object, &mut found);
    }
    validate::object(&custom.structural, object, &mut found);
    let blocking = |e: &FieldError| {
        matches!(
            e.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    };
    if custom.structural.has_rules && found.iter().any(blocking) {
        let why = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        found.push(FieldError::invalid("<nil>", &Value::Null, why));
    } else {
        rules::run_all(&custom.structural, object, old, &mut found);
    }
    errors.extend(found);
}

/// What the scale subresource reads must be a number.
fn scale_path(path: &str, object: &Fields, errors: &mut Vec<FieldError>) {
    let mut parts = path.trim_start_matches('.').split('.');
    let mut at = parts.next().and_then(|p| object.get(p));
    for part in parts {
        at = at.and_then(|v| v.get(part));
    }
    match at {
        None | Some(Value::Null) => {}
        Some(v) if v.as_i64().is_none() => {
            let is = super::gotext::go_type(v);
            let shown = super::gotext::go_value(v);
            let why = format!("{path} accessor error: {shown} is of the type {is}, expected int64");
            errors.push(FieldError::invalid_shown(path, "0", &why));
        }
        Some(v) if v.as_i64().is_some_and(|n| n < 0) => {
            errors.push(FieldError::invalid(path, v, "should be a non-negative integer"));
        }
        Some(_) => {}
    }
}

/// The order of versions by maturity and number: `v2 > v1 > v1beta2 > v1alpha1 > other`.
pub(crate) fn version_order(a: &str, b: &str) -> Ordering {
    fn parse(v: &str) -> Option<(u8, u64, u64)> {
        let rest = v.strip_prefix('v')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, stage) = rest.split_at(end);
        let major = major.parse().ok()?;
        if stage.is_empty() {
            return Some((2, major, 0));
        }
        if let Some(n) = stage.strip_prefix("beta") {
            return Some((1, major, n.parse().ok()?));
        }
        Some((0, major, stage.strip_prefix("alpha")?.parse().ok()?))
    }
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        // Among the rest, earlier letters come first.
        (None, None) => b.cmp(a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_maturity() {
        let mut versions = ["v1beta1", "foo1", "v10", "v2", "v1", "v1alpha2", "v11beta2", "foo10"];
        versions.sort_by(|a, b| version_order(b, a));
        assert_eq!(versions, ["v10", "v2", "v1", "v11beta2", "v1beta1", "v1alpha2", "foo1", "foo10"]);
    }
}
