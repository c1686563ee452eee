//! One pipeline in the engine: what it remembers, and one run of it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::pace::Pace;
use super::pipeline::{apply_failed, build_failed};
use super::{Pipeline, lock};
use crate::applier::{ApplyError, Health, Report, Standing};
use crate::artifact::{Artifact, Revision};
use crate::context::Context;
use crate::digest::Digest;
use crate::error::Class;
use crate::event::Severity;
use crate::manifests::Manifests;
use crate::object::ObjectId;
use crate::plan::Plan;
use crate::reconcile::{Next, ReconcileError};
use crate::store::{PipelineState, StateError, StateStore};
use crate::time::Timestamp;
use crate::tree::{Reads, Tree};

/// One pipeline and what it remembers between runs.
#[derive(Debug)]
pub(super) struct PipelineUnit {
    pub(super) pipeline: Pipeline,
    /// What was stored last, once it was loaded.
    state: Mutex<Option<PipelineState>>,
    /// What was rendered last: as long as nothing changes that was read for it, it is not rendered again.
    rendered: Mutex<Option<Rendered>>,
    attempted: Mutex<Option<Revision>>,
    /// How its objects were when they were last waited for.
    pub(super) health: Mutex<Option<Health>>,
    /// How soon drift is repaired.
    pub(super) pace: Pace,
    /// Everything it owns is to be deleted, and then itself.
    pub(super) deleting: AtomicBool,
    /// How the last run ended.
    outcome: Mutex<Option<Outcome>>,
    /// A condition on another pipeline did not hold: that one's next run may change it.
    pub(super) awaits: AtomicBool,
    /// The artifact that the pipeline went back to, once it was read from the store.
    pub(super) recalled: Mutex<Option<Artifact>>,
    /// The last run decided to go back: the next is due at once.
    pub(super) falling_back: AtomicBool,
}

/// How a run ended: the `Ready` condition of Flux.
#[derive(Debug)]
struct Outcome {
    ready: bool,
    reason: String,
    message: String,
    time: Timestamp,
}

/// Objects, and what they were made from.
#[derive(Clone, Debug)]
struct Rendered {
    /// The newest tree for which it is known to hold.
    tree: Tree,
    reads: Reads,
    inputs: Option<Digest>,
    manifests: Manifests,
    ids: Arc<HashSet<ObjectId>>,
}

