//! What a pipeline is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Unit;
use crate::applier::{Applier, ApplyError};
use crate::artifact::Artifact;
use crate::context::Context;
use crate::inventory::Inventory;
use crate::manifests::Manifests;
use crate::plan::Plan;
use crate::reconcile::{ReconcileError, Schedule};
use crate::renderer::{RenderError, Renderer};

/// Decides whether one pipeline is ready for another that depends on it.
pub trait ReadyCondition: fmt::Debug + Send + Sync {
    /// Whether `dependency` is ready for `this`, both as Flux shows them: `metadata`, `spec` and `status`.
    ///
    /// # Errors
    /// It cannot be told, and why.
    fn is_ready(&self, this: &Value, dependency: &Value) -> Result<bool, String>;
}

/// What describes a pipeline. It may hold values that are nobody's business, so it is not shown.
#[derive(Clone, Default)]
pub(super) struct Document(Arc<Value>);

impl Document {
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document")
    }
}

/// A pipeline: artifacts of one source, rendered and applied. Mirrors what a Flux Kustomization or HelmRelease says.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub(super) unit: Unit,
    pub(super) source: Unit,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) applier: Arc<dyn Applier>,
    pub(super) schedule: Schedule<Unit>,
    pub(super) wait: bool,
    pub(super) allow_empty: bool,
    pub(super) roll_back: bool,
    pub(super) conditions: Vec<(Unit, Arc<dyn ReadyCondition>)>,
    pub(super) document: Document,
}

impl Pipeline {
    /// The interval of a pipeline that says nothing else.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5 * 60);

    /// A pipeline that runs every five minutes and whenever its source has a new revision.
    pub fn new(unit: Unit, source: Unit, renderer: impl Renderer + 'static, applier: impl Applier + 'static) -> Self {
        Self {
            unit,
            source,
            renderer: Arc::new(renderer),
            applier: Arc::new(applier),
            schedule: Schedule::every(Self::DEFAULT_INTERVAL),
            wait: false,
            allow_empty: false,
            roll_back: false,
            conditions: Vec::new(),
            document: Document::default(),
        }
    }

    /// The same with another schedule: interval, retry interval, timeout, dependencies, suspension.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule<Unit>) -> Self {
        self.schedule = schedule;
        self
    }

    /// Whether a run waits until what it applied is ready (`spec.wait`).
    #[must_use]
    pub fn wait(mut self, wait: bool) -> Self {
        self.wait = wait;
        self
    }

    /// Whether a revision that renders no object at all may delete everything that is owned. Off by default, unlike in
    /// Flux: an emptied path is more often a mistake than a wish.
    #[must_use]
    pub fn allow_empty(mut self, allow: bool) -> Self {
        self.allow_empty = allow;
        self
    }

    /// Runs only when a condition holds of another pipeline, whether that one has succeeded or not: `readyExpr` of
    /// `spec.dependsOn`. A dependency that is named in the schedule too must meet both.
    #[must_use]
    pub fn after_if(mut self, dependency: Unit, condition: impl ReadyCondition + 'static) -> Self {
        self.conditions.push((dependency, Arc::new(condition)));
        self
    }

    /// The document that describes the pipeline, `metadata` and `spec`, which conditions of other pipelines look at.
    #[must_use]
    pub fn document(mut self, document: Value) -> Self {
        self.document = Document(Arc::new(document));
        self
    }

    /// The pipeline's name.
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// The name of the source it follows.
    pub fn source(&self) -> &Unit {
        &self.source
    }

    /// The pipelines it comes after, whether under a condition or not.
    pub fn depends_on(&self) -> Vec<Unit> {
        let conditions = self.conditions.iter().map(|(unit, _)| unit);
        let mut all: Vec<Unit> = self.schedule.depends_on.iter().chain(conditions).cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Renders an artifact and checks that no object is there twice. Nothing is changed.
    ///
    /// # Errors
    /// What is wrong with the input, with file and line.
    pub async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let manifests = cx.run(self.renderer.render(cx, artifact)).await??;
        manifests.check_unique()?;
        Ok(manifests)
    }

    /// What would have to be done to apply these objects where `owned` was applied before. Nothing is changed.
    ///
    /// # Errors
    /// The cluster refuses an object, or the guard against deleting everything.
    pub async fn plan(&self, cx: &Context, desired: &Manifests, owned: &Inventory) -> Result<Plan, ApplyError> {
        if desired.is_empty() && !owned.is_empty() && !self.allow_empty {
            return Err(ApplyError::Guard(format!(
                "the revision renders no objects and {} are owned; allow_empty lets it delete them all",
                owned.len()
            )));
        }
        cx.run(self.applier.plan(cx, desired, owned)).await?
    }
}

/// A failure at one stage of a pipeline, with Flux's reason for it.
pub(super) fn build_failed(error: RenderError) -> ReconcileError {
    let reason = if matches!(error, RenderError::PathNotFound { .. }) { "ArtifactFailed" } else { "BuildFailed" };
    ReconcileError::new(error.class(), reason, error)
}

/// As [`build_failed`], from planning, applying and waiting on.
pub(super) fn apply_failed(reason: &'static str, error: ApplyError) -> ReconcileError {
    let retry_after = match &error {
        ApplyError::Object { error, .. } => error.retry_after(),
        _ => None,
    };
    ReconcileError::new(error.class(), reason, error).retry_after(retry_after)
}
