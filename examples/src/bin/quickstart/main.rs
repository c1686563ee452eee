//! GitOps in one run: a Git repository reconciled into a cluster.
//!
//! With no arguments both are made here: the repository in a temporary folder, the cluster in memory. With `--url` and
//! `--kubeconfig` a real repository is reconciled into a real cluster until Ctrl-C.

mod story;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use flux_core::engine::Engine;
use flux_core::{Cluster, Context};
use flux_examples::terminal::Terminal;
use flux_kube::apiserver::ApiServer;
use flux_kube::client::{KubeCluster, KubeconfigPolicy};
use flux_kube::{api, compose::Composition};

/// GitOps in one run. Without arguments it makes its own repository and its own cluster and tells a story with them.
#[derive(Parser)]
struct Arguments {
    /// The Git repository to reconcile
    #[arg(long)]
    url: Option<String>,
    /// Its branch
    #[arg(long, default_value = "main")]
    branch: String,
    /// The directory in it to build
    #[arg(long, default_value = "./deploy")]
    path: String,
    /// The cluster to apply to; a cluster in memory when not given
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.url.is_none() && arguments.kubeconfig.is_none() {
        return story::tell().await;
    }
    let url =
        arguments.url.ok_or("--kubeconfig needs --url: which repository should be reconciled into the cluster?")?;
    let cluster: Arc<dyn Cluster> = match arguments.kubeconfig {
        Some(path) => Arc::new(KubeCluster::from_kubeconfig_file(&path, None, &KubeconfigPolicy::trusted()).await?),
        None => Arc::new(ApiServer::default()),
    };
    let documents = documents("app", &url, &arguments.branch, &arguments.path);
    let engine = Engine::in_memory();
    Composition::new(&api::read("flux.yaml", documents.as_bytes())?, &cluster)?.add_to(&engine);

    let terminal = Arc::new(Terminal::default());
    terminal.heading(&format!("Reconciling {url} ({}), {} — Ctrl-C ends it", arguments.branch, arguments.path));
    let cx = Context::background().with_events(terminal.clone()).with_audit(terminal);
    let cancel = cx.cancellation().clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    engine.run(&cx).await?;
    Ok(())
}

/// The two Flux documents that describe a pipeline.
fn documents(name: &str, url: &str, branch: &str, path: &str) -> String {
    let [name, url, branch, path] = [name, url, branch, path].map(|text| serde_json::Value::from(text).to_string());
    format!(
        "\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: {name}
spec:
  interval: 1m
  url: {url}
  ref:
    branch: {branch}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
spec:
  interval: 5m
  sourceRef:
    kind: GitRepository
    name: {name}
  path: {path}
  prune: true
"
    )
}
