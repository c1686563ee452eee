//! Sources and pipelines on the reconcile loop: what a host embeds.
//!
//! Every source and every pipeline is a key of one [`ReconcileLoop`]. A source looks for a new revision at its interval
//! and, when there is one, supersedes the pipelines that follow it; a pipeline also runs at its own interval, which
//! repairs drift. What a pipeline owns and has applied is kept in a [`StateStore`], so that a restart changes nothing.

mod claims;
mod explain;
mod look;
mod once;
mod pace;
mod pipeline;
mod pipeline_unit;
mod rollback;
mod source_unit;
mod trace;
mod unit;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::Stream;

use crate::applier::DriftNotify;
use crate::artifact::Artifact;
use crate::context::Context;
use crate::error::Class;
use crate::event::Severity;
use crate::plan::Plan;
use crate::reconcile::{
    Handle, KeyStatus, LoopClosed, LoopOptions, Next, Reconcile, ReconcileError, ReconcileLoop, Schedule,
};
use crate::source::Source;
use crate::store::{MemoryStateStore, PipelineState, StateStore};

use claims::EngineClaims;
pub use explain::{Explanation, Unmet};
pub use pipeline::{Pipeline, ReadyCondition};
use pipeline_unit::PipelineUnit;
use source_unit::SourceUnit;
pub use trace::Trace;
pub use unit::Unit;

/// Runs sources and pipelines until it is told to stop.
///
/// A clone is the same engine; [`run`](Self::run) is called once. Everything else may be called at any time, before and
/// while it runs.
#[derive(Clone)]
pub struct Engine {
    units: Arc<Units>,
    handle: Handle<Unit>,
    driver: Arc<Mutex<Option<ReconcileLoop<Driver>>>>,
}

/// Everything the engine runs.
struct Units {
    sources: Mutex<BTreeMap<Unit, Arc<SourceUnit>>>,
    pipelines: Mutex<BTreeMap<Unit, Arc<PipelineUnit>>>,
    store: Arc<dyn StateStore>,
}

/// The engine's side of the loop.
struct Driver {
    units: Arc<Units>,
    handle: Handle<Unit>,
}

impl Engine {
    /// An engine that remembers what it owns in memory only: for tests, and for clusters that live in memory too.
    pub fn in_memory() -> Self {
        Self::new(Arc::new(MemoryStateStore::default()), LoopOptions::default())
    }

    /// An engine that remembers what it owns in this store.
    pub fn new(store: Arc<dyn StateStore>, options: LoopOptions) -> Self {
        let units = Arc::new(Units { sources: Mutex::default(), pipelines: Mutex::default(), store });
        let driver = |handle: &Handle<Unit>| Driver { units: units.clone(), handle: handle.clone() };
        let (driver, handle) = ReconcileLoop::cyclic(driver, options);
        Self { units, handle, driver: Arc::new(Mutex::new(Some(driver))) }
    }

    /// Adds a source, or replaces the one of this name. It is looked at once.
    pub fn add_source(&self, unit: Unit, source: impl Source + 'static, schedule: Schedule<Unit>) {
        let entry = Arc::new(SourceUnit::new(Arc::new(source)));
        lock(&self.units.sources).insert(unit.clone(), entry);
        self.handle.put(unit, schedule);
    }

    /// Adds a pipeline, or replaces the one of this name; what that one owns goes over to it. It runs at once, or as soon
    /// as its source has an artifact.
    pub fn add_pipeline(&self, pipeline: Pipeline) {
        let (unit, schedule) = (pipeline.unit.clone(), pipeline.schedule.clone());
        let entry = Arc::new(PipelineUnit::new(pipeline));
        entry.pipeline.applier.on_drift(self.repair(&entry));
        lock(&self.units.pipelines).insert(unit.clone(), entry);
        self.handle.put(unit, schedule);
    }

