//! Many pipelines in one engine.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flux_appliers::kustomize::KustomizeRenderer;
use flux_appliers::observe::Observer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::cluster::Cluster;
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::{KeyStatus, LoopOptions, Phase, Schedule};
use flux_core::store::MemoryStateStore;
use flux_core::{Artifact, Context, Manifests, RenderError, Renderer};
use flux_kube::apiserver::{ApiServer, Config, Workloads};
use flux_sources::memory::MemorySource;
use futures::StreamExt as _;

use crate::apps::{app, files};

/// How long simulated workloads take.
pub(crate) const READY_AFTER: Duration = Duration::from_millis(20);

/// Counts the renders that pass through it.
#[derive(Debug)]
struct Counting(KustomizeRenderer, Arc<AtomicUsize>);

#[async_trait]
impl Renderer for Counting {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.render(cx, artifact).await
    }
}

/// An engine with so many pipelines, and what it works on.
pub(crate) struct Fleet {
    pub(crate) engine: Engine,
    pub(crate) server: ApiServer,
    /// The repository that all follow, where they share one.
    pub(crate) repository: MemorySource,
    renders: Arc<AtomicUsize>,
}

pub(crate) fn unit(i: usize) -> Unit {
    Unit::new("Kustomization", "default", format!("app-{i}"))
}

pub(crate) fn source(i: usize) -> Unit {
    Unit::new("OCIRepository", "default", format!("app-{i}"))
}

pub(crate) fn server() -> ApiServer {
    let server = ApiServer::new(Config::default());
    server.simulate(Workloads::ready_after(READY_AFTER));
    server
}

impl Fleet {
    /// So many pipelines, each with a source of its own, or all with one.
    pub(crate) fn new(count: usize, shared: bool) -> Self {
        let (server, renders) = (server(), Arc::new(AtomicUsize::new(0)));
        let options = LoopOptions { concurrency: 20, ..LoopOptions::default() };
        let engine = Engine::new(Arc::new(MemoryStateStore::default()), options);
        let cluster: Arc<dyn Cluster> = Arc::new(server.clone());
        let observer = Observer::new(cluster.clone(), Owner::KUSTOMIZE);
        let hour = Duration::from_secs(60 * 60);
        let repository = MemorySource::from_files(files(if shared { count } else { 0 }, None)).expect("files");
        if shared {
            engine.add_source(source(0), repository.clone(), Schedule::every(hour));
        }
        for i in 0..count {
            if !shared {
                let own = MemorySource::from_files(app(i, "app:1")).expect("files");
                engine.add_source(source(i), own, Schedule::every(hour));
            }
            let applier = ServerSideApplier::new(cluster.clone(), Owner::new(format!("app-{i}"), "default"))
                .prune(true)
                .observed_by(&observer);
            let renderer = Counting(KustomizeRenderer::new(format!("./app-{i}")), renders.clone());
            let pipeline = Pipeline::new(unit(i), source(if shared { 0 } else { i }), renderer, applier)
                .schedule(Schedule::every(hour).timeout(Duration::from_secs(60)))
                .wait(true);
            engine.add_pipeline(pipeline);
        }
        Self { engine, server, repository, renders }
    }

    /// Starts it and waits until all are ready.
    pub(crate) async fn start(&self, count: usize) -> Duration {
        let run = self.engine.clone();
        let start = || drop(tokio::spawn(async move { run.run(&Context::background()).await }));
        let took = self.ready(count, start).await;
        // Watches catch up.
        tokio::time::sleep(Duration::from_millis(500)).await;
        took
    }

    /// Does something, then waits until so many pipelines have become ready since.
    pub(crate) async fn ready(&self, count: usize, act: impl FnOnce()) -> Duration {
        let mut updates = self.engine.watch();
        let start = Instant::now();
        act();
        let mut done = HashSet::new();
        while done.len() < count {
            match tokio::time::timeout(Duration::from_millis(500), updates.next()).await {
                Ok(Some(status)) => note(&mut done, status),
                Ok(None) => break,
                // A reader of updates that does not keep up loses some: what they said is asked for.
                Err(_) if start.elapsed() > Duration::from_secs(2) => {
                    let statuses = self.engine.handle().statuses().await.unwrap_or_default();
                    statuses.into_iter().for_each(|status| note(&mut done, status));
                }
                Err(_) => {}
            }
        }
        start.elapsed()
    }

    /// From here on, requests and renders are counted anew.
    pub(crate) fn forget(&self) {
        self.server.forget_requests();
        self.renders.store(0, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.server.counts().iter().map(|count| count.count).sum()
    }

    pub(crate) fn renders(&self) -> usize {
        self.renders.load(Ordering::Relaxed)
    }
}

fn note(done: &mut HashSet<Unit>, status: KeyStatus<Unit>) {
    match status.phase {
        Phase::Ready if status.key.kind() == "Kustomization" => drop(done.insert(status.key)),
        Phase::Stalled | Phase::Retrying => eprintln!("{}: {}", status.key, status.message),
        _ => {}
    }
}
