//! Requests to the server in process: what all faces come down to.

use std::sync::Arc;

use serde_json::{Value, json};

use super::ApiServer;
use super::fields::Fields;
use super::status::Status;
use super::verbs::{
    DeleteOptions, Deleted, ListOptions, Listed, Patch, State, Target, WriteOptions, Written, scale_of, set_replicas,
};

impl ApiServer {
    fn change<T>(&self, now: &Arc<str>, f: impl FnOnce(&mut State) -> Result<T, Status>) -> Result<T, Status> {
        let mut state = self.lock();
        let done = f(&mut state);
        state.settle(now);
        done
    }

    pub(crate) fn read(&self, target: &Target) -> Result<Arc<Fields>, Status> {
        let state = self.lock();
        match target.subresource.as_str() {
            "" | "status" | "ephemeralcontainers" | "resize" | "approval" => state.get(target),
            "scale" => state.get_scale(target),
            _ => {
                state.get(target)?;
                Err(Status::bad_request("the embedded server runs no containers"))
            }
        }
    }

    pub(crate) fn create_object(
        &self,
        target: &Target,
        object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.change(&options.now, |state| state.create(target, object, options))
    }

    pub(crate) fn update_object(
        &self,
        target: &Target,
        object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.change(&options.now, |state| match target.subresource.as_str() {
            "scale" => scale_update(state, target, &object, options),
            _ => state.update(target, object, options),
        })
    }

    pub(crate) fn patch_object(
        &self,
        target: &Target,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.change(&options.now, |state| match target.subresource.as_str() {
            "scale" => {
                let scale = state.get_scale(target)?;
                let scale = Value::Object((*scale).clone());
                let patched = match patch {
                    Patch::Json(p) => {
                        super::patch::json::apply(&scale, p).map_err(|e| Status::bad_request(e.to_string()))?
                    }
                    Patch::Merge(p) | Patch::Strategic(p) => {
                        super::patch::merge::apply(&scale, p).map_err(|e| Status::bad_request(e.to_string()))?
                    }
                    Patch::Apply { config, .. } => Value::Object((**config).clone()),
                };
                let Value::Object(patched) = patched else { return Err(Status::bad_request("the patch is no Scale")) };
                scale_update(state, target, &patched, options)
            }
            _ => state.patch(target, patch, options),
        })
    }

    pub(crate) fn delete_object(&self, target: &Target, options: &DeleteOptions) -> Result<Deleted, Status> {
        self.change(&self.inner.clock.stamp(), |state| state.delete(target, options))
    }

    pub(crate) fn delete_objects(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Listed, Status> {
        self.change(&self.inner.clock.stamp(), |state| state.delete_collection(target, list, options))
    }
}

/// Sets the replicas of an object through its scale.
fn scale_update(state: &mut State, target: &Target, scale: &Fields, options: &WriteOptions) -> Result<Written, Status> {
    let version = scale.get("metadata").and_then(|m| m.get("resourceVersion")).and_then(Value::as_str).unwrap_or("");
    let replicas = scale.get("spec").and_then(|s| s.get("replicas")).and_then(Value::as_i64).unwrap_or(0);
    let old = state.find(target)?;
    let resource = &target.resource;
    if !version.is_empty() && version != old.meta_str("resourceVersion") {
        return Err(Status::modified(&resource.group, &resource.plural, &target.name));
    }
    let mut object = (*super::verbs::served(&old.object, resource)).clone();
    set_replicas(resource, &mut object, replicas);
    let written = state.replace(target, &old, object, options)?;
    Ok(Written { object: Arc::new(scale_of(resource, &written.object)?), ..written })
}

#[allow(unused_imports)]
use json as _;
