//! Going back to the last revision that was good, and staying there.

use super::pipeline_unit::{PipelineUnit, state_failed};
use super::{Engine, Pipeline, Unit, lock};
use crate::artifact::{Artifact, Revision};
use crate::context::Context;
use crate::error::Class;
use crate::event::Severity;
use crate::plan::Plan;
use crate::reconcile::{Next, ReconcileError};
use crate::store::{Good, PipelineState, Rollback, StateStore};

/// The reason of a pipeline that has gone back from its newest revision.
const ROLLED_BACK: &str = "RollbackSucceeded";
/// The reason of a pipeline that should go back and cannot.
const CANNOT: &str = "RollbackFailed";

impl Engine {
    /// Has a pipeline go back to an earlier revision, the newest good one before the one it is at unless another is named,
    /// and stay there until its source has a newer one. The revisions that can be gone back to are in its
    /// [`state`](Self::state). Once the engine runs, or if it runs already, the revision is applied as any other is.
    ///
    /// # Errors
    /// There is no such pipeline or no such revision, its source cannot be asked, or the state cannot be kept.
    pub async fn roll_back(
        &self,
        cx: &Context,
        unit: &Unit,
        to: Option<&Revision>,
    ) -> Result<Rollback, ReconcileError> {
        let (entry, artifact) = self.newest(cx, unit).await?;
        let store = &*self.units.store;
        let mut state = entry.load(store).await?;
        let at = state.last_applied_revision.clone().unwrap_or_else(|| artifact.revision.clone());
        let is_meant = |good: &&Good| to.map_or(good.revision != at, |to| good.revision == *to);
        let Some(good) = state.good.iter().find(is_meant) else {
            let known: Vec<&str> = state.good.iter().map(|good| good.revision.as_str()).collect();
            let known = if known.is_empty() { "none is kept".into() } else { format!("kept are {}", known.join(", ")) };
            let problem = match to {
                Some(to) => format!("{unit} cannot go back to {to}: {known}"),
                None => format!("{unit} has no earlier good revision than {at}: {known}"),
            };
            return Err(ReconcileError::new(Class::Terminal, CANNOT, problem));
        };
        let rollback = Rollback {
            from: artifact.revision.clone(),
            to: good.revision.clone(),
            reason: "as asked for".to_owned(),
            since: cx.now(),
        };
        state.rollback = Some(rollback.clone());
        entry.save(store, &mut state).await?;
        self.handle.supersede(unit.clone());
        Ok(rollback)
    }

    /// Has a pipeline that went back from a revision try it again.
    ///
    /// # Errors
    /// There is no such pipeline, or its state cannot be read or kept.
    pub async fn release(&self, unit: &Unit) -> Result<Option<Rollback>, ReconcileError> {
        let entry = self.units.pipeline(unit).ok_or_else(|| super::unknown(unit))?;
        let store = &*self.units.store;
        let mut state = entry.load(store).await?;
        let rollback = state.rollback.take();
        if rollback.is_some() {
            entry.save(store, &mut state).await?;
            self.handle.supersede(unit.clone());
        }
        Ok(rollback)
    }
}

impl Pipeline {
    /// Whether a revision that is not ready in time, or that the cluster refuses half way, is taken back: the last good
    /// one is applied again as a whole, and stays until there is a newer revision. Off by default, as Flux knows no such
    /// thing; the pipeline is not ready meanwhile, and what depends on it waits.
    #[must_use]
    pub fn roll_back(mut self, roll_back: bool) -> Self {
        self.roll_back = roll_back;
        self
    }
}

