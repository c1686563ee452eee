//! `fluxrs rollback`: back to an earlier good revision.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use flux_core::audit::FileJournal;
use flux_core::{Context, Revision};
use flux_examples::terminal::Terminal;
use serde_json::json;

use crate::Failure;
use crate::journal::Journal;
use crate::output::Show;
use crate::target::{Target, pick};

#[derive(Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
    /// The revision to go back to, as `history` shows it; the last good one before the present when not given
    #[arg(long, value_name = "REVISION", conflicts_with = "release")]
    to: Option<String>,
    /// Go on: apply again the revision that was gone back from
    #[arg(long)]
    release: bool,
    /// Record every change here, as JSON lines chained by their hashes
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The pipeline
    pipeline: String,
}

impl Rollback {
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        if !self.target.remembers() {
            return Err("--state is missing: what can be gone back to is where `run` or `apply` remembered it".into());
        }
        let (engine, pipelines) = self.target.engine().await?;
        let unit = pick(&pipelines, &self.pipeline)?;
        let terminal = Arc::new(Terminal::default());
        let mut cx = Context::background();
        if !self.show.is_json() {
            let journal = Journal::new(terminal.clone(), self.journal.as_deref())?;
            cx = cx.with_audit(Arc::new(journal)).with_events(terminal);
        } else if let Some(path) = &self.journal {
            cx = cx.with_audit(Arc::new(FileJournal::open(path)?));
        }
        let rollback = if self.release {
            engine.release(&unit).await?.ok_or_else(|| format!("{unit} has not gone back"))?
        } else {
            let to = self.to.as_deref().map(Revision::new);
            engine.roll_back(&cx, &unit, to.as_ref()).await?
        };
        match engine.run_once(&cx, &unit, None).await {
            // It did what it was told and says that it is not at its newest revision.
            Err(error) if !self.release && error.reason == "RollbackSucceeded" => {}
            outcome => outcome?,
        }
        let answer = json!({"pipeline": unit, "released": self.release, "rollback": rollback});
        self.show.print(&answer, |_| {
            if self.release {
                format!("{unit} is at its newest revision again")
            } else {
                format!("{unit} went back from {} to {}, until there is a newer one", rollback.from, rollback.to)
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
