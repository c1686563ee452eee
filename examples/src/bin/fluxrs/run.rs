//! `fluxrs run`: reconcile what Flux documents describe.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use flux_core::audit::{AuditSink, Entry, FileJournal, JournalError};
use flux_core::engine::Engine;
use flux_core::reconcile::{LoopOptions, Phase};
use flux_core::store::{FileStateStore, MemoryStateStore};
use flux_core::{Cluster, Context, StateStore};
use flux_examples::terminal::Terminal;
use flux_kube::api;
use flux_kube::apiserver::ApiServer;
use flux_kube::client::{KubeCluster, KubeconfigPolicy};
use flux_kube::compose::{Composition, Policy};

use crate::Failure;

/// What every command that reads Flux documents is told.
#[derive(Args)]
pub(crate) struct Target {
    /// A file with GitRepository and Kustomization documents
    #[arg(short = 'f', long = "filename")]
    file: PathBuf,
    /// The cluster to apply to; a cluster in memory when not given
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; its current one when not given
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Where to remember what is owned; in memory when not given
    #[arg(long)]
    state: Option<PathBuf>,
    /// Let documents refer to sources and dependencies in other namespaces
    #[arg(long)]
    cross_namespace_refs: bool,
    /// Apply as this service account where a Kustomization names none
    #[arg(long, value_name = "NAME")]
    default_service_account: Option<String>,
    /// A Vault that tokens in decryption Secrets may be sent to
    #[arg(long, value_name = "URL")]
    vault: Vec<String>,
}

impl Target {
    /// The engine that the documents describe.
    pub(crate) async fn engine(&self) -> Result<(Engine, Vec<flux_core::Unit>), Failure> {
        let file = self.file.display().to_string();
        let text = std::fs::read(&self.file).map_err(|error| format!("{file}: {error}"))?;
        let documents = api::read(&file, &text)?;
        if documents.is_empty() {
            return Err(format!("{file}: holds no documents").into());
        }
        let policy = Policy {
            cross_namespace: self.cross_namespace_refs,
            default_service_account: self.default_service_account.clone(),
            vault_addresses: self.vault.clone(),
            ..Policy::default()
        };
        let composition = Composition::with_policy(&documents, &self.cluster().await?, &policy)?;
        let store: Arc<dyn StateStore> = match &self.state {
            Some(dir) => {
                Arc::new(FileStateStore::open(dir).map_err(|error| format!("--state {}: {error}", dir.display()))?)
            }
            None => Arc::new(MemoryStateStore::default()),
        };
        let engine = Engine::new(store, LoopOptions::default());
        let pipelines = composition.pipelines().cloned().collect();
        composition.add_to(&engine);
        Ok((engine, pipelines))
    }

    async fn cluster(&self) -> Result<Arc<dyn Cluster>, Failure> {
        Ok(match &self.kubeconfig {
            Some(path) => Arc::new(
                KubeCluster::from_kubeconfig_file(path, self.context.as_deref(), &KubeconfigPolicy::trusted()).await?,
            ),
            None => Arc::new(ApiServer::default()),
        })
    }
}

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
        let cx = Context::background().with_events(terminal.clone()).with_audit(Arc::new(self.journal(terminal)?));
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

    fn journal(&self, terminal: Arc<Terminal>) -> Result<Journal, Failure> {
        let open = |path: &Path| FileJournal::open(path);
        Ok(Journal { terminal, file: self.journal.as_deref().map(open).transpose()? })
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

/// Shows every change, and keeps it where a journal was asked for.
struct Journal {
    terminal: Arc<Terminal>,
    file: Option<FileJournal>,
}

impl AuditSink for Journal {
    fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        if let Some(file) = &self.file {
            file.record(entry)?;
        }
        self.terminal.record(entry)
    }
}
