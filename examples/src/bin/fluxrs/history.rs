//! `fluxrs history`: what was applied, what was changed, and the state at any time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flux_core::audit::{FileJournal, Line, Recorded, state_at};
use flux_core::store::{FileStateStore, Good, Rollback, Snapshot};
use flux_core::{StateStore, Timestamp, Unit};
use flux_kube::api::{self, Resource};
use serde::Serialize;

use crate::Failure;
use crate::output::{Show, plain};

#[derive(Args)]
#[group(required = true, multiple = true, args = ["journal", "file"])]
pub(crate) struct History {
    /// The journal that `run` or `apply` kept: every change, checked for lines that were edited or removed
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Replay the journal to this time and show what was in the cluster then
    #[arg(long, value_name = "TIME", requires = "journal")]
    at: Option<String>,
    /// A file with Flux documents: the revisions of its Kustomizations, and those that can be gone back to
    #[arg(short = 'f', long = "filename", requires = "state")]
    file: Option<PathBuf>,
    /// Where `run` or `apply` remembered what is owned
    #[arg(long)]
    state: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
    /// Of the journal, only what is about objects or pipelines whose name contains this
    about: Option<String>,
}

/// The revisions of one pipeline.
#[derive(Serialize)]
struct Revisions {
    pipeline: String,
    history: Vec<Snapshot>,
    good: Vec<Good>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<Rollback>,
}

#[derive(Serialize, Default)]
struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pipelines: Vec<Revisions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Line>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<BTreeMap<String, Recorded>>,
}

impl History {
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let mut answer = Answer::default();
        if let (Some(file), Some(dir)) = (&self.file, &self.state) {
            answer.pipelines = revisions(file, dir).await?;
        }
        if let Some(path) = &self.journal {
            let journal = FileJournal::read(path)?;
            let is_asked = |text: &str| self.about.as_ref().is_none_or(|about| text.contains(about.as_str()));
            if let Some(at) = &self.at {
                let at: Timestamp =
                    at.parse().map_err(|_| format!("--at {at}: it should read 2026-01-31T12:00:00Z"))?;
                let state = state_at(&journal, at)?.into_iter().map(|(id, recorded)| (id.to_string(), recorded));
                answer.state =
                    Some(state.filter(|(id, recorded)| is_asked(id) || is_asked(&recorded.subject)).collect());
            } else {
                let lines = journal.lines().map(serde_json::from_str).collect::<Result<Vec<Line>, _>>()?;
                let asked = |line: &Line| is_asked(&line.entry.object.to_string()) || is_asked(&line.entry.subject);
                answer.changes = Some(lines.into_iter().filter(asked).collect());
            }
        }
        self.show.print(&answer, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn revisions(file: &PathBuf, dir: &PathBuf) -> Result<Vec<Revisions>, Failure> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
    let store = FileStateStore::open(dir)?;
    let mut all = Vec::new();
    for document in api::read(&shown, &bytes)? {
        let Resource::Kustomization(kustomization) = &document.resource else { continue };
        let metadata = &kustomization.metadata;
        let namespace = if metadata.namespace.is_empty() { "default" } else { &metadata.namespace };
        let pipeline = Unit::new("Kustomization", namespace, metadata.name.as_str()).to_string();
        let state = store.load(&pipeline).await?.unwrap_or_default();
        all.push(Revisions {
            pipeline,
            history: state.history.iter().cloned().collect(),
            good: state.good.into_iter().collect(),
            rollback: state.rollback,
        });
    }
    Ok(all)
}

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for Revisions { pipeline, history, good, rollback } in &answer.pipelines {
        let _ = writeln!(text, "{pipeline}");
        if history.is_empty() {
            let _ = writeln!(text, "  nothing was applied");
        }
        for Snapshot { last_reconciled, last_reconciled_status, total_reconciliations, revision, .. } in history {
            let _ = writeln!(
                text,
                "  {last_reconciled}  {revision}  {last_reconciled_status} ({total_reconciliations} times)"
            );
        }
        for good in good {
            let _ = writeln!(text, "  can go back to {}, good since {}", good.revision, good.since);
        }
        if let Some(Rollback { from, to, reason, since }) = rollback {
            let _ = writeln!(text, "  went back from {from} to {to} at {since}: {reason}");
        }
    }
    for Line { entry, .. } in answer.changes.iter().flatten() {
        let at = entry.revision.as_ref().map(|revision| format!(" at {revision}")).unwrap_or_default();
        let _ = writeln!(text, "{}  {} {}  {}{at}", entry.time, entry.object, entry.action.past(), entry.subject);
        for field in &entry.fields {
            let show = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(|| "—".to_owned(), plain);
            let _ = writeln!(text, "    {}: {} → {}", field.path, show(&field.before), show(&field.after));
        }
    }
    for (id, recorded) in answer.state.iter().flatten() {
        let at = recorded.revision.as_ref().map(|revision| format!(" at {revision}")).unwrap_or_default();
        let _ = writeln!(text, "{id}  {}{at}, changed {}", recorded.subject, recorded.changed);
        for (field, value) in &recorded.fields {
            let _ = writeln!(text, "    {field}: {}", value.as_ref().map_or_else(|| "—".to_owned(), plain));
        }
    }
    text
}
