//! Pipelines that live through lists that lie, watches that stutter, sources that never stand still and somebody who
//! undoes whatever they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flux_appliers::observe::Observer;
use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::cluster::*;
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::{Phase, Schedule};
use flux_core::source::{Source, SourceError};
use flux_core::{Artifact, Context, Gvk, Revision, Tree};
use flux_kube::apiserver::{ApiServer, Calls, Fault, Verb};
use flux_sources::memory::MemorySource;
use futures::StreamExt as _;
use serde_json::json;

use crate::support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn unit(name: &str) -> Unit {
    Unit::new("Kustomization", "flux-system", name)
}

fn repository() -> Unit {
    Unit::new("GitRepository", "flux-system", "repository")
}

/// An engine with these pipelines, each with a folder of its own, which runs.
fn engine(server: &ApiServer, source: impl Source + 'static, every: Duration, pipelines: &[&str]) -> Engine {
    let cluster: Arc<dyn Cluster> = Arc::new(server.clone());
    let observer = Observer::new(cluster.clone(), Owner::KUSTOMIZE);
    let engine = Engine::in_memory();
    engine.add_source(repository(), source, Schedule::every(every));
    for name in pipelines {
        let owner = Owner::new(*name, "flux-system");
        let applier = ServerSideApplier::new(cluster.clone(), owner).prune(true).observed_by(&observer);
        let pipeline = Pipeline::new(unit(name), repository(), RawRenderer::new(*name), applier);
        engine.add_pipeline(pipeline.schedule(Schedule::every(5 * MINUTE).timeout(MINUTE)));
    }
    tokio::spawn({
        let engine = engine.clone();
        async move { engine.run(&Context::background()).await }
    });
    engine
}

async fn phase(engine: &Engine, name: &str) -> Option<Phase> {
    engine.handle().status(unit(name)).await.unwrap().map(|status| status.phase)
}

/// Two folders; the object `wanderer` is in one or the other, the others change with every round.
fn files(round: u32) -> Vec<(String, String)> {
    let value = round.to_string();
    let mut files = Vec::new();
    for (i, folder) in ["a", "b"].into_iter().enumerate() {
        let mut text = String::new();
        for n in 0..4 {
            text += &config_map("default", &format!("{folder}{n}"), &value);
        }
        if round as usize % 2 == i {
            text += &config_map("default", "wanderer", "the same");
        }
        files.push((format!("{folder}/all.yaml"), text));
    }
    files
}

#[tokio::test(start_paused = true)]
async fn h43_lists_that_lie_and_watches_that_stutter_delete_nothing() {
    let server = ApiServer::default();
    let source = MemorySource::from_files(files(0)).unwrap();
    let injected = [
        Fault::stale_list(7),
        Fault::duplicate_events().every(2),
        Fault::reorder_events().every(3),
        Fault::late_events(Duration::from_secs(3)).every(5),
        Fault::watch_ends(3),
        Fault::watch_expires().every(3),
        Fault::error(429).retry_after(Duration::from_secs(2)).on(Calls::writes()).every(11),
        Fault::unreachable().after_the_write().on(Calls::writes()).every(13),
    ]
    .map(|fault| server.inject(fault));
    let engine = engine(&server, source.clone(), MINUTE, &["a", "b"]);
    for round in 0..12 {
        source.set_files(files(round)).unwrap();
        engine.handle().trigger(repository());
        tokio::time::sleep(7 * MINUTE).await;
    }
    for (i, fault) in injected.iter().enumerate() {
        assert!(fault.count() > 0, "fault {i} never struck");
    }
    assert_eq!(server.count(&Calls::of(Verb::Delete)), 0, "nothing was ever to be deleted");
    server.clear_faults();
    tokio::time::sleep(20 * MINUTE).await;
    let cx = Context::background();
    let list = server.list(&cx, &Gvk::new("", "v1", "ConfigMap"), &ListOptions::default()).await.unwrap();
    let values = list.items.iter().filter(|map| map.namespace() == Some("default") && map.name() != "wanderer");
    let values: Vec<_> = values.filter_map(|map| map.pointer("/data/key")?.as_str()).collect();
    assert_eq!(values, ["11"; 8], "everything is as the last round has it");
    assert_eq!((phase(&engine, "a").await, phase(&engine, "b").await), (Some(Phase::Ready), Some(Phase::Ready)));
    server.forget_requests();
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(server.count(&Calls::writes().dry_run(false)), 0, "nothing is left to write");
}

