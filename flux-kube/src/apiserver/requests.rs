//! Requests to the server in process: what all faces come down to.

use std::sync::Arc;

use super::ApiServer;
use super::fields::Fields;
use super::status::Status;
use super::verbs::{DeleteOptions, Deleted, ListOptions, Listed, Patch, State, Target, WriteOptions, Written};

impl ApiServer {
    pub(crate) fn change<T>(
        &self,
        now: &Arc<str>,
        f: impl FnOnce(&mut State) -> Result<T, Status>,
    ) -> Result<T, Status> {
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
            "scale" => state.update_scale(target, &object, options),
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
            "scale" => state.patch_scale(target, patch, options),
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
