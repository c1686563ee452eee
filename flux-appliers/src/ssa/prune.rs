//! Deleting what is no longer desired, and only what is provably ours.

use std::collections::HashSet;

use flux_core::cluster::{DeleteOptions, Patch, Preconditions, WriteOptions};
use flux_core::{Action, ApplyError, Change, ClusterError, Context, Object, ObjectRef};

use serde_json::json;

use super::ServerSideApplier;
use super::live::failed;

/// How often an object is looked at again when it changes under the hand that deletes it.
const ATTEMPTS: usize = 5;

impl ServerSideApplier {
    /// What is to be done with an object that is owned and no longer desired.
    pub(super) async fn judge_stale(
        &self,
        cx: &Context,
        object: ObjectRef,
        live: Option<&Object>,
        desired: &HashSet<String>,
    ) -> Change {
        let skip = |why: String| Change::away(object.clone(), Action::Skip, live).because(why);
        let Some(live) = live else { return skip("is already gone".into()) };
        if !self.prune {
            return skip("is no longer desired and left behind: prune is off".into());
        }
        if live.uid().is_some_and(|uid| desired.contains(uid)) {
            return skip("is desired under another API group".into());
        }
        match self.reason_to_leave(cx, live).await {
            Some(why) => skip(why),
            None => Change::away(live.object_ref(), Action::Delete, Some(live)),
        }
    }

    /// Why a live object is not deleted, if it is not: another pipeline wants it, it is no longer ours, or asks to stay.
    async fn reason_to_leave(&self, cx: &Context, live: &Object) -> Option<String> {
        if let Some(why) = self.reason_to_keep(live) {
            return Some(why);
        }
        let claimant = cx.claims()?.claimant(cx, &live.id()).await?;
        Some(format!("is handed over to {claimant}"))
    }

    /// Whether an object is still ours and another pipeline is about to take it over.
    pub(super) async fn awaits_claimant(&self, cx: &Context, object: &ObjectRef) -> Result<bool, ApplyError> {
        Ok(self.claimed(cx, object).await?.is_some())
    }

    /// The live state of an object that is ours and that another pipeline wants.
    async fn claimed(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ApplyError> {
        let Some(claims) = cx.claims() else { return Ok(None) };
        let live = self.find(cx, object).await.map_err(|error| failed(object, "read", error))?;
        let Some(live) = live.filter(|live| self.reason_to_keep(live).is_none()) else { return Ok(None) };
        Ok(claims.claimant(cx, &live.id()).await.map(|_| live))
    }

    /// Takes our labels off an object that another pipeline wants, so that it finds it free: for a pipeline that is about
    /// to be gone and could not be asked any more.
    pub(super) async fn release(&self, cx: &Context, object: &ObjectRef) -> Result<(), ApplyError> {
        let Some(live) = self.claimed(cx, object).await? else { return Ok(()) };
        let labels =
            json!({format!("{}/name", self.owner.group): null, format!("{}/namespace", self.owner.group): null});
        let patch = Patch::Merge(json!({"metadata": {"resourceVersion": live.resource_version(), "labels": labels}}));
        let options = WriteOptions { field_manager: self.field_manager.clone(), ..WriteOptions::default() };
        let patched = self.cluster.patch(cx, &live.object_ref(), &patch, &options).await;
        patched.map(drop).map_err(|error| failed(object, "patch", super::redact::redact(error, &live)))
    }

    /// Why a live object is not deleted whoever wants it: it is no longer ours, or asks to stay.
    pub(super) fn reason_to_keep(&self, live: &Object) -> Option<String> {
        if !self.owner.owns(live) {
            return Some(match self.owner.of(live) {
                Some(owner) => format!("is now owned by {owner}"),
                None => "does not carry our labels any more".to_owned(),
            });
        }
        self.directives().keep(live)
    }

    /// Deletes an object if it is still ours, in the background. With `uid`, only that very object. Answers whether it
    /// was deleted; if not, it was gone or is to be kept.
    pub(super) async fn delete(&self, cx: &Context, object: &ObjectRef, uid: Option<&str>) -> Result<bool, ApplyError> {
        for _ in 0..ATTEMPTS {
            let live = match self.find(cx, object).await {
                Ok(Some(live)) => live,
                Ok(None) => return Ok(false),
                Err(error) => return Err(failed(object, "read", error)),
            };
            if uid.is_some() && live.uid() != uid {
                return Err(ApplyError::Stale { object: object.id.clone(), change: "was made anew" });
            }
            if self.reason_to_leave(cx, &live).await.is_some() {
                return Ok(false);
            }
            // Bound to what was just looked at: whoever relabels the object in between keeps it.
            let preconditions = Preconditions {
                uid: live.uid().map(str::to_owned),
                resource_version: live.resource_version().map(str::to_owned),
            };
            let options = DeleteOptions { preconditions, ..DeleteOptions::default() };
            match self.cluster.delete(cx, &live.object_ref(), &options).await {
                Ok(deleted) => return Ok(deleted),
                Err(ClusterError::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(failed(object, "delete", super::redact::redact(error, &live))),
            }
        }
        Err(failed(object, "delete", ClusterError::api(409, "Conflict", "the object keeps changing")))
    }
}
