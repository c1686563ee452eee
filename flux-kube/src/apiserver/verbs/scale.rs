//! The `scale` subresource.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{State, Target, meta_str};
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::Resource;
use crate::apiserver::status::Status;

/// The `Scale` of an object.
pub(crate) fn scale_of(resource: &Resource, object: &Fields) -> Result<Fields, Status> {
    let (spec, status, selector) = if let Some(scale) = resource.custom.as_ref().and_then(|c| c.scale.as_ref()) {
        let number = |path: &str| at(object, path).and_then(Value::as_i64);
        let selector =
            scale.selector.as_ref().and_then(|p| at(object, p)).and_then(Value::as_str).unwrap_or("").to_owned();
        (number(&scale.spec).unwrap_or(0), number(&scale.status).unwrap_or(0), selector)
    } else {
        let get = |part: &str, key: &str| object.get(part).and_then(|s| s.get(key)).cloned();
        let number = |v: Option<Value>| v.and_then(|v| v.as_i64()).unwrap_or(0);
        let selector = get("spec", "selector").map(|s| selector_text(&s)).unwrap_or_default();
        (number(get("spec", "replicas")), number(get("status", "replicas")), selector)
    };
    let mut meta = Fields::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.get("metadata").and_then(|m| m.get(key)) {
            meta.insert(key.to_owned(), value.clone());
        }
    }
    let mut out = Fields::new();
    out.insert("kind".into(), json!("Scale"));
    out.insert("apiVersion".into(), json!("autoscaling/v1"));
    out.insert("metadata".into(), Value::Object(meta));
    out.insert("spec".into(), if spec == 0 { json!({}) } else { json!({ "replicas": spec }) });
    let mut status = json!({ "replicas": status });
    if !selector.is_empty()
        && let Some(status) = status.as_object_mut()
    {
        status.insert("selector".into(), json!(selector));
    }
    out.insert("status".into(), status);
    Ok(out)
}

/// The value at a path such as `.spec.replicas`.
pub(crate) fn at<'a>(object: &'a Fields, path: &str) -> Option<&'a Value> {
    let mut parts = path.trim_start_matches('.').split('.');
    let mut v = object.get(parts.next()?)?;
    for part in parts {
        v = v.get(part)?;
    }
    Some(v)
}

fn set_at(object: &mut Fields, path: &str, value: Value) {
    let mut parts: Vec<&str> = path.trim_start_matches('.').split('.').collect();
    let Some(last) = parts.pop() else { return };
    let mut map = object;
    for part in parts {
        let slot = map.entry(part.to_owned()).or_insert_with(|| json!({}));
        if !slot.is_object() {
            *slot = json!({});
        }
        match slot.as_object_mut() {
            Some(next) => map = next,
            None => return,
        }
    }
    map.insert(last.to_owned(), value);
}

/// Sets the replicas an object asks for.
pub(crate) fn set_replicas(resource: &Resource, object: &mut Fields, replicas: i64) {
    let path = resource.custom.as_ref().and_then(|c| c.scale.as_ref()).map_or(".spec.replicas", |s| s.spec.as_str());
    let path = path.to_owned();
    set_at(object, &path, json!(replicas));
}

/// A label selector object as text.
pub(crate) fn selector_text(selector: &Value) -> String {
    let mut terms: Vec<(String, String)> = Vec::new();
    // Replication controllers have a bare map.
    let bare = selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    let labels = if bare { Some(selector) } else { selector.get("matchLabels") };
    for (k, v) in labels.and_then(Value::as_object).into_iter().flatten() {
        terms.push((k.clone(), format!("{k}={}", v.as_str().unwrap_or(""))));
    }
    for e in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = e.get("key").and_then(Value::as_str).unwrap_or("").to_owned();
        let values = || {
            let mut values: Vec<&str> =
                e.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            values.sort_unstable();
            values.join(",")
        };
        let text = match e.get("operator").and_then(Value::as_str) {
            Some("In") => format!("{key} in ({})", values()),
            Some("NotIn") => format!("{key} notin ({})", values()),
            Some("Exists") => key.clone(),
            _ => format!("!{key}"),
        };
        terms.push((key, text));
    }
    terms.sort_by(|a, b| a.0.cmp(&b.0));
    terms.into_iter().map(|(_, t)| t).collect::<Vec<_>>().join(",")
}

impl State {
    pub(crate) fn get_scale(&self, target: &Target) -> Result<Arc<Fields>, Status> {
        let object = self.get(target)?;
        scale_of(&target.resource, &object).map(Arc::new)
    }
}

#[allow(unused_imports)]
use meta_str as _;
