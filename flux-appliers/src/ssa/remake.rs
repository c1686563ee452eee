//! Objects that must be deleted and made again, since a field of theirs cannot change.

use std::time::Duration;

use flux_core::cluster::{ClusterError, DeleteOptions, Preconditions, Status, WatchEvent, WatchOptions};
use flux_core::{ApplyError, Context, Object, ObjectRef};
use futures::StreamExt as _;

use super::ServerSideApplier;
use super::live::failed;
use super::redact::redact;

/// How long a deleted object may take to go.
pub(super) const GONE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait before asking again where nothing can be watched; Flux's poll interval.
const RETRY: Duration = Duration::from_secs(2);

/// That an object is to be made again, and what it would be.
pub(super) struct Remake {
    pub(super) why: String,
    pub(super) result: Option<Object>,
}

impl ServerSideApplier {
    /// Whether a refused object may and can be made again.
    ///
    /// Flux deletes on any refusal as invalid and then finds out whether the object can be made. Here a dry run under
    /// another name tells first, so that an object that is simply wrong does not cost the one that runs. And a conflict
    /// is no reason to delete: somebody else wrote at the same moment.
    pub(super) async fn remake(
        &self,
        cx: &Context,
        desired: &Object,
        live: &Object,
        error: &ClusterError,
    ) -> Option<Remake> {
        let ClusterError::Api(status) = error else { return None };
        let says_immutable = ["immutable", "may not change", "may not be changed", "cannot be changed", "updates to "]
            .iter()
            .any(|words| status.message.contains(words));
        if !(status.code == 422 || says_immutable) || !(self.force || self.directives().forced(desired, live)) {
            return None;
        }
        let mut trial = desired.clone();
        let name: String = desired.name().chars().take(40).collect();
        trial.metadata_mut().insert("name".into(), format!("{}-trial", name.trim_end_matches(['-', '.'])).into());
        let result = match self.cluster.apply(cx, &trial, &self.options(true)).await {
            Ok(mut result) => {
                result.metadata_mut().insert("name".into(), desired.name().into());
                Some(result)
            }
            Err(ClusterError::Api(status)) if status.code == 422 && !says_immutable => return None,
            Err(_) => None,
        };
        Some(Remake { why: why(status), result })
    }

    /// Asks for this very object to be deleted, so that it can be made again.
    pub(super) async fn clear(&self, cx: &Context, live: &Object) -> Result<(), ApplyError> {
        let preconditions = Preconditions { uid: live.uid().map(str::to_owned), resource_version: None };
        let options = DeleteOptions { preconditions, ..DeleteOptions::default() };
        let object = live.object_ref();
        self.cluster
            .delete(cx, &object, &options)
            .await
            .map_err(|error| failed(&object, "delete", redact(error, live)))?;
        Ok(())
    }

    /// Waits until the object with this uid is gone.
    pub(super) async fn until_gone(&self, cx: &Context, object: &ObjectRef, uid: &str) -> Result<(), ApplyError> {
        let deadline = tokio::time::Instant::now() + GONE_TIMEOUT;
        loop {
            let Some(live) = self.get(cx, object).await?.filter(|live| live.uid() == Some(uid)) else { return Ok(()) };
            if tokio::time::Instant::now() >= deadline {
                let finalizers = live.metadata().and_then(|metadata| metadata.get("finalizers")).map(|f| f.to_string());
                return Err(ApplyError::NotHealthy(format!(
                    "{object} is still terminating after {} s; it waits for its finalizers {}",
                    GONE_TIMEOUT.as_secs(),
                    finalizers.unwrap_or_else(|| "[]".into())
                )));
            }
            let watch = self.watch_deletion(cx, &live);
            cx.run(tokio::time::timeout_at(deadline, watch)).await?.unwrap_or_default();
        }
    }

    /// Waits for the deletion of an object to be reported, or a while if it cannot be watched.
    async fn watch_deletion(&self, cx: &Context, live: &Object) {
        let options = WatchOptions {
            namespace: live.namespace().map(str::to_owned),
            field_selector: Some(format!("metadata.name={}", live.name())),
            resource_version: live.resource_version().map(str::to_owned),
            ..WatchOptions::default()
        };
        if let Ok(mut events) = self.cluster.watch(cx, &live.gvk(), &options).await {
            while let Some(Ok(event)) = events.next().await {
                if matches!(&event, WatchEvent::Deleted(gone) if gone.uid() == live.uid()) {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Why an object is made again; of the server's words only the fields, since the rest may show a secret.
fn why(status: &Status) -> String {
    let fields: Vec<&str> = status.causes.iter().map(|cause| cause.field.as_str()).filter(|f| !f.is_empty()).collect();
    match fields.as_slice() {
        [] => "it has a field that cannot be changed".to_owned(),
        fields => format!("cannot be changed: {}", fields.join(", ")),
    }
}
