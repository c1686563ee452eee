//! `fluxrs apply`: one run of every pipeline, dependencies first.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use flux_core::error::chain;
use flux_core::{Class, Context, Plan, Unit};
use flux_examples::terminal::Terminal;
use serde::Serialize;

use crate::Failure;
use crate::journal::Journal;
use crate::output::Show;
use crate::target::{Target, pick_all};

#[derive(Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
    /// Carry out this plan, as `plan -o json` printed it, and nothing else: refused where something has changed since
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Record every change here, as JSON lines chained by their hashes
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The pipelines to apply; all when none is named
    pipelines: Vec<String>,
}

/// What became of one pipeline.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    pipeline: Unit,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    plan: Option<Plan>,
}

impl Apply {
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let approved = self.plan.as_ref().map(read).transpose()?;
        let (engine, pipelines) = self.target.engine().await?;
        let mut cx = Context::background();
        if self.show.is_json() {
            if let Some(path) = &self.journal {
                cx = cx.with_audit(Arc::new(flux_core::audit::FileJournal::open(path)?));
            }
        } else {
            let terminal = Arc::new(Terminal::default());
            let journal = Journal::new(terminal.clone(), self.journal.as_deref())?;
            cx = cx.with_events(terminal).with_audit(Arc::new(journal));
        }
        let mut waiting = pick_all(pipelines, &self.pipelines)?;
        if let Some(approved) = &approved {
            waiting.retain(|unit| approved.contains_key(&unit.to_string()));
        }
        let mut applied = Vec::new();
        // Whoever waits for another is tried again once something was applied.
        loop {
            let (mut later, mut progress) = (Vec::new(), false);
            for unit in std::mem::take(&mut waiting) {
                let result = apply(&engine, &cx, &unit, approved.as_ref()).await;
                match result {
                    Err(error) if error.class == Class::NotReady => later.push((unit, error)),
                    result => {
                        progress |= result.is_ok();
                        applied.push(told(&engine, unit, result).await);
                    }
                }
            }
            if later.is_empty() || !progress {
                for (unit, error) in later {
                    applied.push(told(&engine, unit, Err(error)).await);
                }
                break;
            }
            waiting = later.into_iter().map(|(unit, _)| unit).collect();
        }
        self.show.print(&applied, |applied| applied.iter().map(line).collect())?;
        Ok(if applied.iter().all(|one| one.applied) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

type Approved = BTreeMap<String, Plan>;

fn read(path: &PathBuf) -> Result<Approved, Failure> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("--plan {shown}: {error}"))?;
    serde_json::from_slice(&text)
        .map_err(|error| format!("--plan {shown}: not a plan of `plan -o json`: {error}").into())
}

async fn apply(
    engine: &flux_core::Engine,
    cx: &Context,
    unit: &Unit,
    approved: Option<&Approved>,
) -> Result<Plan, flux_core::reconcile::ReconcileError> {
    let plan = match approved.and_then(|approved| approved.get(&unit.to_string())) {
        Some(plan) => plan.clone(),
        // Nobody has seen a plan: it is made for what is told afterwards.
        None => engine.plan(cx, unit).await?,
    };
    let binding = approved.is_some().then_some(&plan);
    engine.run_once(cx, unit, binding).await?;
    Ok(plan)
}

async fn told(
    engine: &flux_core::Engine,
    pipeline: Unit,
    result: Result<Plan, flux_core::reconcile::ReconcileError>,
) -> Applied {
    let state = engine.state(&pipeline).await.ok().flatten();
    let revision = state.and_then(|state| state.last_applied_revision).map(|revision| revision.to_string());
    match result {
        Ok(plan) => Applied { pipeline, applied: true, revision, reason: None, message: None, plan: Some(plan) },
        Err(error) => Applied {
            pipeline,
            applied: false,
            revision,
            reason: Some(error.reason.to_string()),
            message: Some(chain(&error)),
            plan: None,
        },
    }
}

fn line(one: &Applied) -> String {
    let at = one.revision.as_deref().map(|revision| format!(" at {revision}")).unwrap_or_default();
    match (&one.message, &one.plan) {
        (None, Some(plan)) if plan.is_empty() => format!("{}{at}: nothing to do\n", one.pipeline),
        (None, _) => format!("{}{at}: applied\n", one.pipeline),
        (Some(message), _) => {
            format!("{}{at}: {}: {message}\n", one.pipeline, one.reason.as_deref().unwrap_or_default())
        }
    }
}
