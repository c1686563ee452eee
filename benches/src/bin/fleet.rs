//! Fleets of small applications on the embedded API server with its simulated workloads: how long until all are ready,
//! what a pass costs when nothing has changed, and what one changed file costs.
//!
//! The application is that of Flux's own benchmark: service account, service, deployment without pods, ingress; pruned and
//! waited for. Beside each figure stands the one that Flux 2.9 publishes for its kustomize-controller on 16 cores with a
//! real cluster: another machine and another server, so no race, but the same work asked for.
//!
//!     cargo run --release -p flux-benches --bin fleet

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flux_appliers::kustomize::KustomizeRenderer;
use flux_appliers::observe::Observer;
use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::cluster::{ApplyOptions, Cluster, Patch, WriteOptions};
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::{LoopOptions, Phase, Schedule};
use flux_core::store::MemoryStateStore;
use flux_core::{Artifact, Context, ObjectId, Renderer as _, Revision, Tree};
use flux_kube::apiserver::{ApiServer, Config, Workloads};
use flux_sources::memory::MemorySource;
use futures::StreamExt as _;
use serde_json::json;

const READY_AFTER: Duration = Duration::from_millis(20);
const SIZES: [(usize, &str); 3] = [(100, "26 s"), (500, "120 s"), (1000, "253 s")];

fn app(i: usize, image: &str) -> Vec<(String, String)> {
    let meta = format!("metadata:\n  name: app-{i}\n  namespace: default\n");
    let files = [
        ("kustomization.yaml", "resources: [account.yaml, service.yaml, deployment.yaml, ingress.yaml]\n".to_owned()),
        ("account.yaml", format!("apiVersion: v1\nkind: ServiceAccount\n{meta}")),
        (
            "service.yaml",
            format!(
                "apiVersion: v1\nkind: Service\n{meta}spec:\n  selector: {{app: app-{i}}}\n  ports:\n  - {{name: http, port: 80, targetPort: http}}\n"
            ),
        ),
        (
            "deployment.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\n{meta}spec:\n  replicas: 0\n  selector:\n    matchLabels: {{app: app-{i}}}\n  template:\n    metadata:\n      labels: {{app: app-{i}}}\n    spec:\n      serviceAccountName: app-{i}\n      containers:\n      - name: app\n        image: {image}\n        ports: [{{containerPort: 8080, name: http}}]\n        env: [{{name: LOG, value: info}}]\n        resources: {{requests: {{cpu: 100m, memory: 64Mi}}, limits: {{memory: 64Mi}}}}\n"
            ),
        ),
        (
            "ingress.yaml",
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\n{meta}spec:\n  rules:\n  - host: app-{i}.example.com\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend: {{service: {{name: app-{i}, port: {{name: http}}}}}}\n"
            ),
        ),
    ];
    files.into_iter().map(|(name, text)| (format!("app-{i}/{name}"), text)).collect()
}

fn files(count: usize, changed: Option<usize>) -> Vec<(String, String)> {
    (0..count).flat_map(|i| app(i, if changed == Some(i) { "app:2" } else { "app:1" })).collect()
}

fn unit(i: usize) -> Unit {
    Unit::new("Kustomization", "default", format!("app-{i}"))
}

fn source(i: usize) -> Unit {
    Unit::new("OCIRepository", "default", format!("app-{i}"))
}

fn server() -> ApiServer {
    let server = ApiServer::new(Config::default());
    server.simulate(Workloads::ready_after(READY_AFTER));
    server
}

/// An engine with so many pipelines, each with a source of its own, or all with one.
fn fleet(server: &ApiServer, count: usize, shared: bool) -> (Engine, MemorySource) {
    let options = LoopOptions { concurrency: 20, ..LoopOptions::default() };
    let engine = Engine::new(Arc::new(MemoryStateStore::default()), options);
    let cluster: Arc<dyn Cluster> = Arc::new(server.clone());
    let observer = Observer::new(cluster.clone(), Owner::KUSTOMIZE);
    let hour = Duration::from_secs(60 * 60);
    let all = MemorySource::from_files(files(if shared { count } else { 0 }, None)).expect("files");
    if shared {
        engine.add_source(source(0), all.clone(), Schedule::every(hour));
    }
    for i in 0..count {
        if !shared {
            let own = MemorySource::from_files(app(i, "app:1")).expect("files");
            engine.add_source(source(i), own, Schedule::every(hour));
        }
        let applier = ServerSideApplier::new(cluster.clone(), Owner::new(format!("app-{i}"), "default"))
            .prune(true)
            .observed_by(&observer);
        let from = source(if shared { 0 } else { i });
        let pipeline = Pipeline::new(unit(i), from, KustomizeRenderer::new(format!("./app-{i}")), applier)
            .schedule(Schedule::every(hour).timeout(Duration::from_secs(60)))
            .wait(true);
        engine.add_pipeline(pipeline);
    }
    (engine, all)
}