impl PipelineUnit {
    /// A revision has been applied in full and is ready: its files are kept.
    pub(super) async fn approve(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        artifact: &Artifact,
        state: &mut PipelineState,
    ) -> Result<(), ReconcileError> {
        store.keep_tree(&self.key(), &artifact.tree).await.map_err(state_failed)?;
        let dropped = state.approve(Good {
            revision: artifact.revision.clone(),
            digest: artifact.digest().clone(),
            metadata: artifact.metadata.clone(),
            since: cx.now(),
        });
        self.save(store, state).await?;
        // What nothing refers to any more is no loss if it stays.
        for digest in dropped {
            if let Err(error) = store.forget_tree(&self.key(), &digest).await {
                tracing::debug!(%error, "files that are no longer needed stay");
            }
        }
        Ok(())
    }

    /// After a run that failed: whether the last good revision is to be applied again. If so that is kept, so that the next
    /// run does it with all the time that a run has, in this process or in another.
    pub(super) async fn fall_back(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        artifact: &Artifact,
        state: &mut PipelineState,
        error: &ReconcileError,
    ) -> Result<bool, ReconcileError> {
        let refused = error.reason == "ReconciliationFailed"
            && matches!(error.class, Class::Terminal | Class::Denied)
            // A refusal at plan time has changed nothing.
            && state.last_attempted_revision.as_ref() == Some(&artifact.revision);
        let failed = error.reason == "HealthCheckFailed" && error.class != Class::Cancelled;
        if !self.pipeline.roll_back || !(failed || refused) {
            return Ok(false);
        }
        let Some(good) = state.good.front().filter(|good| good.revision != artifact.revision) else { return Ok(false) };
        let (from, to) = (artifact.revision.clone(), good.revision.clone());
        cx.event(Severity::Error, "RollbackStarted", format!("going back from revision {from} to {to}"));
        state.rollback = Some(Rollback { from, to, reason: crate::error::chain(error), since: cx.now() });
        self.save(store, state).await?;
        Ok(true)
    }

    /// One run of a pipeline that went back: its good revision is brought about as any other. It succeeds in that and
    /// still is not where it should be, which is what it says.
    pub(super) async fn stay_back(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        rollback: &Rollback,
        state: &mut PipelineState,
        approved: Option<&Plan>,
    ) -> Result<Next, ReconcileError> {
        let artifact = self.recall(store, rollback, state).await?;
        let cx = cx.clone().with_artifact(artifact.clone());
        self.bring_about(&cx, store, &artifact, state, approved).await?;
        let Rollback { from, to, reason, .. } = rollback;
        let message = format!("{from} was rolled back to {to}, which stays until there is a newer revision: {reason}");
        Err(ReconcileError::new(Class::Terminal, ROLLED_BACK, message))
    }

    /// The artifact that a pipeline went back to.
    pub(super) async fn recall(
        &self,
        store: &dyn StateStore,
        rollback: &Rollback,
        state: &PipelineState,
    ) -> Result<Artifact, ReconcileError> {
        if let Some(known) = lock(&self.recalled).as_ref().filter(|known| known.revision == rollback.to) {
            return Ok(known.clone());
        }
        let gone = || {
            let message = format!("the files of {} are no longer kept; push a revision that is good", rollback.to);
            ReconcileError::new(Class::Terminal, CANNOT, message)
        };
        let good = state.good.iter().find(|good| good.revision == rollback.to).ok_or_else(gone)?;
        let tree = store.tree(&good.digest).await.map_err(state_failed)?.ok_or_else(gone)?;
        let artifact = Artifact { revision: good.revision.clone(), tree, metadata: good.metadata.clone() };
        *lock(&self.recalled) = Some(artifact.clone());
        Ok(artifact)
    }

    /// What the pipeline goes by while its source is at `newest`: that, or what it went back to.
    pub(super) async fn in_force(&self, store: &dyn StateStore, newest: &Artifact) -> Artifact {
        let Ok(state) = self.load(store).await else { return newest.clone() };
        match state.rollback_from(&newest.revision) {
            Some(rollback) => self.recall(store, rollback, &state).await.unwrap_or_else(|_| newest.clone()),
            None => newest.clone(),
        }
    }
}