/// A source with a new revision every time it is asked.
#[derive(Debug, Default)]
struct Restless(AtomicU64);

#[async_trait]
impl Source for Restless {
    async fn resolve(&self, _: &Context) -> Result<Revision, SourceError> {
        Ok(Revision::new(format!("main@{}", self.0.fetch_add(1, Ordering::SeqCst))))
    }

    async fn fetch(&self, _: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        let objects = (0..10).map(|n| config_map("default", &format!("o{n}"), revision.as_str()));
        let tree = Tree::from_files([("a/all.yaml", objects.collect::<String>())]).unwrap();
        Ok(Artifact::new(revision.clone(), tree))
    }
}

#[tokio::test(start_paused = true)]
async fn h44_a_source_that_never_stands_still_starves_nobody() {
    let server = ApiServer::default();
    // One run takes longer than it takes the source to move on.
    server.inject(Fault::latency(Duration::from_millis(300)).on(Calls::of(Verb::Apply).dry_run(false)));
    let engine = engine(&server, Restless::default(), Duration::from_secs(1), &["a"]);
    let number = |revision: &Revision| revision.as_str().rsplit('@').next().unwrap().parse::<u64>().unwrap();
    let mut last = 0;
    for minute in 1..=5 {
        tokio::time::sleep(MINUTE).await;
        let state = engine.state(&unit("a")).await.unwrap().unwrap();
        let applied = state.last_applied_revision.as_ref().map(number);
        let applied = applied.unwrap_or_else(|| panic!("nothing was applied in full within {minute} minutes"));
        assert!(applied > last, "nothing newer than {last} was applied in full in minute {minute}");
        last = applied;
    }
}

#[tokio::test(start_paused = true)]
async fn h45_who_undoes_every_repair_makes_them_rare() {
    let server = ApiServer::default();
    let files = [("a/all.yaml", config_map("default", "a", "ours")), ("b/all.yaml", config_map("default", "b", "1"))];
    let source = MemorySource::from_files(files.clone()).unwrap();
    let engine = engine(&server, source.clone(), MINUTE, &["a", "b"]);
    tokio::time::sleep(MINUTE).await;
    let undone = Arc::new(AtomicU64::new(0));
    tokio::spawn({
        let (server, undone) = (server.clone(), undone.clone());
        async move {
            let cx = Context::background();
            let mut events =
                server.watch(&cx, &Gvk::new("", "v1", "ConfigMap"), &WatchOptions::default()).await.unwrap();
            while let Some(event) = events.next().await {
                let Ok(WatchEvent::Added(map) | WatchEvent::Modified(map)) = event else { continue };
                if map.name() == "a" && map.pointer("/data/key") == Some(&json!("ours")) {
                    let options = WriteOptions { field_manager: "webhook".into(), ..WriteOptions::default() };
                    let patch = Patch::Merge(json!({"data": {"key": "theirs"}}));
                    server.patch(&cx, &map.object_ref(), &patch, &options).await.unwrap();
                    undone.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    });
    server.forget_requests();
    tokio::time::sleep(60 * MINUTE).await;
    let undone = undone.load(Ordering::SeqCst);
    let repairs = server.count(&Calls::of(Verb::Apply).name("a").dry_run(false)) as u64;
    assert!(undone >= 5, "it is undone and repaired: {undone}");
    // At once, then ever later: an hour has 12 intervals.
    assert!(repairs <= 30, "{repairs} repairs in an hour");
    assert_eq!(phase(&engine, "b").await, Some(Phase::Ready));
    let [a, _] = files;
    source.set_files([a, ("b/all.yaml", config_map("default", "b", "2"))]).unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    let b = flux_core::ObjectId::new("", "ConfigMap", "default", "b").at("v1");
    let live = server.get(&Context::background(), &b).await.unwrap().unwrap();
    assert_eq!(live.pointer("/data/key"), Some(&json!("2")), "the neighbour goes on");
}
