//! Patch, in its four formats.

use std::sync::Arc;

use serde_json::{Value, json};

use super::create::check_namespace;
use super::update::{check_version, same_owners, without_managed};
use super::{KindVersions, State, Target, WriteOptions, Written, meta_str, metadata_mut, served};
use crate::apiserver::fields::{ApplyError, Fields, Managers, equal_maps};
use crate::apiserver::patch;
use crate::apiserver::registry::builtin;
use crate::apiserver::status::{FieldError, Status};
use crate::apiserver::store::{Record, Settled};

/// A patch and its format.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Strategic merge.
    Strategic(Value),
    /// Server-side apply.
    Apply { config: Arc<Fields>, force: bool },
}

/// How much the operations of a JSON patch may be.
const MAX_OPERATIONS: usize = 10_000;

impl State {
    pub(crate) fn patch(&mut self, target: &Target, patch: &Patch, options: &WriteOptions) -> Result<Written, Status> {
        match patch {
            Patch::Apply { config, force } => self.apply(target, config, *force, options),
            other => self.patch_plain(target, other, options),
        }
    }

    fn patch_plain(&mut self, target: &Target, patch: &Patch, options: &WriteOptions) -> Result<Written, Status> {
        let resource = &target.resource;
        let old = self.find(target)?;
        let live = served(&old.object, resource);
        let before = Value::Object((*live).clone());
        let after = match patch {
            Patch::Json(operations) => {
                let count = operations.as_array().map_or(0, Vec::len);
                if count > MAX_OPERATIONS {
                    return Err(Status::new(
                        413,
                        "RequestEntityTooLarge",
                        format!(
                            "Request entity is too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}"
                        ),
                    ));
                }
                patch::json::apply(&before, operations).map_err(|e| match e.decode {
                    true => Status::bad_request(format!("error decoding patch: {e}")),
                    // The real server gives this one no kind and no name.
                    false => {
                        Status::new(422, "Invalid", "the server rejected our request due to an error in our request")
                            .with_empty_details()
                    }
                })?
            }
            Patch::Merge(change) => {
                patch::merge::apply(&before, change).map_err(|e| Status::bad_request(e.to_string()))?
            }
            Patch::Strategic(change) => {
                if resource.custom.is_some() {
                    return Err(Status::unsupported_media_type(Some(
                        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                    )));
                }
                patch::strategic::apply(resource.schema(), resource.ty, &before, change)
                    .map_err(|e| Status::internal(e.to_string()))?
            }
            Patch::Apply { .. } => before,
        };
        let Value::Object(mut object) = after else {
            let what = patch::json::json_type(&after);
            return Err(Status::bad_request(format!(
                "json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
            )));
        };
        let raw = object.clone();
        check_kind(target, &object)?;
        let unknown = self.normalise(resource, &mut object).map_err(|e| match patch {
            Patch::Strategic(change) => unrestorable(change, &e),
            _ => invalid_patch(&raw, &e),
        })?;
        let mut warnings = Vec::new();
        let strict: Vec<String> = options.duplicates.iter().cloned().chain(unknown).collect();
        match options.validation {
            super::Validation::Strict if !strict.is_empty() => {
                let why = format!("strict decoding error: {}", strict.join(", "));
                return Err(invalid_patch_because(&raw, &why));
            }
            super::Validation::Warn => warnings = strict,
            _ => {}
        }
        let name = meta_str(&object, "name");
        if name != target.name {
            if resource.namespaced && meta_str(&object, "namespace") != target.namespace {
                check_namespace(target, &mut object)?;
            }
            let name = meta_str(&object, "name");
            if name.is_empty() {
                return Err(Status::bad_request(format!(
                    "the name of the object ({} based on URL) was undeterminable: name must be provided",
                    target.name
                )));
            }
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            )));
        }
        check_namespace(target, &mut object)?;
        check_version(target, meta_str(&object, "resourceVersion"), &old)?;
        let written = self.replace(target, &old, object, options)?;
        Ok(Written { warnings, ..written })
    }

    fn apply(
        &mut self,
        target: &Target,
        config: &Arc<Fields>,
        force: bool,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = target.resource.clone();
        let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or("");
        if text("kind") != resource.kind || text("apiVersion") != resource.api_version {
            let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
            return Err(Status::bad_request(format!("invalid object type: {group}/{version}, Kind={}", text("kind"))));
        }
        let old = self.store.get(resource.key(), &target.key()).cloned();
        if let Some(written) = old.as_ref().and_then(|old| settled(target, old, config, options)) {
            return Ok(written);
        }
        if old.is_none() && !target.subresource.is_empty() {
            return Err(target.not_found());
        }
        let live = old.as_ref().map(|old| served(&old.object, &resource));
        let nobody = Managers::default();
        let managers = old.as_ref().map_or(&nobody, |old| &old.managers);
        let versions = KindVersions { registry: &self.registry, resource: &resource };
        let manager = Self::field_manager(&versions, target, &options.now);
        let before = live.as_deref().unwrap_or(resource.empty());
        let outcome = manager.apply(before, config, managers, &options.manager, force).map_err(|e| apply_status(&e))?;
        let mut object = outcome.object;
        if let Some(object) = &mut object {
            self.normalise(&resource, object)?;
        } else if old.is_none() {
            // Nothing is applied to nothing.
            object = Some(resource.empty().clone());
        }
        check_applied_name(target, object.as_ref().or(live.as_deref()))?;
        if let Some(object) = &mut object {
            check_namespace(target, object)?;
        }
        let (Some(old), Some(live)) = (old, live) else {
            return self.create_applied(target, object.unwrap_or_default(), outcome.managers, options);
        };
        let meta = |key: &str| config.get("metadata").and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or("");
        if !meta("uid").is_empty() && meta("uid") != old.meta_str("uid") {
            // Not a precondition here, but a change; and both the generic and the kind's own rules say so.
            let error = FieldError::invalid("metadata.uid", &meta("uid").into(), "field is immutable");
            return Err(Status::invalid(&resource.group, &resource.kind, &target.name, &[error.clone(), error]));
        }
        check_version(target, meta("resourceVersion"), &old)?;
        let written = match object {
            None if same_owners(&outcome.managers, &old.managers) => {
                Written { object: live, created: false, warnings: Vec::new() }
            }
            object => {
                let object = object.unwrap_or_else(|| without_managed(&live));
                self.save(target, &old, object, outcome.managers, options)?
            }
        };
        // Found to change nothing: the same question has the same answer while the object stays as it is.
        if Arc::ptr_eq(&written.object, &served(&old.object, &resource))
            && let Ok(mut slot) = old.settled.lock()
        {
            *slot = Some(Settled {
                manager: options.manager.clone(),
                subresource: target.subresource.clone(),
                version: resource.api_version.clone(),
                config: config.clone(),
            });
        }
        Ok(written)
    }

    fn create_applied(
        &mut self,
        target: &Target,
        object: Fields,
        managers: Managers,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = &target.resource;
        let uid = meta_str(&object, "uid");
        if !uid.is_empty() {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: ");
            return Err(Status::conflict(&resource.group, &resource.plural, &target.name, &why));
        }
        let mut object = object;
        metadata_mut(&mut object).shift_remove("resourceVersion");
        let object = self.insert(target, object, managers, options)?;
        Ok(Written { object: served(&object, resource), created: true, warnings: Vec::new() })
    }
}

