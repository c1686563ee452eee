//! The `scale` subresource.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::patch::apply_status;
use super::{Patch, State, Target, WriteOptions, Written, meta_str, served, without_managed};
use crate::apiserver::fields::{FieldManager, FieldSet, Fields, Managers, Typed, Versions, decode_fields, no_fields};
use crate::apiserver::patch;
use crate::apiserver::registry::Resource;
use crate::apiserver::schema::Schema;
use crate::apiserver::status::{FieldError, Status};

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

/// The path of the replicas in `fieldsV1`.
fn replicas_fields(resource: &Resource) -> FieldSet {
    let path = resource.custom.as_ref().and_then(|c| c.scale.as_ref()).map_or(".spec.replicas", |s| s.spec.as_str());
    let mut fields = json!({});
    for part in path.trim_start_matches('.').rsplit('.') {
        fields = json!({ format!("f:{part}"): fields });
    }
    decode_fields(&fields)
}

/// The owners of the replicas, as owners of a `Scale`.
fn scale_managers(resource: &Resource, managers: &Managers) -> Managers {
    let own = replicas_fields(resource);
    let scale = Arc::new(decode_fields(&json!({"f:spec": {"f:replicas": {}}})));
    let mut out = Managers::default();
    for m in managers.0.iter().filter(|m| !m.fields.intersection(&own).is_empty()) {
        let mut m = m.clone();
        m.id.api_version = "autoscaling/v1".to_owned();
        m.fields = scale.clone();
        out.0.push(m);
    }
    out
}

/// The owners of an object after its `Scale` came to have these.
fn parent_managers(resource: &Resource, managers: &Managers, scale: Managers) -> Managers {
    let own = replicas_fields(resource);
    let mut out = Managers::default();
    for m in &managers.0 {
        let mut m = m.clone();
        let kept = scale.0.iter().any(|s| {
            s.id.name == m.id.name && s.id.operation == m.id.operation && s.id.subresource == m.id.subresource
        });
        if !kept && !m.fields.intersection(&own).is_empty() {
            m.fields = Arc::new(m.fields.difference(&own));
        }
        if !m.fields.is_empty() {
            out.0.push(m);
        }
    }
    let replicas = decode_fields(&json!({"f:spec": {"f:replicas": {}}}));
    for mut s in scale.0.into_iter().filter(|s| !s.fields.intersection(&replicas).is_empty()) {
        s.id.api_version.clone_from(&resource.api_version);
        if out.get(&s.id).is_none() {
            s.fields = Arc::new(own.clone());
            s.time = None;
            out.0.push(s);
        }
    }
    out
}

struct ScaleVersions;

impl Versions for ScaleVersions {
    fn convert<'a>(&'a self, object: &'a Fields, version: &str) -> Option<Typed<'a>> {
        let schema = Schema::built_in();
        let ty = schema.named("autoscaling.v1.Scale")?;
        (version == "autoscaling/v1").then(|| Typed { schema, ty, value: Cow::Borrowed(object) })
    }
}

impl State {
    pub(crate) fn get_scale(&self, target: &Target) -> Result<Arc<Fields>, Status> {
        let object = self.get(target)?;
        scale_of(&target.resource, &object).map(Arc::new)
    }

