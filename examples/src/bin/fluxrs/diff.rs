//! `fluxrs diff`: the cluster against the documents, field by field.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use flux_core::plan::Change;
use flux_core::{Action, Context, Unit};
use serde::Serialize;

use crate::Failure;
use crate::output::{Show, plain};
use crate::target::{Target, pick_all};

#[derive(Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
    /// The pipelines to compare; all when none is named
    pipelines: Vec<String>,
}

/// An object that differs.
#[derive(Serialize)]
struct Difference {
    pipeline: Unit,
    #[serde(flatten)]
    change: Change,
}

impl Diff {
    /// Ends with 0 when nothing differs and 1 when something does.
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let cx = Context::background();
        let mut differences = Vec::new();
        for unit in pick_all(pipelines, &self.pipelines)? {
            let plan = engine.plan(&cx, &unit).await.map_err(|error| format!("{unit}: {error}"))?;
            let changes =
                plan.changes.into_iter().filter(|change| change.action.is_change() || !change.fields.is_empty());
            differences.extend(changes.map(|change| Difference { pipeline: unit.clone(), change }));
        }
        self.show.print(&differences, |differences| match differences.as_slice() {
            [] => "nothing differs".to_owned(),
            differences => differences.iter().map(text).collect(),
        })?;
        Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn text(difference: &Difference) -> String {
    let Change { object, action, origin, reason, fields, .. } = &difference.change;
    let live = if *action == Action::Create { "not there".to_owned() } else { "in the cluster".to_owned() };
    let wanted = origin.as_ref().map_or_else(|| "no longer in the source".to_owned(), ToString::to_string);
    let mut text = format!("--- {object}  {live}\n+++ {wanted}  {}", difference.pipeline);
    if let Some(reason) = reason {
        let _ = write!(text, "  ({reason})");
    }
    text.push('\n');
    for field in fields {
        for (sign, value) in [('-', &field.before), ('+', &field.after)] {
            if let Some(value) = value {
                let _ =
                    writeln!(text, "{sign} {}: {}", field.path, plain(value).replace('\n', &format!("\n{sign}   ")));
            }
        }
    }
    text.push('\n');
    text
}
