//! Delete, of one object or a collection.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ListOptions, State, Target, metadata_mut, order_metadata, served};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::Status;
use crate::apiserver::store::Record;

/// How to delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    pub(crate) grace: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) now: Option<jiff::Timestamp>,
}

/// What happens to dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// What a delete came to.
#[derive(Debug, Clone)]
pub(crate) enum Deleted {
    /// It is gone; this was it.
    Gone(Arc<Fields>),
    /// It waits for finalizers or a grace period.
    Waiting(Arc<Fields>),
}

impl State {
    pub(crate) fn delete(&mut self, target: &Target, options: &DeleteOptions) -> Result<Deleted, Status> {
        let resource = &target.resource;
        let old = self.find(target)?;
        let conflict = |what: &str, want: &str, have: &str, so: &str| {
            let why = format!(
                "the {what} in the precondition ({want}) does not match the {what} in record ({have}). The object might have been {so}"
            );
            Status::conflict(&resource.group, &resource.kind, &target.name, &why)
        };
        if let Some(uid) = &options.uid
            && uid != old.meta_str("uid")
        {
            return Err(conflict("UID", uid, old.meta_str("uid"), "deleted and then recreated"));
        }
        if let Some(version) = &options.resource_version
            && version != old.meta_str("resourceVersion")
        {
            return Err(conflict("ResourceVersion", version, old.meta_str("resourceVersion"), "modified"));
        }
        let namespace = resource.kind == "Namespace" && resource.group.is_empty();
        if namespace && matches!(target.name.as_str(), "default" | "kube-system" | "kube-public") {
            return Err(Status::forbidden("", "namespaces", &target.name, "this namespace may not be deleted"));
        }
        let pod = resource.kind == "Pod" && resource.group.is_empty();
        let grace = if pod { pod_grace(&old, options.grace) } else { 0 };
        let deleting = old.meta("deletionTimestamp").is_some();
        let before = finalizers(&old.object);
        let after = finalizers_after(resource, &before, options, deleting);
        let spec_finalizers = namespace
            && old
                .object
                .get("spec")
                .and_then(|s| s.get("finalizers"))
                .and_then(Value::as_array)
                .is_some_and(|f| !f.is_empty());
        let waits = !after.is_empty() || grace > 0 || spec_finalizers;
        if !waits {
            if options.dry_run {
                return Ok(Deleted::Gone(served(&old.object, resource)));
            }
            // What goes is told at the revision at which it went.
            let last = self.store.remove(resource.key(), &target.key()).unwrap_or(old);
            let gone = served(&last.object, resource);
            if pod {
                let mut gone = (*gone).clone();
                metadata_mut(&mut gone).insert("deletionGracePeriodSeconds".into(), json!(0));
                return Ok(Deleted::Gone(Arc::new(gone)));
            }
            return Ok(Deleted::Gone(gone));
        }
        if deleting
            && after == before
            && !(pod && old.meta("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) > grace)
        {
            return Ok(Deleted::Waiting(served(&old.object, resource)));
        }
        let mut object = (*old.object).clone();
        let now = options.now.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let at = now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(now);
        let meta = metadata_mut(&mut object);
        if !deleting {
            meta.insert("deletionTimestamp".into(), Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
            if let Some(generation) = meta.get("generation").and_then(Value::as_i64) {
                meta.insert("generation".into(), json!(generation + 1));
            }
        }
        meta.insert("deletionGracePeriodSeconds".into(), json!(grace));
        if after.is_empty() {
            meta.shift_remove("finalizers");
        } else {
            meta.insert("finalizers".into(), json!(after));
        }
        if namespace {
            // A namespace's deletion is not graceful in metadata, it shows in its phase.
            metadata_mut(&mut object).shift_remove("deletionGracePeriodSeconds");
            if let Some(status) = object.entry("status").or_insert_with(|| json!({})).as_object_mut() {
                status.insert("phase".into(), json!("Terminating"));
            }
        }
        order_metadata(metadata_mut(&mut object));
        if options.dry_run {
            return Ok(Deleted::Waiting(served(&Arc::new(object), resource)));
        }
        let record = self.store.put(resource.key(), object, old.managers.clone());
        Ok(Deleted::Waiting(served(&record.object, resource)))
    }

    /// Deletes all that match; answers what they were.
    pub(crate) fn delete_collection(
        &mut self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<super::Listed, Status> {
        let listed = self.list(target, list)?;
        let mut items = Vec::with_capacity(listed.items.len());
        for object in &listed.items {
            let one = Target {
                name: super::meta_str(object, "name").to_owned(),
                namespace: super::meta_str(object, "namespace").to_owned(),
                ..target.clone()
            };
            match self.delete(&one, options) {
                Ok(Deleted::Gone(_)) => items.push(object.clone()),
                Ok(Deleted::Waiting(now)) => items.push(if options.dry_run { now } else { object.clone() }),
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        Ok(super::Listed { items, ..listed })
    }
}

fn finalizers(object: &Fields) -> Vec<String> {
    let list = object.get("metadata").and_then(|m| m.get("finalizers")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|f| f.as_str().map(str::to_owned)).collect()
}

/// A pod that is scheduled gets its grace period; one that is not goes at once.
fn pod_grace(pod: &Record, asked: Option<i64>) -> i64 {
    let spec = pod.object.get("spec");
    let scheduled = spec.and_then(|s| s.get("nodeName")).and_then(Value::as_str).is_some_and(|n| !n.is_empty());
    let phase = pod.object.get("status").and_then(|s| s.get("phase")).and_then(Value::as_str).unwrap_or("");
    if !scheduled || matches!(phase, "Failed" | "Succeeded") {
        return 0;
    }
    let own = || spec.and_then(|s| s.get("terminationGracePeriodSeconds")).and_then(Value::as_i64);
    asked.or_else(own).unwrap_or(30).max(0)
}

/// The finalizers after the propagation policy had its say.
fn finalizers_after(
    resource: &crate::apiserver::registry::Resource,
    before: &[String],
    options: &DeleteOptions,
    _deleting: bool,
) -> Vec<String> {
    let job_orphans = resource.group == "batch" && resource.kind == "Job" && options.propagation.is_none();
    let policy = match options.propagation {
        Some(policy) => Some(policy),
        None if job_orphans => Some(Propagation::Orphan),
        None => None,
    };
    let mut after: Vec<String> = before.to_vec();
    if let Some(policy) = policy {
        after.retain(|f| f != "orphan" && f != "foregroundDeletion");
        match policy {
            Propagation::Orphan => after.push("orphan".to_owned()),
            Propagation::Foreground => after.push("foregroundDeletion".to_owned()),
            Propagation::Background => {}
        }
    }
    after
}