/// The patched object is still of its kind.
fn check_kind(target: &Target, object: &Fields) -> Result<(), Status> {
    let resource = &target.resource;
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    let (kind, version) = (text("kind"), text("apiVersion"));
    if kind == resource.kind && version == resource.api_version {
        return Ok(());
    }
    if resource.custom.is_some() {
        return Err(Status::bad_request("the API version in the data does not match the expected API version"));
    }
    let why = match builtin::internal_name(version, kind) {
        Some((version, _)) => {
            let internal = builtin::type_group(&resource.group);
            format!("converting ({version}.{kind}) to ({internal}.{}): unknown conversion", resource.kind)
        }
        None => {
            format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
            )
        }
    };
    Err(invalid_patch_because(object, &why))
}

/// What is applied has the name it is applied under.
fn check_applied_name(target: &Target, object: Option<&Fields>) -> Result<(), Status> {
    let name = object.map_or("", |o| meta_str(o, "name"));
    if name == target.name && !name.is_empty() {
        return Ok(());
    }
    Err(Status::bad_request(if name.is_empty() {
        format!("the name of the object ({} based on URL) was undeterminable: name must be provided", target.name)
    } else {
        format!("the name of the object ({name}) does not match the name on the URL ({})", target.name)
    }))
}

/// The answer to an apply that is known to change nothing.
fn settled(target: &Target, old: &Arc<Record>, config: &Arc<Fields>, options: &WriteOptions) -> Option<Written> {
    let slot = old.settled.lock().ok()?;
    let known = slot.as_ref()?;
    if known.manager != options.manager
        || known.subresource != target.subresource
        || known.version != target.resource.api_version
        || !(Arc::ptr_eq(&known.config, config) || equal_maps(&known.config, config))
    {
        return None;
    }
    Some(Written { object: served(&old.object, &target.resource), created: false, warnings: Vec::new() })
}

