//! `fluxrs run`: reconcile what Flux documents describe.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use flux_core::Context;
use flux_core::engine::Engine;
use flux_core::reconcile::Phase;
use flux_examples::terminal::Terminal;

use crate::Failure;
use crate::journal::Journal;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    target: Target,
    /// End once every Kustomization is ready; fail if one cannot be
    #[arg(long)]
    once: bool,
    /// Record every change here, as JSON lines chained by their hashes
    #[arg(long)]
    journal: Option<PathBuf>,
}

impl Run {
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let terminal = Arc::new(Terminal::default());
        let cx = Context::background()
            .with_events(terminal.clone())
            .with_audit(Arc::new(Journal::new(terminal, self.journal.as_deref())?));
        tokio::spawn({
            let cancel = cx.cancellation().clone();
            async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    cancel.cancel();
                }
            }
        });
        let runner = tokio::spawn({
            let (engine, cx) = (engine.clone(), cx.clone());
            async move { engine.run(&cx).await }
        });
        let code = if self.once { wait_for_all(&engine, &pipelines, &cx).await? } else { ExitCode::SUCCESS };
        if self.once {
            cx.cancellation().cancel();
        }
        runner.await??;
        Ok(code)
    }
}

/// Waits until every pipeline is ready or one is stalled, or the run is cancelled.
async fn wait_for_all(engine: &Engine, pipelines: &[flux_core::Unit], cx: &Context) -> Result<ExitCode, Failure> {
    while cx.check().is_ok() {
        let statuses = engine.handle().statuses().await?;
        let phase = |unit: &flux_core::Unit| statuses.iter().find(|status| status.key == *unit).map(|s| s.phase);
        if statuses.iter().any(|status| status.phase == Phase::Stalled) {
            return Ok(ExitCode::FAILURE);
        }
        if pipelines.iter().all(|unit| phase(unit) == Some(Phase::Ready)) {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(ExitCode::FAILURE)
}
