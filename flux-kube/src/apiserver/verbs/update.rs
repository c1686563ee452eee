//! Update, and what every write to an existing object has in common.

use std::sync::Arc;

use serde_json::Value;

use super::create::check_namespace;
use super::{
    KindVersions, State, Target, WriteOptions, Written, encode_managers, meta_str, metadata_mut, order_metadata, served,
};
use crate::apiserver::fields::{Fields, Managers, equal_but_managers};
use crate::apiserver::status::{FieldError, Status};
use crate::apiserver::store::Record;
use crate::apiserver::{strategy, validation};

impl State {
    /// Replaces an object.
    pub(crate) fn update(
        &mut self,
        target: &Target,
        mut object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = &target.resource;
        let warnings = self.decode(resource, &mut object, options)?;
        let name = meta_str(&object, "name");
        if name.is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                target.name
            )));
        } else if name != target.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            )));
        }
        check_namespace(target, &mut object)?;
        let old = self.find(target)?;
        let version = meta_str(&object, "resourceVersion");
        if !version.is_empty() && version.parse::<u64>().is_err() {
            return Err(Status::internal(format!("strconv.ParseUint: parsing {version:?}: invalid syntax")));
        }
        check_preconditions(target, &object, &old)?;
        if resource.custom.is_some() && meta_str(&object, "resourceVersion").is_empty() {
            let error =
                FieldError::invalid("metadata.resourceVersion", &Value::from(0), "must be specified for an update");
            return Err(Status::invalid(&resource.group, &resource.plural, &target.name, &[error]));
        }
        let written = self.replace(target, &old, object, options)?;
        Ok(Written { warnings, ..written })
    }

    /// Stores a decoded object in place of an old one, tracking who changed what.
    pub(super) fn replace(
        &mut self,
        target: &Target,
        old: &Arc<Record>,
        mut object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = &target.resource;
        let live = served(&old.object, resource);
        fill_from_old(&mut object, &live);
        let sent = object.get("metadata").and_then(|m| m.get("managedFields")).cloned();
        let managers = self.managers_after(target, old, sent.as_ref());
        let live = without_managed(&live);
        metadata_mut(&mut object).shift_remove("managedFields");
        let versions = KindVersions { registry: &self.registry, resource };
        let managers = Self::field_manager(&versions, target, &options.now).update(
            Some(&live),
            &object,
            managers,
            &options.manager,
        );
        self.save(target, old, object, managers, options)
    }

    /// The owners an update starts from: what it sent, or what is there.
    fn managers_after(&self, target: &Target, old: &Record, sent: Option<&Value>) -> Managers {
        if !target.subresource.is_empty() {
            return old.managers.clone();
        }
        match sent {
            // An empty list, or one empty entry, resets all tracking.
            Some(Value::Array(list)) if list.is_empty() => Managers::default(),
            Some(Value::Array(list))
                if list.len() == 1 && list.iter().all(|e| e.as_object().is_some_and(Fields::is_empty)) =>
            {
                Managers::default()
            }
            Some(sent) if old.meta("managedFields").is_some_and(|m| m == sent) => old.managers.clone(),
            Some(sent) => match Managers::decode(Some(sent)) {
                Ok(managers) if !managers.is_empty() => managers,
                _ => old.managers.clone(),
            },
            None => old.managers.clone(),
        }
    }

    /// Prepares, validates and stores a new state of an object. `object` comes without `managedFields`.
    pub(super) fn save(
        &mut self,
        target: &Target,
        old: &Arc<Record>,
        mut object: Fields,
        mut managers: Managers,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = &target.resource;
        let live = served(&old.object, resource);
        if target.subresource.is_empty() {
            self.admit_update(resource, &mut object, &live)?;
        }
        strategy::prepare_update(resource, &target.subresource, &mut object, &live, &options.now);
        let errors = validation::update(resource, &object, &live, &target.subresource);
        if !errors.is_empty() {
            return Err(Status::invalid(&resource.group, &resource.kind, &target.name, &errors));
        }
        self.allocate(resource, &mut object, Some(&live))?;
        if equal_but_managers(&object, &live) && same_owners(&managers, &old.managers) {
            return Ok(Written { object: live, created: false, warnings: Vec::new() });
        }
        encode_managers(&mut object, &mut managers, Some(old));
        order_metadata(metadata_mut(&mut object));
        if !options.dry_run && is_finished(resource, &object) {
            // The last finalizer went: the object goes as it was, without another change.
            let version = old.meta_str("resourceVersion");
            metadata_mut(&mut object).insert("resourceVersion".into(), Value::from(version));
            self.store.remove(resource.key(), &target.key());
            return Ok(Written { object: Arc::new(object), created: false, warnings: Vec::new() });
        }
        if options.dry_run {
            let version = old.meta_str("resourceVersion");
            metadata_mut(&mut object).insert("resourceVersion".into(), Value::from(version));
            return Ok(Written { object: Arc::new(object), created: false, warnings: Vec::new() });
        }
        let stored = self.stored(resource);
        if stored.api_version != resource.api_version {
            object = super::convert(&object, &stored);
        }
        let record = self.store.put(resource.key(), object, managers);
        Ok(Written { object: served(&record.object, resource), created: false, warnings: Vec::new() })
    }
}