    /// What a pipeline's applier calls when something has drifted.
    fn repair(&self, entry: &Arc<PipelineUnit>) -> DriftNotify {
        let (entry, handle) = (Arc::downgrade(entry), self.handle.clone());
        Arc::new(move || {
            if let Some(entry) = entry.upgrade()
                && let Some(delay) = entry.pace.drifted(tokio::time::Instant::now())
            {
                handle.trigger_after(entry.pipeline.unit.clone(), delay);
            }
        })
    }

    /// Stops looking at a source. What its pipelines have applied stays.
    pub fn remove_source(&self, unit: &Unit) {
        lock(&self.units.sources).remove(unit);
        self.handle.remove(unit.clone());
    }

    /// Stops running a pipeline. What it has applied stays, and so does the record of it: a pipeline that is added under
    /// this name again owns it.
    pub fn remove_pipeline(&self, unit: &Unit) {
        lock(&self.units.pipelines).remove(unit);
        self.handle.remove(unit.clone());
    }

    /// Deletes everything a pipeline owns, then the pipeline. Tried until it succeeds; a suspended one is not touched
    /// before it is resumed.
    pub fn delete_pipeline(&self, unit: &Unit) {
        if let Some(pipeline) = self.units.pipeline(unit) {
            pipeline.deleting.store(true, Ordering::Relaxed);
            self.handle.supersede(unit.clone());
        }
    }

    /// Talks to the loop: trigger, suspend, resume, status.
    pub fn handle(&self) -> &Handle<Unit> {
        &self.handle
    }

    /// What is remembered of a pipeline: what it owns, what it has applied. `None` if there is no such pipeline.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn state(&self, unit: &Unit) -> Result<Option<PipelineState>, ReconcileError> {
        match self.units.pipeline(unit) {
            Some(pipeline) => pipeline.load(&*self.units.store).await.map(Some),
            None => Ok(None),
        }
    }

    /// A pipeline as it was added.
    pub fn pipeline(&self, unit: &Unit) -> Option<Pipeline> {
        self.units.pipeline(unit).map(|entry| entry.pipeline.clone())
    }

    /// The last good artifact of a source.
    pub fn artifact(&self, unit: &Unit) -> Option<Artifact> {
        self.units.source(unit)?.artifact()
    }

    /// What a run of a pipeline would do now, with the newest revision of its source: nothing is changed, in the cluster
    /// or here.
    ///
    /// # Errors
    /// There is no such pipeline, or a step of it fails.
    pub async fn plan(&self, cx: &Context, unit: &Unit) -> Result<Plan, ReconcileError> {
        let (entry, newest) = self.newest(cx, unit).await?;
        let artifact = entry.in_force(&*self.units.store, &newest).await;
        let cx = self.context(cx, unit, &artifact);
        let manifests = entry.pipeline.render(&cx, &artifact).await.map_err(pipeline::build_failed)?;
        let state = entry.load(&*self.units.store).await?;
        let failed = |error| pipeline::apply_failed("ReconciliationFailed", error);
        entry.pipeline.plan(&cx, &manifests, &state.inventory).await.map_err(failed)
    }

    /// A pipeline and the newest artifact of its source, which is asked.
    async fn newest(&self, cx: &Context, unit: &Unit) -> Result<(Arc<PipelineUnit>, Artifact), ReconcileError> {
        let entry = self.units.pipeline(unit).ok_or_else(|| unknown(unit))?;
        let source = self.units.source(&entry.pipeline.source).ok_or_else(|| no_source(&entry.pipeline))?;
        let source_cx = cx.clone().with_subject(entry.pipeline.source.to_string());
        self.units.renew(&source_cx, &entry.pipeline.source, &source, &self.handle).await?;
        let artifact = source.artifact().ok_or_else(|| no_artifact(&entry.pipeline))?;
        Ok((entry, artifact))
    }

    /// What work on a pipeline is given.
    fn context(&self, cx: &Context, unit: &Unit, artifact: &Artifact) -> Context {
        let claims = Arc::new(EngineClaims::new(&self.units, unit));
        cx.clone().with_subject(unit.to_string()).with_artifact(artifact.clone()).with_claims(claims)
    }

    /// Every change of a status from here on.
    pub fn watch(&self) -> impl Stream<Item = KeyStatus<Unit>> + Send + Unpin + use<> {
        self.handle.watch()
    }

    /// Runs until the context is cancelled. Then no new run starts, and runs under way end at their next safe point.
    ///
    /// # Errors
    /// The engine runs already, or has run.
    pub async fn run(&self, cx: &Context) -> Result<(), LoopClosed> {
        let driver = lock(&self.driver).take().ok_or(LoopClosed)?;
        driver.run(cx).await;
        Ok(())
    }
}