    /// Replaces the scale of an object.
    pub(crate) fn update_scale(
        &mut self,
        target: &Target,
        scale: &Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let text = |key: &str| scale.get(key).and_then(Value::as_str).unwrap_or("");
        if !matches!(text("kind"), "" | "Scale") {
            let (kind, version) = (text("kind"), text("apiVersion"));
            let version = version.rsplit('/').next().unwrap_or("");
            return Err(Status::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a Scale: converting ({version}.{kind}) to (autoscaling.Scale): unknown conversion"
            )));
        }
        let name = meta_str(scale, "name");
        if !name.is_empty() && name != target.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            )));
        }
        let (old, managers) = self.scale_state(target)?;
        let managers = with_scale_manager(options, |m| m.update(Some(&old), scale, managers, &options.manager))?;
        self.save_scale(target, scale, managers, options)
    }

    pub(crate) fn patch_scale(
        &mut self,
        target: &Target,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let (old, managers) = self.scale_state(target)?;
        let before = Value::Object(old.clone());
        let patched = match patch {
            Patch::Apply { config, .. } if target.resource.custom.is_some() => {
                // The real server cannot do this either.
                let (namespace, name) = (meta_str(config, "namespace"), meta_str(config, "name"));
                return Err(Status::internal(format!(
                    "failed to convert new object ({namespace}/{name}; autoscaling/v1, Kind=Scale) to proper version: request to convert CR to an invalid group/version: autoscaling/v1"
                )));
            }
            Patch::Apply { config, force } => {
                let outcome =
                    with_scale_manager(options, |m| m.apply(&old, config, &managers, &options.manager, *force))?
                        .map_err(|e| apply_status(&e))?;
                return self.save_scale(target, outcome.object.as_ref().unwrap_or(&old), outcome.managers, options);
            }
            Patch::Json(p) => patch::json::apply(&before, p).map_err(|e| Status::bad_request(e.to_string()))?,
            Patch::Merge(p) | Patch::Strategic(p) => {
                patch::merge::apply(&before, p).map_err(|e| Status::bad_request(e.to_string()))?
            }
        };
        let Value::Object(patched) = patched else { return Err(Status::bad_request("the patch is no Scale")) };
        self.update_scale(target, &patched, options)
    }

    fn scale_state(&self, target: &Target) -> Result<(Fields, Managers), Status> {
        let record = self.find(target)?;
        let object = served(&record.object, &target.resource);
        Ok((scale_of(&target.resource, &object)?, scale_managers(&target.resource, &record.managers)))
    }

    fn save_scale(
        &mut self,
        target: &Target,
        scale: &Fields,
        managers: Managers,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = target.resource.clone();
        let replicas = match scale.get("spec").and_then(|s| s.get("replicas")) {
            None | Some(Value::Null) => 0,
            Some(v) => v.as_i64().ok_or_else(|| {
                Status::bad_request(format!(
                    "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {} into Go struct field ScaleSpec.spec.replicas of type int32",
                    patch::json::json_type(v)
                ))
            })?,
        };
        if replicas < 0 {
            if let Some(scale) = resource.custom.as_ref().and_then(|c| c.scale.as_ref()) {
                let error = FieldError::invalid(&*scale.spec, &json!(replicas), "should be a non-negative integer");
                return Err(Status::invalid(&resource.group, &resource.kind, &target.name, &[error]));
            }
            let error = FieldError::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
            return Err(Status::invalid("autoscaling", "Scale", &target.name, &[error]));
        }
        let old = self.find(target)?;
        let version = meta_str(scale, "resourceVersion");
        if !version.is_empty() && version != old.meta_str("resourceVersion") {
            return Err(Status::modified(&resource.group, &resource.plural, &target.name));
        }
        let mut object = without_managed(&served(&old.object, &resource));
        set_replicas(&resource, &mut object, replicas);
        let managers = parent_managers(&resource, &old.managers, managers);
        let main = Target { subresource: String::new(), ..target.clone() };
        let written = self.save(&main, &old, object, managers, options)?;
        Ok(Written { object: Arc::new(scale_of(&resource, &written.object)?), ..written })
    }
}

fn with_scale_manager<T>(options: &WriteOptions, f: impl FnOnce(&FieldManager<'_>) -> T) -> Result<T, Status> {
    let schema = Schema::built_in();
    let ty = schema.named("autoscaling.v1.Scale").ok_or_else(Status::no_resource)?;
    let empty =
        Fields::from_iter([("apiVersion".to_owned(), json!("autoscaling/v1")), ("kind".to_owned(), json!("Scale"))]);
    Ok(f(&FieldManager {
        versions: &ScaleVersions,
        schema,
        ty,
        version: "autoscaling/v1",
        kind: "Scale",
        subresource: "scale",
        reset: no_fields(),
        empty: &empty,
        now: options.now.clone(),
    }))
}
