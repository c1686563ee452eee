//! `fluxrs plan`: what a run would change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use flux_core::Context;

use crate::Failure;
use crate::output::Show;
use crate::target::{Target, pick_all};

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
    /// The pipelines to plan; all when none is named
    pipelines: Vec<String>,
}

impl Plan {
    /// Ends with 0 when nothing would change and 1 when something would, as `flux diff` does.
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let cx = Context::background();
        let mut plans = BTreeMap::new();
        for unit in pick_all(pipelines, &self.pipelines)? {
            plans.insert(unit.to_string(), engine.plan(&cx, &unit).await.map_err(|error| format!("{unit}: {error}"))?);
        }
        self.show.print(&plans, |plans| {
            plans.iter().fold(String::new(), |mut text, (unit, plan)| {
                let _ = writeln!(text, "{unit}\n{plan}");
                text
            })
        })?;
        let changes = plans.values().any(|plan| !plan.is_empty());
        Ok(if changes { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
