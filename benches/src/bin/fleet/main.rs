//! Fleets of small applications on the embedded API server with its simulated workloads: how long until all are ready,
//! what a pass costs when nothing has changed, what one changed file costs, how soon drift and readiness are noticed, and
//! how much plan and apply add to the requests they make.
//!
//! The application is that of Flux's own benchmark: service account, service, deployment without pods, ingress; pruned and
//! waited for. Beside each figure stands the one that Flux 2.9 publishes for its kustomize-controller on 16 cores with a
//! real cluster: another machine and another server, so no race, but the same work asked for.
//!
//!     cargo run --release -p flux-benches --bin fleet

mod apps;
mod fleet;
mod process;
mod raw;

use std::time::{Duration, Instant};

use flux_appliers::raw::RawRenderer;
use flux_core::cluster::{ApplyOptions, Cluster, Patch, WriteOptions};
use flux_core::{Artifact, Context, ObjectId, Renderer as _, Revision, Tree};
use futures::StreamExt as _;
use serde_json::json;

use apps::{app, files};
use fleet::{Fleet, READY_AFTER, server, source, unit};
use process::{anew, cpu, resident};

const SIZES: [(usize, &str); 3] = [(100, "26 s"), (500, "120 s"), (1000, "253 s")];

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => all(),
        ["--server-only", count] => runtime.block_on(server_only(count.parse().expect("a number"))),
        ["--race", count] => runtime.block_on(race(count.parse().expect("a number"))),
        ["--one-of", count] => runtime.block_on(one_of(count.parse().expect("a number"))),
        ["--raw", count] => runtime.block_on(raw::compare(count.parse().expect("a number"))),
        other => panic!("{other:?}: give nothing, or --race, --one-of, --raw or --server-only with a number"),
    }
}

/// Every figure, each from a process of its own.
fn all() {
    println!(
        "| pipelines | cold to ready | processor | Flux 2.9, published | memory | the server's own | second pass | its requests, renders |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (count, published) in SIZES {
        let count = count.to_string();
        let alone = anew(&["--server-only", &count]);
        println!("{}", anew(&["--race", &count]).replace("PUBLISHED", published).replace("ALONE", &alone));
    }
    println!("\n{}", anew(&["--one-of", "300"]));
    println!("{}", anew(&["--raw", "2000"]));
}

/// The memory of the server with the same objects in it and nobody who reconciles them.
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
    println!("{:.1} MiB", resident());
}

async fn race(count: usize) {
    let fleet = Fleet::new(count, false);
    let before = cpu();
    let cold = fleet.start(count).await;
    let (spent, memory) = (cpu() - before, resident());
    fleet.forget();
    let second = fleet.ready(count, || (0..count).for_each(|i| fleet.engine.handle().trigger(unit(i)))).await;
    println!(
        "| {count} | {:.2} s | {:.2} s | PUBLISHED | {memory:.1} MiB | ALONE | {:.1} ms | {}, {} |",
        cold.as_secs_f64(),
        spent.as_secs_f64(),
        second.as_secs_f64() * 1000.0,
        fleet.requests(),
        fleet.renders(),
    );
}

async fn one_of(count: usize) {
    let fleet = Fleet::new(count, true);
    fleet.start(count).await;
    fleet.forget();
    let changed = files(count, Some(count / 2));
    let took = fleet
        .ready(count, || {
            fleet.repository.set_files(changed).expect("files");
            fleet.engine.handle().trigger(source(0));
        })
        .await;
    println!(
        "one file changed under {count} pipelines: {:.1} ms until all are ready at the new revision, {} requests, {} renders",
        took.as_secs_f64() * 1000.0,
        fleet.requests(),
        fleet.renders(),
    );
    println!("drift repaired after {:.1} ms", drift(&fleet).await.as_secs_f64() * 1000.0);
    let late = readiness(&fleet).await;
    println!(
        "readiness noticed after {:.1} ms in the median of {}, {:.1} ms at worst",
        late[late.len() / 2].as_secs_f64() * 1000.0,
        late.len(),
        late[late.len() - 1].as_secs_f64() * 1000.0
    );
}

/// From the moment an object is changed by hand until it is as it should be.
async fn drift(fleet: &Fleet) -> Duration {
    let object = ObjectId::new("", "Service", "default", "app-1").at("v1");
    let cx = Context::background();
    let patch = Patch::Merge(json!({"spec": {"selector": {"app": "other"}}}));
    let options = WriteOptions { field_manager: "kubectl-edit".into(), ..WriteOptions::default() };
    fleet.server.patch(&cx, &object, &patch, &options).await.expect("is patched");
    let start = Instant::now();
    loop {
        let live = fleet.server.get(&cx, &object).await.expect("is read").expect("is there");
        if live.pointer("/spec/selector/app").is_some_and(|app| app == "app-1") {
            return start.elapsed();
        }
        tokio::task::yield_now().await;
    }
}

/// From the moment a deployment's status says that it is there until its pipeline is ready, several times, sorted.
async fn readiness(fleet: &Fleet) -> Vec<Duration> {
    let (cx, count) = (Context::background(), 300);
    let mut late = Vec::new();
    for i in 0..20 {
        let object = ObjectId::new("apps", "Deployment", "default", format!("app-{i}")).at("v1");
        let mut updates = fleet.engine.watch();
        let before = fleet.server.get(&cx, &object).await.expect("is read").expect("is there");
        // A commit that changes this one: its new generation is not there yet.
        let mut next = files(count, Some(count / 2));
        next.iter_mut()
            .filter(|(path, _)| *path == format!("app-{i}/deployment.yaml"))
            .for_each(|(_, text)| *text = text.replace("app:1", "app:3"));
        fleet.repository.set_files(next).expect("files");
        fleet.engine.handle().trigger(source(0));
        let ready = loop {
            let live = fleet.server.get(&cx, &object).await.expect("is read").expect("is there");
            let observed = live.pointer("/status/observedGeneration").and_then(serde_json::Value::as_i64);
            if live.generation() > before.generation() && observed == live.generation() {
                break Instant::now();
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        };
        loop {
            let status = updates.next().await.expect("runs");
            if status.key == unit(i) && status.phase == flux_core::reconcile::Phase::Ready {
                break;
            }
        }
        late.push(ready.elapsed());
    }
    late.sort_unstable();
    late
}
