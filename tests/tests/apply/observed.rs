//! What an observer saves, and what it must never miss.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flux_appliers::observe::Observer;
use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::cluster::*;
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::{Phase, Schedule};
use flux_core::renderer::RenderError;
use flux_core::{Artifact, Context, Manifests, Renderer};
use flux_sources::memory::MemorySource;
use serde_json::json;

use crate::support::*;

const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A renderer that counts how often it runs.
#[derive(Clone, Debug)]
struct Counted(Arc<RawRenderer>, Arc<AtomicUsize>);

#[async_trait]
impl Renderer for Counted {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.render(cx, artifact).await
    }
}

/// Two pipelines `a` and `b` of one source, each with a folder of its own.
struct Stage {
    world: World,
    source: MemorySource,
    engine: Engine,
    renders: Arc<AtomicUsize>,
}

fn files(a: &str, b: &str) -> [(&'static str, String); 2] {
    let config = |name, value| config_map("default", name, value);
    [
        ("a/app.yaml", config("a", a)),
        (
            "b/app.yaml",
            config("b", b) + &config("b2", "same") + &namespace("extra") + &config_map("extra", "b3", "same"),
        ),
    ]
}

impl Stage {
    async fn ready(world: World) -> Self {
        let source = MemorySource::from_files(files("1", "1")).unwrap();
        let renders = Arc::new(AtomicUsize::new(0));
        let observer = Observer::new(world.cluster.clone(), Owner::KUSTOMIZE);
        let engine = Engine::in_memory();
        let repository = Unit::new("GitRepository", "flux-system", "repo");
        engine.add_source(repository.clone(), source.clone(), Schedule::every(Duration::from_secs(60)));
        for name in ["a", "b"] {
            let applier = ServerSideApplier::new(world.cluster.clone(), Owner::new(name, "flux-system"))
                .prune(true)
                .observed_by(&observer);
            let renderer = Counted(Arc::new(RawRenderer::new(name)), renders.clone());
            let pipeline = Pipeline::new(unit(name), repository.clone(), renderer, applier)
                .schedule(Schedule::every(INTERVAL))
                .wait(true);
            engine.add_pipeline(pipeline);
        }
        tokio::spawn({
            let (engine, cx) = (engine.clone(), world.cx.clone());
            async move { engine.run(&cx).await }
        });
        let stage = Self { world, source, engine, renders };
        stage.until_ready().await;
        stage
    }

    async fn until_ready(&self) {
        for name in ["a", "b"] {
            for _ in 0..600 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let status = self.engine.handle().status(unit(name)).await.unwrap().unwrap();
                if status.phase == Phase::Ready {
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Requests since the last time this was asked: reads, dry runs, writes.
    fn requests(&self) -> (usize, usize, usize) {
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        let probe = &self.world.cluster;
        (take(&probe.reads), take(&probe.dry_runs), take(&probe.writes))
    }

    fn renders(&self) -> usize {
        self.renders.swap(0, Ordering::SeqCst)
    }

    async fn value(&self, namespace: &str, name: &str) -> Option<String> {
        let object = self.world.config_map(namespace, name).await?;
        self.world.cluster.reads.fetch_sub(1, Ordering::SeqCst);
        object.pointer("/data/key").and_then(|value| value.as_str()).map(str::to_owned)
    }

    /// As somebody else, past the probe's counters.
    async fn meddle(&self, name: &str, manager: &str, patch: serde_json::Value) {
        let object = self.world.config_map("default", name).await.unwrap();
        let options = WriteOptions { field_manager: manager.into(), ..WriteOptions::default() };
        self.world.cluster.patch(&self.world.cx, &object.object_ref(), &Patch::Merge(patch), &options).await.unwrap();
        self.requests();
    }
}

fn unit(name: &str) -> Unit {
    Unit::new("Kustomization", "flux-system", name)
}

async fn moments() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_touched_costs_nothing() {
    for world in faces() {
        let stage = Stage::ready(world).await;
        assert_eq!(stage.renders(), 2);
        stage.requests();
        let runs = |status: Option<flux_core::reconcile::KeyStatus<Unit>>| status.unwrap().runs;
        let before = runs(stage.engine.handle().status(unit("b")).await.unwrap());
        tokio::time::sleep(INTERVAL * 8).await;
        let after = runs(stage.engine.handle().status(unit("b")).await.unwrap());
        assert!(after >= before + 7, "{before} {after}");
        assert_eq!((stage.requests(), stage.renders()), ((0, 0, 0), 0), "{}", stage.world.face);
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_costs_requests_for_the_objects_that_it_changes() {
    for world in faces() {
        let stage = Stage::ready(world).await;
        stage.requests();
        stage.renders();
        stage.source.set_files(files("1", "2")).unwrap();
        tokio::time::sleep(Duration::from_secs(70)).await;
        assert_eq!(stage.value("default", "b").await.as_deref(), Some("2"));
        assert_eq!(stage.renders(), 1, "only the pipeline that reads the file");
        // One look and one dry run to plan, one look and one write to apply; the kinds of the set are asked for anew.
        let (reads, dry_runs, writes) = stage.requests();
        assert_eq!((dry_runs, writes), (1, 1), "{}", stage.world.face);
        assert!(reads <= 4, "{reads}");
        for name in ["a", "b"] {
            let state = stage.engine.state(&unit(name)).await.unwrap().unwrap();
            let status = stage.engine.handle().status(unit(name)).await.unwrap().unwrap();
            assert_eq!(status.phase, Phase::Ready);
            assert_eq!(state.last_applied_revision, stage.engine.artifact(&repository()).map(|a| a.revision));
        }
    }
}

fn repository() -> Unit {
    Unit::new("GitRepository", "flux-system", "repo")
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_when_it_happens() {
    for world in faces() {
        let stage = Stage::ready(world).await;
        stage.meddle("b", "kubectl-edit", json!({"data": {"key": "drifted"}})).await;
        moments().await;
        assert_eq!(stage.value("default", "b").await.as_deref(), Some("1"), "{}", stage.world.face);
        assert_eq!(stage.renders(), 2, "the first ones");
        // Somebody else's own field is nobody's business; one that kubectl adds is taken over and goes.
        stage.requests();
        stage.meddle("b", "some-controller", json!({"metadata": {"annotations": {"example.com/seen": "1"}}})).await;
        moments().await;
        assert_eq!(stage.requests(), (0, 0, 0), "{}", stage.world.face);
        // Past the pace of repairs, which slows down what follows closely.
        tokio::time::sleep(INTERVAL * 3).await;
        stage.meddle("b", "kubectl-edit", json!({"data": {"added": "1"}})).await;
        moments().await;
        let object = stage.world.config_map("default", "b").await.unwrap();
        assert_eq!(object.pointer("/data/added"), None, "{}", stage.world.face);
        assert!(object.pointer("/metadata/annotations/example.com~1seen").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_or_loses_its_labels_comes_back() {
    for world in faces() {
        let stage = Stage::ready(world).await;
        let object = stage.world.config_map("default", "b").await.unwrap();
        stage.world.cluster.delete_now(&stage.world.cx, &object).await;
        moments().await;
        assert_eq!(stage.value("default", "b").await.as_deref(), Some("1"), "{}", stage.world.face);
        let labels = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": null}}});
        stage.meddle("a", "some-controller", labels).await;
        moments().await;
        let object = stage.world.config_map("default", "a").await.unwrap();
        assert_eq!(object.label("kustomize.toolkit.fluxcd.io/name"), Some("a"), "{}", stage.world.face);
    }
}

#[tokio::test(start_paused = true)]
async fn h43_without_a_watch_everything_is_asked_for_as_before() {
    for world in faces() {
        let cluster = world.cluster.clone();
        cluster.fail(|verb, _, _| matches!(verb, "watch" | "list").then(|| ClusterError::api(403, "Forbidden", "no")));
        let stage = Stage::ready(world).await;
        stage.requests();
        stage.meddle("b", "kubectl-edit", json!({"data": {"key": "drifted"}})).await;
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(stage.value("default", "b").await.as_deref(), Some("1"), "{}", stage.world.face);
        let (reads, ..) = stage.requests();
        assert!(reads >= 5, "every object is read again: {reads}");
        // Once it may watch, it relies on it again.
        stage.world.cluster.heal();
        tokio::time::sleep(INTERVAL * 2).await;
        stage.requests();
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(stage.requests(), (0, 0, 0), "{}", stage.world.face);
    }
}

#[tokio::test(start_paused = true)]
async fn where_lists_are_allowed_and_watches_are_not_lists_grow_rarer() {
    for world in faces() {
        let cluster = world.cluster.clone();
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = lists.clone();
        cluster.fail(move |verb, _, _| {
            counted.fetch_add(usize::from(verb == "list"), Ordering::SeqCst);
            (verb == "watch").then(|| ClusterError::api(403, "Forbidden", "no"))
        });
        let stage = Stage::ready(world).await;
        lists.store(0, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        // Two kinds, once a minute each in the end.
        let lists = lists.load(Ordering::SeqCst);
        assert!((60..=150).contains(&lists), "{}: {lists} lists in an hour", stage.world.face);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_while_the_whole_set_is_looked_at_again() {
    for world in faces() {
        let stage = Stage::ready(world).await;
        stage.requests();
        tokio::time::sleep(Observer::RESYNC + INTERVAL * 2).await;
        let (reads, dry_runs, writes) = stage.requests();
        assert!(reads >= 5, "{reads}");
        assert_eq!((dry_runs, writes), (0, 0), "{}", stage.world.face);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_is_explained_down_to_its_cause() {
    let world = faces().remove(0);
    let stage = Stage::ready(world).await;
    assert!(stage.engine.explain(&unit("b")).await.unwrap().is_settled());
    stage.world.cluster.fail(|verb, dry_run, about| {
        (verb == "apply" && dry_run && about.ends_with("/a")).then(|| ClusterError::api(403, "Forbidden", "not you"))
    });
    let applier = ServerSideApplier::new(stage.world.cluster.clone(), Owner::new("c", "flux-system"));
    let schedule = Schedule::every(INTERVAL).after([unit("a")]);
    let pipeline = Pipeline::new(unit("c"), repository(), RawRenderer::new("b"), applier).schedule(schedule);
    stage.engine.add_pipeline(pipeline);
    stage.source.set_files(files("2", "1")).unwrap();
    tokio::time::sleep(Duration::from_secs(70)).await;
    let explanation = stage.engine.explain(&unit("c")).await.unwrap();
    let text = explanation.to_string();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("runs again")).collect();
    assert!(lines[0].starts_with("Kustomization/flux-system/c is blocked"), "{text}");
    assert!(lines[1].starts_with("  DependencyNotReady: dependency Kustomization/flux-system/a"), "{text}");
    assert!(lines[2].starts_with("  Kustomization/flux-system/a is "), "{text}");
    assert!(lines[2].contains(" to come"), "{text}");
    assert!(lines[3].contains("a/app.yaml:1: ConfigMap/default/a dry-run failed (Forbidden): not you"), "{text}");
    assert_eq!(explanation.causes.len(), 1, "{text}");
}
