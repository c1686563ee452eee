//! GitOps logic tested with no cluster, no network and no real time: a test of one's own, run here as a program.
//!
//! The question: does a change made by hand live longer than the interval of the pipeline?

use std::sync::Arc;
use std::time::Duration;

use flux_appliers::kustomize::KustomizeRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::cluster::{Patch, WriteOptions};
use flux_core::reconcile::Schedule;
use flux_core::{Cluster, Context, Engine, ObjectId, Pipeline, Unit};
use flux_kube::apiserver::ApiServer;
use flux_sources::memory::MemorySource;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {colour: blue}
";

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cx = Context::background();
    let cluster = Arc::new(ApiServer::default());
    let engine = engine(cluster.clone())?;
    tokio::spawn({
        let (engine, cx) = (engine.clone(), cx.clone());
        async move { engine.run(&cx).await }
    });

    // Time is virtual: these minutes pass at once.
    let started = std::time::Instant::now();
    sleep(Duration::from_secs(1)).await;
    let settings = ObjectId::new("", "ConfigMap", "default", "settings").at("v1");
    assert_eq!(colour(&*cluster, &cx, &settings).await?, "blue");

    let by_hand = Patch::Merge(json!({"data": {"colour": "red"}}));
    let options = WriteOptions { field_manager: "somebody".into(), ..WriteOptions::default() };
    cluster.patch(&cx, &settings, &by_hand, &options).await?;
    let changed = Instant::now();
    while colour(&*cluster, &cx, &settings).await? == "red" {
        sleep(Duration::from_secs(1)).await;
    }
    let lived = changed.elapsed();
    assert!(lived <= Duration::from_secs(315), "it lived for {lived:?}");
    println!("the change made by hand lived for {lived:?}; the test took {:?}", started.elapsed());
    Ok(())
}

fn engine(cluster: Arc<ApiServer>) -> Result<Engine, Box<dyn std::error::Error>> {
    let (app, source) = (Unit::new("Kustomization", "apps", "app"), Unit::new("GitRepository", "apps", "app"));
    let engine = Engine::in_memory();
    let files = MemorySource::from_files([("settings.yaml", SETTINGS)])?;
    engine.add_source(source.clone(), files, Schedule::every(Duration::from_secs(60)));
    let applier = ServerSideApplier::new(cluster, Owner::new("app", "apps")).prune(true);
    engine.add_pipeline(Pipeline::new(app, source, KustomizeRenderer::new("."), applier));
    Ok(engine)
}

async fn colour(
    cluster: &dyn Cluster,
    cx: &Context,
    settings: &flux_core::ObjectRef,
) -> Result<String, Box<dyn std::error::Error>> {
    let live = cluster.get(cx, settings).await?.ok_or("not there")?;
    Ok(live.pointer("/data/colour").and_then(Value::as_str).unwrap_or_default().to_owned())
}
