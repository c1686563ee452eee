//! Create.

use serde_json::Value;

use super::{
    KindVersions, State, Target, WriteOptions, Written, encode_managers, meta_str, metadata_mut, order_metadata, served,
};
use crate::apiserver::fields::{Fields, Managers};
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::status::Status;
use crate::apiserver::store::key;
use crate::apiserver::{strategy, validation};

impl State {
    /// Creates an object. `target.name` is empty for an ordinary create.
    pub(crate) fn create(
        &mut self,
        target: &Target,
        mut object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = &target.resource;
        let mut warnings = self.decode(resource, &mut object, options)?;
        check_namespace(target, &mut object)?;
        let managers =
            Managers::decode(object.get("metadata").and_then(|m| m.get("managedFields"))).unwrap_or_default();
        let meta = metadata_mut(&mut object);
        for gone in
            ["managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "creationTimestamp", "uid", "selfLink"]
        {
            meta.shift_remove(gone);
        }
        let versions = KindVersions { registry: &self.registry, resource };
        let managers =
            Self::field_manager(&versions, target, &options.now).update(None, &object, managers, &options.manager);
        let object = self.insert(target, object, managers, options)?;
        warnings.extend(validation::warnings(resource, &object));
        Ok(Written { object: served(&object, resource), created: true, warnings })
    }

    /// Stores a new object that is decoded and whose owners are known.
    pub(super) fn insert(
        &mut self,
        target: &Target,
        mut object: Fields,
        mut managers: Managers,
        options: &WriteOptions,
    ) -> Result<std::sync::Arc<Fields>, Status> {
        let resource = &target.resource;
        self.check_namespace_exists(target, meta_str(&object, "name"))?;
        if !meta_str(&object, "resourceVersion").is_empty() && target.name.is_empty() {
            return Err(Status::internal("resourceVersion should not be set on objects to be created"));
        }
        self.admit_create(resource, &mut object)?;
        strategy::prepare_create(resource, &mut object, &options.now);
        let generate = meta_str(&object, "generateName").to_owned();
        if meta_str(&object, "name").is_empty() && !generate.is_empty() {
            let base: String = generate.chars().take(58).collect();
            let name = format!("{base}{}", self.ids.suffix(5));
            metadata_mut(&mut object).insert("name".into(), Value::from(name));
        }
        let uid = self.ids.uid();
        let meta = metadata_mut(&mut object);
        for gone in ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            meta.shift_remove(gone);
        }
        meta.insert("uid".into(), Value::from(uid.as_str()));
        meta.insert("creationTimestamp".into(), Value::from(&*options.now));
        if resource.group == "batch" && resource.kind == "Job" {
            strategy::job_selector(&mut object, &uid);
        }
        let errors = validation::create(resource, &object);
        if !errors.is_empty() {
            return Err(Status::invalid(&resource.group, &resource.kind, meta_str(&object, "name"), &errors));
        }
        let name = meta_str(&object, "name").to_owned();
        let at = key(&target.namespace, &name);
        if self.store.get(resource.key(), &at).is_some() {
            return Err(Status::already_exists(&resource.group, &resource.plural, &name));
        }
        self.allocate(resource, &mut object, None)?;
        encode_managers(&mut object, &mut managers, None);
        if !options.dry_run {
            // Its place; the store knows the value.
            metadata_mut(&mut object).insert("resourceVersion".into(), Value::from("0"));
        }
        order_metadata(metadata_mut(&mut object));
        if options.dry_run {
            return Ok(std::sync::Arc::new(object));
        }
        let stored = self.stored(resource);
        if stored.api_version != resource.api_version {
            object = super::convert(&object, &stored);
        }
        Ok(self.store.put(resource.key(), object, managers).object.clone())
    }

    /// The namespace of an object must be there, and not on its way out.
    fn check_namespace_exists(&self, target: &Target, name: &str) -> Result<(), Status> {
        let resource = &target.resource;
        if !resource.namespaced || target.namespace.is_empty() {
            return Ok(());
        }
        let Some(namespace) = self.store.get(&ResourceKey::new("", "namespaces"), &target.namespace) else {
            return Err(Status::not_found("", "namespaces", &target.namespace));
        };
        if namespace.meta("deletionTimestamp").is_some() {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                target.namespace
            );
            let mut status = Status::forbidden(&resource.group, &resource.plural, name, &why);
            if let Some(details) = &mut status.details {
                let message = format!("namespace {} is being terminated", target.namespace);
                details.insert(
                    "causes".into(),
                    serde_json::json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]),
                );
            }
            return Err(status);
        }
        Ok(())
    }
}

/// The namespace of the object is that of the request.
pub(super) fn check_namespace(target: &Target, object: &mut Fields) -> Result<(), Status> {
    if !target.resource.namespaced {
        return Ok(());
    }
    let own = meta_str(object, "namespace");
    if own.is_empty() {
        metadata_mut(object).insert("namespace".into(), Value::from(target.namespace.as_str()));
    } else if own != target.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}
