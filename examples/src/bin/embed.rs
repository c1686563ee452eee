//! A host that embeds the loop: a directory of manifests, kept in a cluster.

use std::sync::Arc;
use std::time::Duration;

use flux_appliers::kustomize::KustomizeRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::reconcile::{Phase, Schedule};
use flux_core::{Context, Engine, Pipeline, Unit};
use flux_kube::apiserver::ApiServer;
use flux_sources::memory::MemorySource;
use futures::StreamExt as _;

const FILES: [(&str, &str); 1] =
    [("deploy/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n")];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Arc::new(ApiServer::default()); // or flux_kube::client::KubeCluster for a real one
    let (app, source) = (Unit::new("Kustomization", "apps", "app"), Unit::new("GitRepository", "apps", "app"));

    let engine = Engine::in_memory();
    engine.add_source(source.clone(), MemorySource::from_files(FILES)?, Schedule::every(Duration::from_secs(60)));
    engine.add_pipeline(Pipeline::new(
        app.clone(),
        source,
        KustomizeRenderer::new("./deploy"),
        ServerSideApplier::new(cluster, Owner::new("app", "apps")).prune(true),
    ));

    let mut statuses = engine.watch();
    let cx = Context::background();
    let run = tokio::spawn({
        let (engine, cx) = (engine.clone(), cx.clone());
        async move { engine.run(&cx).await }
    });
    while let Some(status) = statuses.next().await {
        println!("{} {:?} {}", status.key, status.phase, status.message);
        if status.key == app && status.phase == Phase::Ready {
            break;
        }
    }
    cx.cancellation().cancel();
    Ok(run.await??)
}
