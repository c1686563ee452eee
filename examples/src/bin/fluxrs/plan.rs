//! `fluxrs plan`: what a run would change.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use flux_core::Context;

use crate::Failure;
use crate::run::Target;

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    target: Target,
    /// How to show it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Plan {
    /// Ends with 0 when nothing would change and 1 when something would, as `flux diff` does.
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let cx = Context::background();
        let mut changes = false;
        let mut plans = serde_json::Map::new();
        for unit in pipelines {
            let plan = engine.plan(&cx, &unit).await?;
            changes |= !plan.is_empty();
            match self.output {
                Output::Text => println!("{unit}\n{plan}"),
                Output::Json => {
                    plans.insert(unit.to_string(), serde_json::to_value(&plan)?);
                }
            }
        }
        if matches!(self.output, Output::Json) {
            println!("{}", serde_json::to_string_pretty(&plans)?);
        }
        Ok(if changes { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