pub(super) fn apply_status(error: &ApplyError) -> Status {
    match error {
        ApplyError::Conflict(conflicts) => {
            let causes = conflicts
                .iter()
                .map(|c| {
                    json!({"reason": "FieldManagerConflict",
                        "message": format!("conflict with {}", c.manager.describe()), "field": c.field()})
                })
                .collect();
            Status::apply_conflict(error.to_string(), causes)
        }
        ApplyError::ManagedFieldsSet => Status::bad_request(error.to_string()),
        _ => Status::internal(error.to_string()),
    }
}

/// A strategic patch is decoded without becoming text, which fails in other words.
fn unrestorable(change: &Value, error: &Status) -> Status {
    let why = error.message.as_str();
    let from = why.split("cannot unmarshal ").nth(1).and_then(|w| w.split(' ').next()).unwrap_or("string");
    let into = why.rsplit("of type ").next().unwrap_or("");
    if matches!(into, "int32" | "int64" | "bool" | "float64") {
        let shown = crate::apiserver::gotext::go_value(change);
        let error = FieldError::invalid("patch", &shown.into(), &format!("unrecognized type: {into}"));
        return Status::invalid("", "", "", &[error]);
    }
    let into = match into {
        t if t.starts_with("map[") => "map",
        t if t.starts_with("[]") => "slice",
        _ => "struct",
    };
    let from = match from {
        "array" => "slice",
        "object" => "map",
        "number" => "int64",
        other => other,
    };
    let shown = crate::apiserver::gotext::go_value(change);
    let error = FieldError::invalid("patch", &shown.into(), &format!("cannot restore {into} from {from}"));
    Status::invalid("", "", "", &[error])
}

/// The patched object does not decode.
fn invalid_patch(raw: &Fields, error: &Status) -> Status {
    let why = error.message.split_once(": ").map_or(error.message.as_str(), |(_, why)| why);
    invalid_patch_because(raw, why)
}

fn invalid_patch_because(raw: &Fields, why: &str) -> Status {
    let mut sorted: Vec<(&String, &Value)> = raw.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    let shown: Fields = sorted.into_iter().map(|(k, v)| (k.clone(), as_written(k, v))).collect();
    let shown = Value::Object(shown).to_string();
    let error = FieldError::invalid("patch", &Value::from(shown), why);
    Status::invalid("", "", "", &[error])
}

/// A part of an object in the order in which the API writes it.
fn as_written(key: &str, value: &Value) -> Value {
    let mut value = value.clone();
    if key == "metadata"
        && let Some(entries) = value.get_mut("managedFields").and_then(Value::as_array_mut)
    {
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            let mut out = Fields::new();
            for key in ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"] {
                if let Some(v) = entry.get(key) {
                    out.insert(key.to_owned(), v.clone());
                }
            }
            *entry = out;
        }
    }
    value
}
