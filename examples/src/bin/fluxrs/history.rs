//! `fluxrs history`: what was applied, what was changed, and the state at any time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flux_core::audit::{FileJournal, Line, Recorded, state_at};
use flux_core::cluster::ClusterError;
use flux_core::store::{FileStateStore, Good, PipelineState, Rollback, Snapshot};
use flux_core::{Cluster, Context, Object, ObjectId, StateStore, Timestamp, Unit};
use flux_kube::api::{self, Resource};
use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::output::{Show, plain};
use crate::target::Reach;

#[derive(Args)]
#[group(required = true, multiple = true, args = ["journal", "file"])]
pub(crate) struct History {
    /// The journal that `run` or `apply` kept: every change, checked for lines that were edited or removed
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Replay the journal to this time and show what was in the cluster then
    #[arg(long, value_name = "TIME", requires = "journal")]
    at: Option<String>,
    /// A file with Flux documents: the revisions of its Kustomizations, as --state has them with those that can be gone
    /// back to, and as the controllers of Flux keep them in the cluster of --kubeconfig
    #[arg(short = 'f', long = "filename")]
    file: Option<PathBuf>,
    /// Where `run` or `apply` remembered what is owned
    #[arg(long, requires = "file")]
    state: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
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
    /// What the controllers of Flux keep in the cluster; none if it was not asked or knows no such Kustomization.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Vec<Snapshot>>,
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
        if self.file.is_none() && self.reach.is_given() {
            return Err("--kubeconfig is for the Kustomizations of a file, and -f is missing".into());
        }
        if let Some(file) = &self.file {
            answer.pipelines = self.revisions(file).await?;
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

    async fn revisions(&self, file: &Path) -> Result<Vec<Revisions>, Failure> {
        let shown = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
        let (store, cluster) =
            (self.state.as_ref().map(FileStateStore::open).transpose()?, self.reach.cluster().await?);
        if store.is_none() && cluster.is_none() {
            return Err("the past is where --state or --kubeconfig says, and neither is given".into());
        }
        let mut all = Vec::new();
        for document in api::read(&shown, &bytes)? {
            let Resource::Kustomization(kustomization) = &document.resource else { continue };
            let metadata = &kustomization.metadata;
            let namespace = if metadata.namespace.is_empty() { "default" } else { &metadata.namespace };
            let pipeline = Unit::new("Kustomization", namespace, metadata.name.as_str()).to_string();
            let state = match &store {
                Some(store) => store.load(&pipeline).await?.unwrap_or_default(),
                None => PipelineState::default(),
            };
            let live = match &cluster {
                Some(cluster) => find(&**cluster, namespace, &metadata.name).await?,
                None => None,
            };
            all.push(Revisions {
                pipeline,
                history: state.history.iter().cloned().collect(),
                cluster: live.as_ref().map(kept).transpose()?,
                good: state.good.into_iter().collect(),
                rollback: state.rollback,
            });
        }
        Ok(all)
    }
}

/// A Kustomization as the controllers of Flux know it. Where Flux is not there, nor is that.
async fn find(cluster: &dyn Cluster, namespace: &str, name: &str) -> Result<Option<Object>, Failure> {
    let object = ObjectId::new("kustomize.toolkit.fluxcd.io", "Kustomization", namespace, name).at("v1");
    match cluster.get(&Context::background(), &object).await {
        Ok(live) => Ok(live),
        Err(ClusterError::UnknownKind(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a Kustomization of Flux says about its past, newest first.
fn kept(live: &Object) -> Result<Vec<Snapshot>, Failure> {
    let entries = live.pointer("/status/history").and_then(Value::as_array);
    let entry = |(i, entry): (usize, &Value)| {
        let mut entry = entry.clone();
        // Flux has the revision among what it calls metadata.
        entry["revision"] = entry.pointer("/metadata/revision").cloned().unwrap_or_default();
        serde_json::from_value(entry).map_err(|error| format!("{live}: status.history[{i}]: {error}").into())
    };
    entries.into_iter().flatten().enumerate().map(entry).collect()
}

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for Revisions { pipeline, history, cluster, good, rollback } in &answer.pipelines {
        let _ = writeln!(text, "{pipeline}");
        if history.is_empty() && cluster.as_ref().is_none_or(Vec::is_empty) {
            let _ = writeln!(text, "  nothing was applied");
        }
        let ours = history.iter().map(|snapshot| (snapshot, ""));
        let theirs = cluster.iter().flatten().map(|snapshot| (snapshot, ", says the cluster"));
        for (snapshot, who) in ours.chain(theirs) {
            let Snapshot { last_reconciled, last_reconciled_status, total_reconciliations, revision, .. } = snapshot;
            let _ = writeln!(
                text,
                "  {last_reconciled}  {revision}  {last_reconciled_status} ({total_reconciliations} times{who})"
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
