//! Requests to the server in process: what all faces come down to.

use std::sync::Arc;

use super::ApiServer;
use super::auth::{Attributes, User, reviews};
use super::faults::Call;
use super::fields::Fields;
use super::status::{FieldError, Status};
use super::verbs::{DeleteOptions, Deleted, ListOptions, Listed, Patch, State, Target, WriteOptions, Written};
use super::watch::{WatchOptions, Watcher};

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
            "scale" => state.get_scale(target),
            _ => state.get(target),
        }
    }

    pub(crate) fn list(&self, target: &Target, mut options: ListOptions, call: &Call) -> Result<Listed, Status> {
        let state = self.lock();
        if let (Some(changes), None, None) = (call.stale, &options.continue_token, options.resource_version) {
            let oldest = state.store.table(target.resource.key()).map_or(0, |table| table.compacted());
            options.resource_version = Some(state.store.revision().saturating_sub(changes).max(oldest));
            options.exact = true;
        }
        state.list(target, &options)
    }

    pub(crate) fn watch(&self, target: Target, options: WatchOptions, call: &mut Call) -> Result<Watcher, Status> {
        Watcher::begin(self, target, WatchOptions { disturbance: call.disturbance.take(), ..options })
    }

    pub(crate) fn create_object(
        &self,
        user: &User,
        target: &Target,
        object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        if let Some(answer) = reviews::answer(self, user, target, &object, options.dry_run) {
            return Ok(Written { object: Arc::new(answer?), created: true, warnings: Vec::new() });
        }
        self.change(&options.now, |state| {
            state.check_escalation(user, target, &object)?;
            state.create(target, object, options)
        })
    }

    pub(crate) fn update_object(
        &self,
        user: &User,
        target: &Target,
        object: Fields,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.change(&options.now, |state| match target.subresource.as_str() {
            "scale" => state.update_scale(target, &object, options),
            _ => {
                state.check_escalation(user, target, &object)?;
                state.update(target, object, options)
            }
        })
    }

    pub(crate) fn patch_object(
        &self,
        user: &User,
        target: &Target,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        if matches!(patch, Patch::Apply { .. }) && options.manager.is_empty() {
            let error = FieldError::required("fieldManager", "is required for apply patch");
            return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
        }
        self.change(&options.now, |state| {
            if target.subresource == "scale" {
                return state.patch_scale(target, patch, options);
            }
            if matches!(patch, Patch::Apply { .. })
                && !user.is_master()
                && state.find(&Target { subresource: String::new(), ..target.clone() }).is_err()
            {
                // An apply that creates needs to be allowed to.
                state.check(user, &Attributes::of(target, "create"))?;
            }
            if !user.is_master() && target.resource.group == "rbac.authorization.k8s.io" {
                let would = state.patch(target, patch, &WriteOptions { dry_run: true, ..options.clone() })?;
                state.check_escalation(user, target, &would.object)?;
            }
            state.patch(target, patch, options)
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