impl PipelineUnit {
    pub(super) fn new(pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            state: Mutex::default(),
            rendered: Mutex::default(),
            attempted: Mutex::default(),
            health: Mutex::default(),
            pace: Pace::default(),
            deleting: AtomicBool::new(false),
            outcome: Mutex::default(),
            awaits: AtomicBool::new(false),
            recalled: Mutex::default(),
            falling_back: AtomicBool::new(false),
        }
    }

    /// The revision that was last applied in full.
    pub(super) fn last_applied_revision(&self) -> Option<Revision> {
        lock(&self.state).as_ref()?.last_applied_revision.clone()
    }

    /// What it went back from, as far as that is in memory.
    pub(super) fn rollback(&self) -> Option<crate::store::Rollback> {
        lock(&self.state).as_ref()?.rollback.clone()
    }

    /// The revision that the last run took up, be it under way or over.
    pub(super) fn attempted(&self) -> Option<Revision> {
        lock(&self.attempted).clone()
    }

    /// One run: render, plan, apply, wait. With a plan that was approved, nothing is done but that.
    pub(super) async fn reconcile(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        artifact: Artifact,
        approved: Option<&Plan>,
    ) -> Result<Next, ReconcileError> {
        let cx = cx.clone().with_artifact(artifact.clone());
        *lock(&self.attempted) = Some(artifact.revision.clone());
        self.pace.begun();
        let mut state = self.load(store).await?;
        let outcome = match state.rollback_from(&artifact.revision).cloned() {
            Some(rollback) => self.stay_back(&cx, store, &rollback, &mut state, approved).await,
            None => {
                // A newer revision than it went back from: that is over, and is kept with whatever is kept next.
                state.rollback = None;
                let outcome = self.bring_about(&cx, store, &artifact, &mut state, approved).await;
                if let Err(error) = &outcome
                    && self.fall_back(&cx, store, &artifact, &mut state, error).await?
                {
                    self.falling_back.store(true, Ordering::Relaxed);
                }
                outcome
            }
        };
        if let Err(error) = &outcome
            && !matches!(error.class, Class::Cancelled | Class::NotReady)
        {
            cx.event(Severity::Error, error.reason.clone(), crate::error::chain(error));
        }
        self.note(&cx, &artifact.revision, &outcome);
        outcome
    }

    /// Keeps how a run ended, for those that depend on it.
    fn note(&self, cx: &Context, revision: &Revision, outcome: &Result<Next, ReconcileError>) {
        let (ready, reason, message) = match outcome {
            Ok(_) => (true, "ReconciliationSucceeded".to_owned(), format!("Applied revision: {revision}")),
            Err(error) if error.class == Class::Cancelled => return,
            Err(error) => (false, error.reason.to_string(), crate::error::chain(error)),
        };
        *lock(&self.outcome) = Some(Outcome { ready, reason, message, time: cx.now() });
    }

    /// The pipeline as Flux shows it: the document that describes it, and its status.
    pub(super) fn describe(&self) -> Value {
        let unit = &self.pipeline.unit;
        let field = |name: &str| {
            self.pipeline.document.field(name).filter(|field| field.is_object()).cloned().unwrap_or_else(|| json!({}))
        };
        let mut metadata = field("metadata");
        metadata["name"] = unit.name().into();
        metadata["namespace"] = unit.namespace().into();
        metadata["generation"] = 1.into();
        let mut status = json!({"observedGeneration": -1});
        if let Some(Outcome { ready, reason, message, time }) = &*lock(&self.outcome) {
            let ready = if *ready { "True" } else { "False" };
            status["observedGeneration"] = 1.into();
            status["conditions"] = json!([{
                "type": "Ready", "status": ready, "reason": reason, "message": message, "observedGeneration": 1,
                "lastTransitionTime": time.to_string(),
            }]);
        }
        if let Some(state) = &*lock(&self.state) {
            let revisions = [
                ("lastAppliedRevision", &state.last_applied_revision),
                ("lastAttemptedRevision", &state.last_attempted_revision),
            ];
            for (name, revision) in revisions {
                if let Some(revision) = revision {
                    status[name] = revision.to_string().into();
                }
            }
        }
        json!({
            "apiVersion": self.pipeline.document.field("apiVersion"), "kind": unit.kind(),
            "metadata": metadata, "spec": field("spec"), "status": status,
        })
    }

    pub(super) async fn bring_about(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        artifact: &Artifact,
        state: &mut PipelineState,
        approved: Option<&Plan>,
    ) -> Result<Next, ReconcileError> {
        let manifests = self.render(cx, artifact).await.map_err(build_failed)?;
        if self.stands(&manifests, state) {
            self.take_up(&artifact.revision);
            return Ok(Next::Interval);
        }
        let plan = self.plan(cx, &manifests, state).await?;
        if let Some(object) = approved.and_then(|approved| approved.differs_from(&plan)) {
            let change = "or what is wanted of it was changed";
            return Err(apply_failed("PlanStale", ApplyError::Stale { object: object.clone(), change }));
        }
        if !plan.is_empty() || state.inventory != plan.inventory() {
            self.apply(cx, store, plan, state).await?;
        }
        if self.pipeline.wait {
            self.wait_healthy(cx, state).await?;
        }
        let revision = &artifact.revision;
        if state.last_applied_revision.as_ref() != Some(revision) {
            state.last_applied_revision = Some(revision.clone());
            state.last_attempted_revision = Some(revision.clone());
            state.history.record(manifests.digest(), "ReconciliationSucceeded", revision, cx.now());
            self.approve(cx, store, artifact, state).await?;
            cx.event(Severity::Info, "ReconciliationSucceeded", format!("Applied revision: {revision}"));
        }
        Ok(Next::Interval)
    }

    /// Whether the last run applied just this and the applier knows that it is still in place: nothing is left to do.
    fn stands(&self, manifests: &Manifests, state: &PipelineState) -> bool {
        let enough = if self.pipeline.wait { Standing::Ready } else { Standing::InPlace };
        state.last_applied_revision.is_some() && self.pipeline.applier.standing(manifests, &state.inventory) >= enough
    }

    /// A revision changed nothing for this pipeline. That is not worth a write: after a restart it is found again.
    fn take_up(&self, revision: &Revision) {
        if let Some(state) = &mut *lock(&self.state) {
            state.last_applied_revision = Some(revision.clone());
            state.last_attempted_revision = Some(revision.clone());
            if state.rollback.as_ref().is_some_and(|rollback| rollback.to != *revision) {
                state.rollback = None;
            }
        }
    }

    /// The objects of an artifact: those of the last run if nothing changed that was read for them.
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, crate::RenderError> {
        let inputs = self.pipeline.renderer.inputs(cx, artifact).await?;
        let holds = |last: &Rendered| last.tree.ptr_eq(&artifact.tree) || last.reads.hold_in(&artifact.tree);
        let last = lock(&self.rendered).clone();
        let rendered = match last.filter(|last| last.inputs == inputs && holds(last)) {
            Some(last) => Rendered { tree: artifact.tree.clone(), ..last },
            None => {
                let (tree, tracker) = artifact.tree.tracked();
                let manifests = self.pipeline.render(cx, &Artifact { tree, ..artifact.clone() }).await?;
                let ids = manifests.iter().map(|manifest| manifest.object.id()).collect();
                let (tree, reads) = (artifact.tree.clone(), tracker.reads());
                Rendered { tree, reads, inputs, manifests, ids: Arc::new(ids) }
            }
        };
        let manifests = rendered.manifests.clone();
        *lock(&self.rendered) = Some(rendered);
        Ok(manifests)
    }

    /// Whether this pipeline wants an object: says its newest artifact, or, as long as that cannot be rendered, whatever
    /// it had before.
    pub(super) async fn wants(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        artifact: Option<&Artifact>,
        object: &ObjectId,
    ) -> bool {
        let known = |rendered: &Option<Rendered>| rendered.as_ref().map(|last| (last.tree.clone(), last.ids.clone()));
        let artifact = match artifact {
            Some(newest) => Some(self.in_force(store, newest).await),
            None => None,
        };
        let fresh = match &artifact {
            None => false,
            Some(artifact) => {
                let last = known(&lock(&self.rendered));
                last.is_some_and(|(tree, _)| tree.ptr_eq(&artifact.tree)) || self.render(cx, artifact).await.is_ok()
            }
        };
        let rendered = known(&lock(&self.rendered)).map(|(_, ids)| ids);
        match rendered {
            Some(ids) if fresh => ids.contains(object),
            Some(ids) if ids.contains(object) => true,
            _ => self.load(store).await.is_ok_and(|state| state.inventory.contains(object)),
        }
    }

    async fn plan(&self, cx: &Context, manifests: &Manifests, state: &PipelineState) -> Result<Plan, ReconcileError> {
        let failed = |error| apply_failed("ReconciliationFailed", error);
        self.pipeline.plan(cx, manifests, &state.inventory).await.map_err(failed)
    }

    /// Carries a plan out. What it may create is remembered before, and what is owned after, so that whatever happens in
    /// between no object is lost sight of.
    async fn apply(
        &self,
        cx: &Context,
        store: &dyn StateStore,
        plan: Plan,
        state: &mut PipelineState,
    ) -> Result<(), ReconcileError> {
        let ahead = state.inventory.union(&plan.inventory());
        if ahead != state.inventory || state.last_attempted_revision.as_ref() != cx.revision() {
            state.inventory = ahead;
            state.last_attempted_revision = cx.revision().cloned();
            self.save(store, state).await?;
        }
        // Not cut short at the deadline: the applier ends at its own safe points and says what it did.
        let report = self.pipeline.applier.apply(cx, plan).await;
        announce(cx, &report);
        state.inventory = report.inventory;
        if let Some(error) = &report.error
            && let Some(revision) = cx.revision()
            && error.class() != Class::Cancelled
        {
            let digest = lock(&self.rendered).as_ref().map(|rendered| rendered.manifests.digest().clone());
            let digest = digest.unwrap_or_else(|| Digest::sha256(b""));
            state.history.record(&digest, "ReconciliationFailed", revision, cx.now());
        }
        self.save(store, state).await?;
        match report.error {
            Some(error) => Err(apply_failed("ReconciliationFailed", error)),
            None => Ok(()),
        }
    }

    async fn wait_healthy(&self, cx: &Context, state: &PipelineState) -> Result<(), ReconcileError> {
        let failed = |error| apply_failed("HealthCheckFailed", error);
        let wait = cx.run(self.pipeline.applier.wait(cx, &state.inventory)).await;
        let health = wait.map_err(|interrupted| failed(interrupted.into()))?.map_err(failed)?;
        let outcome = if health.is_ready() {
            Ok(())
        } else {
            Err(failed(ApplyError::NotHealthy(format!("health check failed: {health}"))))
        };
        *lock(&self.health) = Some(health);
        outcome
    }

    /// Deletes everything that is owned, then what is remembered.
    pub(super) async fn tear_down(&self, cx: &Context, store: &dyn StateStore) -> Result<(), ReconcileError> {
        let mut state = self.load(store).await?;
        let report = self.pipeline.applier.teardown(cx, &state.inventory).await;
        announce(cx, &report);
        if let Some(error) = report.error {
            state.inventory = report.inventory;
            self.save(store, &mut state).await?;
            cx.event(Severity::Error, "PruneFailed", crate::error::chain(&error));
            return Err(apply_failed("PruneFailed", error));
        }
        *lock(&self.state) = None;
        for good in &state.good {
            store.forget_tree(&self.key(), &good.digest).await.map_err(state_failed)?;
        }
        store.remove(&self.key()).await.map_err(state_failed)
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.deleting.load(Ordering::Relaxed)
    }

    /// What is remembered: read from the store once, then from memory.
    pub(super) async fn load(&self, store: &dyn StateStore) -> Result<PipelineState, ReconcileError> {
        if let Some(state) = &*lock(&self.state) {
            return Ok(state.clone());
        }
        let state = store.load(&self.key()).await.map_err(state_failed)?.unwrap_or_default();
        *lock(&self.state) = Some(state.clone());
        Ok(state)
    }

    pub(super) async fn save(&self, store: &dyn StateStore, state: &mut PipelineState) -> Result<(), ReconcileError> {
        // Until the store has it, memory must not vouch for it: a failed write is loaded anew.
        *lock(&self.state) = None;
        store.save(&self.key(), state).await.map_err(state_failed)?;
        *lock(&self.state) = Some(state.clone());
        Ok(())
    }

    pub(super) fn key(&self) -> String {
        self.pipeline.unit.to_string()
    }
}

pub(super) fn state_failed(error: StateError) -> ReconcileError {
    let class = if matches!(error, StateError::Corrupt { .. }) { Class::Terminal } else { Class::Transient };
    ReconcileError::new(class, "StateFailed", error)
}

/// Tells what was changed, one line an object, as Flux does; nothing when nothing was.
fn announce(cx: &Context, report: &Report) {
    let lines: Vec<String> = report.changed().map(ToString::to_string).collect();
    if !lines.is_empty() {
        cx.event(Severity::Info, "Progressing", lines.join("\n"));
    }
}
