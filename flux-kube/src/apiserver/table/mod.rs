//! Tables and metadata alone: what `kubectl get` shows.

mod cells;
mod path;

use serde_json::{Value, json};

use super::fields::Fields;
use super::registry::Resource;
use super::status::{Status, go_quote};

const COLUMNS: &str = include_str!("columns.txt");

/// `PartialObjectMetadata` of an object.
pub(crate) fn metadata(object: &Fields, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.get("metadata").cloned().unwrap_or(json!({}))})
}

/// How a table is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) version: String,
    /// `includeObject`.
    pub(crate) include: String,
    pub(crate) now: jiff::Timestamp,
}

impl Options {
    /// # Errors
    /// `includeObject` is none of `Metadata`, `Object` and `None`.
    pub(crate) fn check(&self) -> Result<(), Status> {
        if matches!(self.include.as_str(), "" | "Metadata" | "Object" | "None") {
            return Ok(());
        }
        Err(Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', 'Object', 'None', or empty",
            go_quote(&self.include)
        )))
    }
}

/// A table of one object.
pub(crate) fn of_object(resource: &Resource, object: &Fields, options: &Options) -> Value {
    let meta = json!({"resourceVersion": object.get("metadata").and_then(|m| m.get("resourceVersion")).cloned()});
    build(resource, std::iter::once(object), meta, options)
}

/// A table of a list.
pub(crate) fn of_list(
    resource: &Resource,
    objects: &[std::sync::Arc<Fields>],
    meta: Value,
    options: &Options,
) -> Value {
    build(resource, objects.iter().map(|o| &**o), meta, options)
}

fn build<'a>(resource: &Resource, objects: impl Iterator<Item = &'a Fields>, meta: Value, options: &Options) -> Value {
    let rows: Vec<Value> = objects
        .map(|o| {
            let object = match options.include.as_str() {
                "None" => Value::Null,
                "Object" => Value::Object(o.clone()),
                // This annotation is a field that only whole objects show so.
                _ if resource.kind == "DaemonSet" => {
                    let mut o = o.clone();
                    let meta = o.get_mut("metadata").and_then(Value::as_object_mut);
                    if let Some(annotations) =
                        meta.and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
                    {
                        annotations.shift_remove(crate::apiserver::strategy::TEMPLATE_GENERATION);
                        if annotations.is_empty()
                            && let Some(meta) = o.get_mut("metadata").and_then(Value::as_object_mut)
                        {
                            meta.shift_remove("annotations");
                        }
                    }
                    metadata(&o, &options.version)
                }
                _ => metadata(o, &options.version),
            };
            let mut row = serde_json::Map::new();
            row.insert("cells".into(), Value::Array(row_cells(resource, o, &options.now)));
            if let Some(conditions) = conditions(resource, o) {
                row.insert("conditions".into(), conditions);
            }
            row.insert("object".into(), object);
            Value::Object(row)
        })
        .collect();
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{}", options.version), "metadata": meta,
        "columnDefinitions": columns(resource), "rows": rows})
}

/// Pods that are done say so.
fn conditions(resource: &Resource, o: &Fields) -> Option<Value> {
    if resource.kind != "Pod" || !resource.group.is_empty() {
        return None;
    }
    let (reason, message) = match o.get("status")?.get("phase")?.as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

/// The lines of a kind's columns.
fn built_in(kind: &str) -> impl Iterator<Item = &'static str> {
    let mut lines = COLUMNS.lines().skip_while(move |l| *l != kind);
    lines.next();
    lines.take_while(|l| l.starts_with(' ')).map(|l| l.trim_start_matches(' '))
}

fn described(field: &str) -> String {
    // Every table describes name and age in the same words.
    let line = built_in("ConfigMap").find(|l| l.starts_with(field)).unwrap_or("");
    line.split('\t').nth(4).unwrap_or("").replace("\\n", "\n")
}

fn column(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
}

fn columns(resource: &Resource) -> Vec<Value> {
    let name = || column("Name", "string", "name", &described("Name"), 0);
    if let Some(custom) = &resource.custom {
        let mut out = vec![name()];
        if custom.columns.is_empty() {
            out.push(column("Age", "date", "", &described("Age"), 0));
        }
        for c in &custom.columns {
            let mut description = c.description.clone();
            if description.is_empty() {
                description = format!("Custom resource definition column (in JSONPath format): {}", c.path);
            }
            out.push(column(&c.name, &c.kind, &c.format, &description, c.priority));
        }
        return out;
    }
    let out: Vec<Value> = built_in(&resource.kind)
        .map(|line| {
            let mut parts = line.split('\t');
            let mut next = || parts.next().unwrap_or("");
            let (name, kind, format, priority) = (next(), next(), next(), next().parse().unwrap_or(0));
            column(name, kind, format, &next().replace("\\n", "\n"), priority)
        })
        .collect();
    if !out.is_empty() {
        return out;
    }
    vec![name(), column("Created At", "date", "", &described("Age"), 0)]
}

fn row_cells(resource: &Resource, o: &Fields, now: &jiff::Timestamp) -> Vec<Value> {
    if let Some(custom) = &resource.custom {
        let mut out = vec![cells::meta(o, "name")];
        if custom.columns.is_empty() {
            out.push(cells::age(o.get("metadata").and_then(|m| m.get("creationTimestamp")), now));
        }
        out.extend(custom.columns.iter().map(|c| path::cell(o, &c.path, &c.kind, now)));
        return out;
    }
    if resource.api_version == "autoscaling/v1" {
        let mut o = o.clone();
        crate::apiserver::convert::between("autoscaling/v1", "autoscaling/v2", &mut o);
        return cells::of(&resource.kind, &o, now).unwrap_or_default();
    }
    cells::of(&resource.kind, o, now)
        .unwrap_or_else(|| vec![cells::meta(o, "name"), cells::meta(o, "creationTimestamp")])
}
