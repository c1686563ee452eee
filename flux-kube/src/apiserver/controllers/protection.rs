//! Storage that nobody uses is let go: the finalizers of claims, volumes and their classes.

use std::sync::Arc;

use serde_json::Value;

use super::{has_finalizer, remove_finalizer};
use crate::apiserver::admission::protection;
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::store::Change;
use crate::apiserver::verbs::State;

impl State {
    /// Lets go of storage that is being deleted and is not in use.
    pub(super) fn storage_changed(&mut self, change: &Change, now: &Arc<str>) {
        if change.deleted {
            return self.user_went(change, now);
        }
        let Some(resource) = self.registry.stored(&change.at.0).cloned() else { return };
        let Some(finalizer) = protection(&resource) else { return };
        let deleting = change.record.meta("deletionTimestamp").is_some();
        if deleting && has_finalizer(&change.record, finalizer) && !self.in_use(change) {
            self.write_at(&change.at, "kube-controller-manager", "", now, |object| remove_finalizer(object, finalizer));
        }
    }

    /// A claim is in use while a pod that is not done mounts it.
    fn in_use(&self, change: &Change) -> bool {
        if &*change.at.0.plural != "persistentvolumeclaims" {
            return false;
        }
        let Some((namespace, claim)) = change.at.1.split_once('/') else { return false };
        let prefix = format!("{namespace}/");
        let pods = self.store.table(&ResourceKey::new("", "pods"));
        pods.into_iter().flat_map(|t| t.range(&prefix)).any(|(_, pod)| {
            let phase = pod.object.get("status").and_then(|s| s.get("phase")).and_then(Value::as_str).unwrap_or("");
            let volumes = pod.object.get("spec").and_then(|s| s.get("volumes")).and_then(Value::as_array);
            !matches!(phase, "Succeeded" | "Failed")
                && volumes.into_iter().flatten().any(|v| {
                    v.get("persistentVolumeClaim").and_then(|c| c.get("claimName")).and_then(Value::as_str)
                        == Some(claim)
                })
        })
    }

    /// A pod went: claims that waited for it may go.
    fn user_went(&mut self, change: &Change, now: &Arc<str>) {
        if &*change.at.0.plural != "pods" {
            return;
        }
        let Some((namespace, _)) = change.at.1.split_once('/') else { return };
        let key = ResourceKey::new("", "persistentvolumeclaims");
        let prefix = format!("{namespace}/");
        let waiting: Vec<Change> = self
            .store
            .table(&key)
            .into_iter()
            .flat_map(|t| t.range(&prefix))
            .filter(|(_, r)| r.meta("deletionTimestamp").is_some())
            .map(|(k, r)| Change { at: (key.clone(), k.clone()), record: r.clone(), deleted: false })
            .collect();
        for claim in waiting {
            self.storage_changed(&claim, now);
        }
    }
}
