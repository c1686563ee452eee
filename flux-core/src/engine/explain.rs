//! Why a pipeline is not where it should be.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::pipeline_unit::PipelineUnit;
use super::{Engine, Unit, lock};
use crate::applier::{HealthStatus, ObjectHealth};
use crate::artifact::Revision;
use crate::reconcile::{KeyStatus, LoopClosed, Phase};
use crate::store::Rollback;
use crate::time::Timestamp;

/// The answer to "why is this not running, not ready, blocked": the state of a unit and, as far as that explains it, of
/// everything it waits for. As text it is indented, the causes below what they cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Which source or pipeline.
    pub unit: Unit,
    /// Where it is in its life; none if there is no such unit.
    pub phase: Option<Phase>,
    /// Flux's reason for its last failure; empty when there is none.
    pub reason: String,
    /// What failed, or what is waited for.
    pub message: String,
    /// The revision it has applied in full, or the one a source has fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The revision it is about to apply, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Revision>,
    /// When it runs next; none while something else has to happen first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run: Option<Timestamp>,
    /// That it went back from a revision and stays at an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// The conditions on other pipelines (`readyExpr`) that do not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Unmet>,
    /// Its objects that were not ready when they were last looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ready: Vec<ObjectHealth>,
    /// The source and the dependencies that are not as they should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Explanation>,
}

/// A condition on another pipeline that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmet {
    /// The pipeline that the condition is about.
    pub dependency: Unit,
    /// Why it does not hold.
    pub problem: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dependency {} is not ready: {}", self.dependency, self.problem)
    }
}

impl Engine {
    /// Why a source or pipeline is where it is.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn explain(&self, unit: &Unit) -> Result<Explanation, LoopClosed> {
        let statuses = self.handle.statuses().await?;
        Ok(self.explain_from(unit, &statuses, &mut HashSet::new()))
    }

    fn explain_from(&self, unit: &Unit, statuses: &[KeyStatus<Unit>], seen: &mut HashSet<Unit>) -> Explanation {
        let status = statuses.iter().find(|status| status.key == *unit);
        let mut explanation = Explanation::of(unit.clone());
        if let Some(status) = status {
            explanation.phase = Some(status.phase);
            explanation.reason = status.reason.to_string();
            explanation.message = status.message.clone();
            explanation.next_run = status.next_run;
        }
        if let Some(source) = self.units.source(unit) {
            explanation.revision = source.artifact().map(|artifact| artifact.revision);
        }
        let Some(entry) = self.units.pipeline(unit) else { return explanation };
        explanation.revision = entry.last_applied_revision();
        let newest = self.units.source(&entry.pipeline.source).and_then(|source| source.artifact());
        explanation.pending =
            newest.map(|artifact| artifact.revision).filter(|newest| Some(newest) != explanation.revision.as_ref());
        explanation.rollback = entry.rollback();
        explanation.conditions = self.unmet_conditions(&entry);
        explanation.not_ready = lock(&entry.health).iter().flat_map(|health| health.waiting().cloned()).collect();
        if seen.insert(unit.clone()) {
            let mut asked = vec![entry.pipeline.source.clone()];
            asked.extend(entry.pipeline.depends_on());
            // What a condition is about need not be settled for it to hold.
            let holds = |unit: &Unit| {
                entry.pipeline.conditions.iter().any(|(dependency, _)| dependency == unit)
                    && !entry.pipeline.schedule.depends_on.contains(unit)
                    && !explanation.conditions.iter().any(|unmet| unmet.dependency == *unit)
            };
            asked.retain(|unit| !holds(unit));
            let causes = asked.iter().map(|cause| self.explain_from(cause, statuses, seen));
            explanation.causes = causes.filter(|cause| !cause.is_settled()).collect();
        }
        explanation
    }

    /// The conditions on other pipelines that do not hold now.
    pub(super) fn unmet_conditions(&self, entry: &PipelineUnit) -> Vec<Unmet> {
        self.units.unmet(entry).collect()
    }
}

impl Explanation {
    /// Nothing about a unit: it is not there.
    pub(super) fn of(unit: Unit) -> Self {
        Self {
            unit,
            phase: None,
            reason: String::new(),
            message: String::new(),
            revision: None,
            pending: None,
            next_run: None,
            rollback: None,
            conditions: Vec::new(),
            not_ready: Vec::new(),
            causes: Vec::new(),
        }
    }

    /// Whether nothing is left to be explained.
    pub fn is_settled(&self) -> bool {
        self.phase == Some(Phase::Ready) && self.pending.is_none() && self.causes.is_empty()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        write!(f, "{indent}{} is ", self.unit)?;
        match self.phase {
            None => write!(f, "not there")?,
            Some(phase) => write!(f, "{}", format!("{phase:?}").to_lowercase())?,
        }
        match (&self.revision, &self.pending) {
            (Some(at), Some(pending)) => write!(f, " at {at}, with {pending} to come")?,
            (Some(at), None) => write!(f, " at {at}")?,
            (None, Some(pending)) => write!(f, ", with {pending} to come")?,
            (None, None) => {}
        }
        if self.phase.is_some() && !self.message.is_empty() {
            let reason = if self.reason.is_empty() { String::new() } else { format!("{}: ", self.reason) };
            write!(f, "\n{indent}  {reason}{}", self.message.replace('\n', &format!("\n{indent}  ")))?;
        }
        if let Some(Rollback { from, to, reason, .. }) = &self.rollback {
            write!(
                f,
                "\n{indent}  it went back from {from} to {to}: {}",
                reason.replace('\n', &format!("\n{indent}  "))
            )?;
        }
        for unmet in self.conditions.iter().filter(|unmet| !self.message.contains(&unmet.to_string())) {
            write!(f, "\n{indent}  {unmet}")?;
        }
        for object in &self.not_ready {
            let status = if object.status == HealthStatus::Unknown { "unknown" } else { "not ready" };
            write!(f, "\n{indent}  {} was {status}: {}", object.id, object.message)?;
        }
        if let Some(next) = self.next_run.filter(|_| !self.is_settled()) {
            write!(f, "\n{indent}  it runs again at {next}")?;
        }
        for cause in &self.causes {
            writeln!(f)?;
            cause.write(f, depth + 1)?;
        }
        Ok(())
    }
}

/// Indented text, the causes below what they cause.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}