impl Units {
    fn source(&self, unit: &Unit) -> Option<Arc<SourceUnit>> {
        lock(&self.sources).get(unit).cloned()
    }

    fn pipeline(&self, unit: &Unit) -> Option<Arc<PipelineUnit>> {
        lock(&self.pipelines).get(unit).cloned()
    }

    /// A dependency that follows the same source must have applied the same revision first.
    fn check_dependencies(&self, pipeline: &Pipeline, artifact: &Artifact) -> Result<(), ReconcileError> {
        for dependency in &pipeline.schedule.depends_on {
            let Some(entry) = self.pipeline(dependency) else { continue };
            if entry.pipeline.source == pipeline.source
                && entry.last_applied_revision().as_ref() != Some(&artifact.revision)
            {
                let revision = &artifact.revision;
                let message = format!("dependency {dependency} has not applied revision {revision} yet");
                return Err(ReconcileError::not_ready(message));
            }
        }
        Ok(())
    }

    /// The conditions of a pipeline on others that do not hold.
    fn unmet<'a>(&'a self, entry: &'a PipelineUnit) -> impl Iterator<Item = Unmet> + 'a {
        entry.pipeline.conditions.iter().filter_map(|(dependency, condition)| {
            let holds = match self.pipeline(dependency) {
                Some(found) => condition.is_ready(&entry.describe(), &found.describe()),
                None => Err("it is not there".to_owned()),
            };
            let problem = match holds {
                Ok(true) => return None,
                Ok(false) => "its ready expression is false".to_owned(),
                Err(problem) => problem,
            };
            Some(Unmet { dependency: dependency.clone(), problem })
        })
    }

