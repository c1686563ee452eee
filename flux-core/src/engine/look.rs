//! What a pipeline would explain of itself, from a look at the cluster and without running.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Engine, Explanation, Unit};
use crate::applier::HealthStatus;
use crate::context::Context;
use crate::error::chain;
use crate::plan::{Action, Plan};
use crate::reconcile::{Phase, ReconcileError};

/// How long objects may take to be looked at.
const LOOK: Duration = Duration::from_secs(2);

impl Engine {
    /// As [`explain`](Self::explain), for an engine that does not run: the source is asked, a plan made and the objects
    /// looked at, of the pipeline and of all that it depends on. Nothing is changed.
    ///
    /// # Errors
    /// There is no such pipeline. What goes wrong on the way is part of the explanation.
    pub async fn look(&self, cx: &Context, unit: &Unit) -> Result<Explanation, ReconcileError> {
        self.units.pipeline(unit).ok_or_else(|| super::unknown(unit))?;
        // Dependencies first: what they are decides about the rest. A circle is cut where it closes.
        let mut order: Vec<Unit> = vec![unit.clone()];
        let mut at = 0;
        while let Some(next) = order.get(at).cloned() {
            for dependency in self.units.pipeline(&next).map(|entry| entry.pipeline.depends_on()).unwrap_or_default() {
                if !order.contains(&dependency) {
                    order.push(dependency);
                }
            }
            at += 1;
        }
        let mut explained: Vec<Explanation> = Vec::new();
        for unit in order.iter().rev() {
            let explanation = self.look_at(cx, unit, &explained).await;
            explained.push(explanation);
        }
        explained.pop().ok_or_else(|| super::unknown(unit))
    }

    async fn look_at(&self, cx: &Context, unit: &Unit, before: &[Explanation]) -> Explanation {
        let mut explanation = Explanation::of(unit.clone());
        let Some(entry) = self.units.pipeline(unit) else { return explanation };
        let state = match entry.load(&*self.units.store).await {
            Ok(state) => state,
            Err(error) => return explanation.failed(&error),
        };
        explanation.revision = state.last_applied_revision.clone();
        explanation.rollback = state.rollback.clone();
        let newest = match self.newest(cx, unit).await {
            Ok((_, newest)) => newest,
            Err(error) => {
                let mut source = Explanation::of(entry.pipeline.source.clone());
                source = source.failed(&error);
                explanation.phase = Some(Phase::Blocked);
                explanation.message = "its source cannot be had".to_owned();
                explanation.causes.push(source);
                return explanation;
            }
        };
        explanation.pending =
            Some(newest.revision.clone()).filter(|newest| Some(newest) != explanation.revision.as_ref());
        for dependency in entry.pipeline.depends_on() {
            let found = before.iter().find(|known| known.unit == dependency).cloned();
            let found = found.unwrap_or_else(|| Explanation::of(dependency));
            if !found.is_settled() {
                explanation.causes.push(found);
            }
        }
        explanation.conditions = self.unmet_conditions(&entry);
        if entry.pipeline.schedule.suspend {
            explanation.phase = Some(Phase::Suspended);
            explanation.message = "suspended".to_owned();
            return explanation;
        }
        if entry.deleting.load(Ordering::Relaxed) {
            explanation.message = "being deleted".to_owned();
        }
        match self.plan(cx, unit).await {
            Ok(plan) if plan.is_empty() => {}
            Ok(plan) => explanation.message = outstanding(&plan),
            Err(error) => return explanation.failed(&error),
        }
        let brief = cx.clone().with_timeout(LOOK);
        match entry.pipeline.applier.wait(&brief, &state.inventory).await {
            Ok(health) => explanation.not_ready = health.waiting().cloned().collect(),
            Err(error) => explanation.message = chain(&error),
        }
        // What the pipeline does not wait for is told and holds nothing up, unless it has failed.
        let held_up =
            explanation.not_ready.iter().any(|object| entry.pipeline.wait || object.status == HealthStatus::Failed);
        if state.rollback_from(&newest.revision).is_some() {
            explanation.phase = Some(Phase::Stalled);
            return explanation;
        }
        explanation.phase = Some(if !explanation.causes.is_empty() || !explanation.conditions.is_empty() {
            Phase::Blocked
        } else if explanation.message.is_empty() && explanation.pending.is_none() && !held_up {
            Phase::Ready
        } else {
            Phase::Pending
        });
        explanation
    }
}

/// What a plan would do, in a few words.
fn outstanding(plan: &Plan) -> String {
    let count = |action, verb: &str| match plan.count(action) {
        0 => None,
        count => Some(format!("{count} to {verb}")),
    };
    let all = [
        count(Action::Create, "create"),
        count(Action::Update, "update"),
        count(Action::Recreate, "recreate"),
        count(Action::Delete, "delete"),
    ];
    format!("of {} objects {}", plan.changes.len(), all.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

impl Explanation {
    fn failed(mut self, error: &ReconcileError) -> Self {
        self.phase = Some(Phase::Retrying);
        self.reason = error.reason.to_string();
        self.message = chain(error);
        self
    }
}
