//! One run of one pipeline, for whoever wants to see it to its end.

use std::sync::atomic::Ordering;

use super::{Engine, Unit, lock};
use crate::context::Context;
use crate::error::Class;
use crate::plan::Plan;
use crate::reconcile::ReconcileError;

impl Engine {
    /// Runs a pipeline once, in an engine that does not run by itself: its source is asked, and what is new is applied and,
    /// where the pipeline waits, waited for, in the time that a run of it may take. With `approved`, a [`plan`](Self::plan) that was
    /// shown to somebody, nothing is done unless it is just that.
    ///
    /// # Errors
    /// The engine runs by itself, there is no such pipeline, a dependency has not been applied, the approved plan is stale,
    /// or whatever a run can fail with.
    pub async fn run_once(&self, cx: &Context, unit: &Unit, approved: Option<&Plan>) -> Result<(), ReconcileError> {
        if lock(&self.driver).is_none() {
            let problem = "the engine runs by itself; trigger the pipeline there";
            return Err(ReconcileError::new(Class::Terminal, "Running", problem));
        }
        let (entry, artifact) = self.newest(cx, unit).await?;
        let store = &*self.units.store;
        for dependency in entry.pipeline.depends_on() {
            let applied = match self.units.pipeline(&dependency) {
                Some(found) => found.load(store).await?.last_applied_revision,
                None => None,
            };
            if applied.is_none() {
                return Err(ReconcileError::not_ready(format!("dependency {dependency} has not been applied yet")));
            }
        }
        self.units.check_dependencies(&entry.pipeline, &artifact)?;
        if let Some(unmet) = self.units.unmet(&entry).next() {
            return Err(ReconcileError::not_ready(unmet.to_string()));
        }
        let cx = self.context(cx, unit, &artifact);
        let timely = || cx.clone().with_timeout(entry.pipeline.schedule.timeout);
        let outcome = entry.reconcile(&timely(), store, artifact.clone(), approved).await;
        if entry.falling_back.swap(false, Ordering::Relaxed) {
            return entry.reconcile(&timely(), store, artifact, None).await.map(drop);
        }
        outcome.map(drop)
    }
}
