//! What commands that read Flux documents are told: which documents, which cluster, where to remember.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use flux_core::engine::Engine;
use flux_core::reconcile::LoopOptions;
use flux_core::store::{FileStateStore, MemoryStateStore};
use flux_core::{Cluster, StateStore, Unit};
use flux_kube::api;
use flux_kube::apiserver::ApiServer;
use flux_kube::client::{KubeCluster, KubeconfigPolicy};
use flux_kube::compose::{Composition, Policy};

use crate::Failure;

/// Which cluster.
#[derive(Args)]
pub(crate) struct Reach {
    /// The cluster; where a command needs one and none is given, one in memory
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; its current one when not given
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
}

impl Reach {
    /// Whether one is named.
    pub(crate) fn is_given(&self) -> bool {
        self.kubeconfig.is_some()
    }

    /// The cluster that is named, if one is.
    pub(crate) async fn cluster(&self) -> Result<Option<Arc<dyn Cluster>>, Failure> {
        let Some(path) = &self.kubeconfig else { return Ok(None) };
        let (context, policy) = (self.context.as_deref(), KubeconfigPolicy::trusted());
        Ok(Some(Arc::new(KubeCluster::from_kubeconfig_file(path, context, &policy).await?)))
    }
}

/// What every command that reads Flux documents is told.
#[derive(Args)]
pub(crate) struct Target {
    /// A file with Flux documents: sources and Kustomizations
    #[arg(short = 'f', long = "filename")]
    file: PathBuf,
    #[command(flatten)]
    reach: Reach,
    /// Where to remember what is owned; in memory when not given
    #[arg(long)]
    state: Option<PathBuf>,
    /// Let documents refer to sources and dependencies in other namespaces
    #[arg(long)]
    cross_namespace_refs: bool,
    /// Apply as this service account where a Kustomization names none
    #[arg(long, value_name = "NAME")]
    default_service_account: Option<String>,
    /// Take back a revision that is not ready in time: the last good one is applied again (needs --state to outlive this
    /// command)
    #[arg(long)]
    rollback_on_failure: bool,
    /// A Vault that tokens in decryption Secrets may be sent to
    #[arg(long, value_name = "URL")]
    vault: Vec<String>,
}

impl Target {
    /// The engine that the documents describe.
    pub(crate) async fn engine(&self) -> Result<(Engine, Vec<Unit>), Failure> {
        let file = self.file.display().to_string();
        let text = std::fs::read(&self.file).map_err(|error| format!("{file}: {error}"))?;
        let documents = api::read(&file, &text)?;
        if documents.is_empty() {
            return Err(format!("{file}: holds no documents").into());
        }
        let policy = Policy {
            cross_namespace: self.cross_namespace_refs,
            roll_back: self.rollback_on_failure,
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

    /// Whether what is owned is remembered beyond this command.
    pub(crate) fn remembers(&self) -> bool {
        self.state.is_some()
    }

    pub(crate) async fn cluster(&self) -> Result<Arc<dyn Cluster>, Failure> {
        Ok(self.reach.cluster().await?.unwrap_or_else(|| Arc::new(ApiServer::default())))
    }
}

/// The pipeline that a name means: `Kustomization/apps/web` in full, or as much of its end as tells it apart.
pub(crate) fn pick(pipelines: &[Unit], name: &str) -> Result<Unit, Failure> {
    let means = |unit: &&Unit| {
        let full = unit.to_string();
        full == name || full.ends_with(&format!("/{name}")) || format!("{}/{}", unit.kind(), unit.name()) == name
    };
    let found: Vec<&Unit> = pipelines.iter().filter(means).collect();
    let list = |units: &[&Unit]| units.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            Err(format!("{name}: there is no such pipeline; there are {}", list(&pipelines.iter().collect::<Vec<_>>()))
                .into())
        }
        several => Err(format!("{name}: could be {}", list(several)).into()),
    }
}

/// Those that are named, or all.
pub(crate) fn pick_all(pipelines: Vec<Unit>, names: &[String]) -> Result<Vec<Unit>, Failure> {
    if names.is_empty() { Ok(pipelines) } else { names.iter().map(|name| pick(&pipelines, name)).collect() }
}
