//! `fluxrs tree`: sources, pipelines and objects.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use flux_core::error::chain;
use flux_core::{Action, Context, Engine, Origin, Unit};
use serde::Serialize;

use crate::Failure;
use crate::output::Show;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Tree {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
}

/// A source and what follows it.
#[derive(Serialize)]
struct Source {
    source: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    pipelines: Vec<Branch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Branch {
    pipeline: Unit,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<Unit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    objects: Vec<Leaf>,
}

#[derive(Serialize)]
struct Leaf {
    object: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

impl Tree {
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let cx = Context::background();
        let mut sources: BTreeMap<Unit, Vec<Branch>> = BTreeMap::new();
        for unit in pipelines {
            let Some(pipeline) = engine.pipeline(&unit) else { continue };
            let branch = branch(&engine, &cx, unit, pipeline.depends_on()).await?;
            sources.entry(pipeline.source().clone()).or_default().push(branch);
        }
        let tree: Vec<Source> = sources
            .into_iter()
            .map(|(source, pipelines)| {
                let revision = engine.artifact(&source).map(|artifact| artifact.revision.to_string());
                Source { source, revision, pipelines }
            })
            .collect();
        self.show.print(&tree, |tree| tree.iter().map(draw).collect())?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn branch(engine: &Engine, cx: &Context, unit: Unit, depends_on: Vec<Unit>) -> Result<Branch, Failure> {
    let state = engine.state(&unit).await?;
    let revision = state.as_ref().and_then(|state| state.last_applied_revision.as_ref()).map(ToString::to_string);
    let (problem, objects) = match engine.plan(cx, &unit).await {
        Ok(plan) => {
            let leaf = |change: flux_core::Change| Leaf {
                object: change.object.to_string(),
                state: match change.action {
                    Action::Create => "missing",
                    Action::Update | Action::Recreate => "differs",
                    Action::Delete => "to be deleted",
                    Action::Skip => "left alone",
                    Action::Unchanged => "in place",
                },
                origin: change.origin,
            };
            (None, plan.changes.into_iter().map(leaf).collect())
        }
        Err(error) => {
            // What it owns is there, whatever keeps it from being compared.
            let owned = state.iter().flat_map(|state| state.inventory.iter());
            let leaf = |object: flux_core::ObjectRef| Leaf { object: object.to_string(), state: "owned", origin: None };
            (Some(chain(&error)), owned.map(leaf).collect())
        }
    };
    Ok(Branch { pipeline: unit, depends_on, revision, problem, objects })
}

fn draw(source: &Source) -> String {
    let at = |revision: &Option<String>| revision.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
    let mut text = format!("{}{}\n", source.source, at(&source.revision));
    for (i, branch) in source.pipelines.iter().enumerate() {
        let last = i + 1 == source.pipelines.len();
        let after = match branch.depends_on.as_slice() {
            [] => String::new(),
            units => format!(", after {}", units.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        let (knot, rail) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        text += &format!("{knot}{}{}{after}\n", branch.pipeline, at(&branch.revision));
        if let Some(problem) = &branch.problem {
            text += &format!("{rail}! {}\n", problem.replace('\n', &format!("\n{rail}  ")));
        }
        for (j, leaf) in branch.objects.iter().enumerate() {
            let knot = if j + 1 == branch.objects.len() { "└── " } else { "├── " };
            let origin = leaf.origin.as_ref().map(|origin| format!("  {origin}")).unwrap_or_default();
            text += &format!("{rail}{knot}{} ({}){origin}\n", leaf.object, leaf.state);
        }
    }
    text
}