/// Whether an object that is being deleted has nothing left to wait for.
pub(crate) fn is_finished(resource: &crate::apiserver::registry::Resource, object: &Fields) -> bool {
    let meta = object.get("metadata");
    let get = |key: &str| meta.and_then(|m| m.get(key));
    let finalizers = |v: Option<&Value>| v.and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    let namespace = resource.kind == "Namespace" && resource.group.is_empty();
    get("deletionTimestamp").is_some()
        && get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0
        && !finalizers(get("finalizers"))
        && !(namespace && finalizers(object.get("spec").and_then(|s| s.get("finalizers"))))
}

/// The object without `managedFields`.
pub(crate) fn without_managed(object: &Fields) -> Fields {
    let mut out = Fields::with_capacity(object.len());
    for (key, value) in object {
        if key == "metadata" {
            let meta = value.as_object().into_iter().flatten();
            let kept: Fields =
                meta.filter(|(k, _)| *k != "managedFields").map(|(k, v)| (k.clone(), v.clone())).collect();
            out.insert(key.clone(), Value::Object(kept));
        } else {
            out.insert(key.clone(), value.clone());
        }
    }
    out
}

/// What only the server sets is taken from the old object where the new one leaves it out.
fn fill_from_old(object: &mut Fields, old: &Fields) {
    let empty = Fields::new();
    let old = old.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let meta = metadata_mut(object);
    for key in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "selfLink",
    ] {
        let keep = match key {
            // These cannot be changed at all by an update: they follow from a delete and from what else changes.
            "deletionTimestamp" | "deletionGracePeriodSeconds" | "generation" | "resourceVersion" => true,
            _ => !meta.contains_key(key),
        };
        if keep {
            match old.get(key) {
                Some(value) => {
                    meta.insert(key.to_owned(), value.clone());
                }
                None => {
                    meta.shift_remove(key);
                }
            }
        }
    }
}

/// `resourceVersion` and `uid` in the object are conditions.
pub(super) fn check_preconditions(target: &Target, object: &Fields, old: &Record) -> Result<(), Status> {
    let resource = &target.resource;
    let uid = meta_str(object, "uid");
    if !uid.is_empty() && uid != old.meta_str("uid") {
        let group = if resource.custom.is_some() { format!("{}/", resource.group) } else { String::new() };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{group}{}/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            resource.plural,
            target.key(),
            old.meta_str("uid")
        );
        return Err(Status::conflict(&resource.group, &resource.plural, &target.name, &why));
    }
    check_version(target, meta_str(object, "resourceVersion"), old)
}

/// A resource version that is given must be the current one.
pub(super) fn check_version(target: &Target, version: &str, old: &Record) -> Result<(), Status> {
    let resource = &target.resource;
    if !version.is_empty() && version != "0" && version != old.meta_str("resourceVersion") {
        if version.parse::<u64>().is_err() {
            let error = FieldError::invalid(
                "metadata.resourceVersion",
                &version.into(),
                &format!("strconv.ParseUint: parsing {version:?}: invalid syntax"),
            );
            return Err(Status::invalid(&resource.group, &resource.kind, &target.name, &[error]));
        }
        return Err(Status::modified(&resource.group, &resource.plural, &target.name));
    }
    Ok(())
}

/// Whether the owners are the same, whenever they last wrote.
pub(super) fn same_owners(new: &Managers, old: &Managers) -> bool {
    new.0.len() == old.0.len()
        && new.0.iter().all(|m| {
            old.get(&m.id).is_some_and(|o| o.id == m.id && (Arc::ptr_eq(&o.fields, &m.fields) || o.fields == m.fields))
        })
}