    /// Looks for a new revision of a source; if there is one, the pipelines that follow the source give way to it, unless
    /// they have taken it up already.
    async fn renew(
        &self,
        cx: &Context,
        unit: &Unit,
        source: &SourceUnit,
        handle: &Handle<Unit>,
    ) -> Result<(), ReconcileError> {
        if let Some(revision) = source.reconcile(cx).await? {
            let pipelines = lock(&self.pipelines);
            let followers = pipelines.iter().filter(|(_, entry)| entry.pipeline.source == *unit);
            for (follower, entry) in followers {
                match entry.attempted() {
                    Some(attempted) if attempted == revision => {}
                    Some(_) => handle.supersede(follower.clone()),
                    // Nothing to give way yet: a run that has only just started finds the new artifact.
                    None => handle.trigger(follower.clone()),
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Reconcile for Driver {
    type Key = Unit;

    async fn reconcile(&self, cx: &Context, unit: &Unit) -> Result<Next, ReconcileError> {
        let claims = Arc::new(EngineClaims::new(&self.units, unit));
        let cx = cx.clone().with_subject(unit.to_string()).with_claims(claims.clone());
        if let Some(source) = self.units.source(unit) {
            return self.reconcile_source(&cx, unit, &source).await;
        }
        let outcome = match self.units.pipeline(unit) {
            Some(pipeline) if pipeline.is_deleting() => self.delete(&cx, unit, &pipeline).await,
            Some(pipeline) => self.reconcile_pipeline(&cx, &pipeline).await,
            // Removed since it was asked for.
            None => Ok(Next::OnTrigger),
        };
        // Who wants what this one gives up may have waited for it.
        claims.claimants().into_iter().for_each(|claimant| self.handle.trigger(claimant));
        outcome
    }
}

impl Driver {
    async fn reconcile_source(&self, cx: &Context, unit: &Unit, source: &SourceUnit) -> Result<Next, ReconcileError> {
        let renewed = self.units.renew(cx, unit, source, &self.handle).await;
        if let Err(error) = &renewed
            && error.class != Class::Cancelled
        {
            cx.event(Severity::Error, error.reason.clone(), crate::error::chain(error));
        }
        renewed?;
        Ok(Next::Interval)
    }

    async fn reconcile_pipeline(&self, cx: &Context, entry: &PipelineUnit) -> Result<Next, ReconcileError> {
        let pipeline = &entry.pipeline;
        let source = self.units.source(&pipeline.source).ok_or_else(|| no_source(pipeline))?;
        let artifact = source.artifact().ok_or_else(|| no_artifact(pipeline))?;
        self.units.check_dependencies(pipeline, &artifact)?;
        self.check_conditions(entry)?;
        let outcome = entry.reconcile(cx, &*self.units.store, artifact, None).await;
        if entry.falling_back.swap(false, Ordering::Relaxed) {
            self.handle.trigger(pipeline.unit.clone());
        }
        self.wake_awaiting(&pipeline.unit);
        outcome
    }

    /// Every condition on another pipeline must hold.
    fn check_conditions(&self, entry: &PipelineUnit) -> Result<(), ReconcileError> {
        // Before looking: a dependency that ends meanwhile must find it.
        entry.awaits.store(true, Ordering::SeqCst);
        if let Some(unmet) = self.units.unmet(entry).next() {
            return Err(ReconcileError::not_ready(unmet.to_string()));
        }
        entry.awaits.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// What waits for a condition on a pipeline is looked at again when that one has run.
    fn wake_awaiting(&self, unit: &Unit) {
        for (waiting, entry) in lock(&self.units.pipelines).iter() {
            let awaits = entry.pipeline.conditions.iter().any(|(dependency, _)| dependency == unit);
            if awaits && entry.awaits.load(Ordering::SeqCst) {
                self.handle.trigger(waiting.clone());
            }
        }
    }

    async fn delete(&self, cx: &Context, unit: &Unit, entry: &PipelineUnit) -> Result<Next, ReconcileError> {
        // What has moved to another pipeline by a commit that nobody has looked for yet must not go with this one. A
        // source that cannot be asked is no reason to keep what is to be deleted.
        let sources: Vec<_> = EngineClaims::new(&self.units, unit)
            .sources()
            .into_iter()
            .filter_map(|source| self.units.source(&source).map(|found| (source, found)))
            .collect();
        for (unit, source) in sources {
            let cx = cx.clone().with_subject(unit.to_string());
            if let Err(error) = self.units.renew(&cx, &unit, &source, &self.handle).await {
                cx.check()?;
                tracing::debug!(%unit, %error, "cannot look for a new revision before a pipeline is deleted");
            }
        }
        entry.tear_down(cx, &*self.units.store).await?;
        lock(&self.units.pipelines).remove(unit);
        self.handle.remove(unit.clone());
        Ok(Next::OnTrigger)
    }
}

fn unknown(unit: &Unit) -> ReconcileError {
    ReconcileError::new(Class::Terminal, "NotFound", format!("there is no pipeline {unit}"))
}

fn no_source(pipeline: &Pipeline) -> ReconcileError {
    let message = format!("source {} not found; add it, or correct the reference to it", pipeline.source);
    ReconcileError::new(Class::NotReady, "ArtifactFailed", message)
}

fn no_artifact(pipeline: &Pipeline) -> ReconcileError {
    ReconcileError::new(Class::NotReady, "ArtifactFailed", format!("source {} has no artifact yet", pipeline.source))
}

/// Whatever a poisoned lock protects is still whole: every change under these locks is a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("sources", &lock(&self.units.sources).len())
            .field("pipelines", &lock(&self.units.pipelines).len())
            .finish_non_exhaustive()
    }
}