/// Does something, then waits until so many pipelines have become ready since.
async fn ready(engine: &Engine, count: usize, act: impl FnOnce()) -> Duration {
    let mut updates = engine.watch();
    let start = Instant::now();
    act();
    let mut done = HashSet::new();
    while done.len() < count {
        let Some(status) = updates.next().await else { break };
        match status.phase {
            Phase::Ready if status.key.kind() == "Kustomization" => drop(done.insert(status.key)),
            Phase::Stalled | Phase::Retrying => eprintln!("{}: {}", status.key, status.message),
            _ => {}
        }
    }
    start.elapsed()
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

/// The memory of the server alone with the same objects in it, in a process of its own.
fn resident_alone(count: usize) -> f64 {
    let me = std::env::current_exe().expect("this program");
    let output = Command::new(me).args(["--server-only", &count.to_string()]).output().expect("runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

async fn server_only(count: usize) {
    let (server, cx) = (server(), Context::background());
    let options = ApplyOptions { field_manager: "kustomize-controller".into(), force: true, dry_run: false };
    for i in 0..count {
        let artifact = Artifact::new(Revision::new("1"), Tree::from_files(app(i, "app:1")).expect("files"));
        for file in ["account", "service", "deployment", "ingress"] {
            let manifests = RawRenderer::new(format!("app-{i}/{file}.yaml")).render(&cx, &artifact).await;
            for manifest in &manifests.unwrap_or_default() {
                server.apply(&cx, &manifest.object, &options).await.expect("is applied");
            }
        }
    }
    tokio::time::sleep(READY_AFTER * 10).await;
    println!("{:.1}", resident());
}

async fn race(count: usize, published: &str) {
    let server = server();
    let before = resident();
    let (engine, _) = fleet(&server, count, false);
    let cx = Context::background();
    let run = engine.clone();
    let cold = ready(&engine, count, || drop(tokio::spawn(async move { run.run(&cx).await }))).await;
    let memory = resident() - before;
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.forget_requests();
    let second = ready(&engine, count, || (0..count).for_each(|i| engine.handle().trigger(unit(i)))).await;
    let idle: u64 = server.counts().iter().map(|count| count.count).sum();
    let alone = resident_alone(count);
    println!(
        "| {count} | {:.2} s | {published} | {:.1} MiB | {:.1} MiB | {:.1} ms | {idle} |",
        cold.as_secs_f64(),
        memory,
        memory - (alone - before),
        second.as_secs_f64() * 1000.0,
    );
}

async fn one_of(count: usize) {
    let server = server();
    let (engine, repository) = fleet(&server, count, true);
    let cx = Context::background();
    let run = engine.clone();
    ready(&engine, count, || drop(tokio::spawn(async move { run.run(&cx).await }))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.forget_requests();
    let took = ready(&engine, count, || {
        repository.set_files(files(count, Some(count / 2))).expect("files");
        engine.handle().trigger(source(0));
    })
    .await;
    let requests: u64 = server.counts().iter().map(|count| count.count).sum();
    println!("\none file changed under {count} pipelines: {:.1} ms, {requests} requests", took.as_secs_f64() * 1000.0);

    // From the moment an object is changed by hand until it is as it should be.
    let object = ObjectId::new("", "Service", "default", "app-1").at("v1");
    let cx = Context::background();
    let patch = Patch::Merge(json!({"spec": {"selector": {"app": "other"}}}));
    let options = WriteOptions { field_manager: "kubectl-edit".into(), ..WriteOptions::default() };
    server.patch(&cx, &object, &patch, &options).await.expect("is patched");
    let start = Instant::now();
    loop {
        let live = server.get(&cx, &object).await.expect("is read").expect("is there");
        if live.pointer("/spec/selector/app").is_some_and(|app| app == "app-1") {
            break;
        }
        tokio::task::yield_now().await;
    }
    println!("drift repaired after {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, count] = arguments.as_slice()
        && flag == "--server-only"
    {
        runtime.block_on(server_only(count.parse().expect("a number")));
        return;
    }
    println!(
        "| pipelines | cold to ready | Flux 2.9, published | memory | without the server's | second pass | its requests |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (count, published) in SIZES {
        runtime.block_on(race(count, published));
    }
    runtime.block_on(one_of(300));
}
