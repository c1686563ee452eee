//! `fluxrs explain`: why pipelines are not where they should be.

use std::process::ExitCode;

use clap::Args;
use flux_core::Context;

use crate::Failure;
use crate::output::Show;
use crate::target::{Target, pick_all};

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
    /// The pipelines to explain; all when none is named
    pipelines: Vec<String>,
}

impl Explain {
    /// Ends with 0 when everything is where it should be and 1 when something is not.
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let cx = Context::background();
        let mut explained = Vec::new();
        for unit in pick_all(pipelines, &self.pipelines)? {
            explained.push(engine.look(&cx, &unit).await?);
        }
        self.show.print(&explained, |explained| explained.iter().map(|one| format!("{one}\n")).collect())?;
        let settled = explained.iter().all(flux_core::engine::Explanation::is_settled);
        Ok(if settled { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
