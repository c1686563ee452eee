//! How fast the embedded API server answers, on one core.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Context, Object};
use flux_kube::apiserver::{ApiServer, Config, Workloads};
use serde_json::json;

/// No answer of the server in process is ever pending.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures::FutureExt::now_or_never(future).unwrap()
}

fn deployment(name: &str, replicas: u64) -> Object {
    Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
                {"name": "web", "image": "example.com/web:1", "ports": [{"containerPort": 80}],
                 "env": [{"name": "A", "value": "1"}], "resources": {"limits": {"memory": "64Mi"}}}]}}}}))
    .unwrap()
}

fn config_map(name: &str, value: u64) -> Object {
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "x"}},
        "data": {"a": value.to_string(), "b": "2"}}))
    .unwrap()
}

type Make = fn(&str, u64) -> Object;

fn applies(c: &mut Criterion) {
    let cx = Context::background();
    let options = ApplyOptions { field_manager: "flux".to_owned(), force: true, dry_run: false };
    let dry = ApplyOptions { dry_run: true, ..options.clone() };
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(1));
    let server = ApiServer::new(Config::default());
    let mut n = 0;
    let makers: [(&str, Make); 2] = [("configmap", config_map), ("deployment", deployment)];
    for (kind, make) in makers {
        group.bench_function(format!("{kind}/create"), |b| {
            b.iter(|| {
                n += 1;
                block_on(server.apply(&cx, &make(&format!("o-{n}"), 1), &options)).unwrap()
            });
        });
        group.bench_function(format!("{kind}/create dry run"), |b| {
            let object = make("dry", 1);
            b.iter(|| block_on(server.apply(&cx, &object, &dry)).unwrap());
        });
        group.bench_function(format!("{kind}/change"), |b| {
            b.iter(|| {
                n += 1;
                block_on(server.apply(&cx, &make("changing", n), &options)).unwrap()
            });
        });
        let same = make("same", 1);
        block_on(server.apply(&cx, &same, &options)).unwrap();
        group.bench_function(format!("{kind}/unchanged"), |b| {
            b.iter(|| block_on(server.apply(&cx, &same, &options)).unwrap());
        });
        group.bench_function(format!("{kind}/unchanged, made anew"), |b| {
            b.iter(|| block_on(server.apply(&cx, &make("same", 1), &options)).unwrap());
        });
    }
    group.finish();
}

/// How soon a server is there: new, from a snapshot of one that holds 500 objects, and what such a snapshot costs.
fn starts(c: &mut Criterion) {
    let (cx, options) =
        (Context::background(), ApplyOptions { field_manager: "flux".to_owned(), ..Default::default() });
    c.bench_function("start", |b| b.iter(|| ApiServer::new(Config::default())));
    let server = ApiServer::new(Config::default());
    for n in 0..500 {
        block_on(server.apply(&cx, &config_map(&format!("o-{n}"), 1), &options)).unwrap();
    }
    c.bench_function("snapshot of 500 objects", |b| b.iter(|| server.snapshot()));
    let snapshot = server.snapshot();
    c.bench_function("start from a snapshot of 500 objects", |b| b.iter(|| snapshot.start(7)));
    c.bench_function("restore of 500 objects", |b| b.iter(|| server.restore(&snapshot)));
}

/// 100 deployments of two pods each, from the first apply until the last is ready.
fn workloads(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let options = ApplyOptions { field_manager: "flux".to_owned(), ..Default::default() };
    let cx = Context::background();
    c.bench_function("100 deployments get ready", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let server = ApiServer::new(Config::default());
                server.simulate(Workloads::ready_after(Duration::from_secs(10)));
                for n in 0..100 {
                    server.apply(&cx, &deployment(&format!("d-{n}"), 2), &options).await.unwrap();
                }
                tokio::time::sleep(Duration::from_secs(11)).await;
                server
            })
        });
    });
}

criterion_group!(benches, applies, starts, workloads);
criterion_main!(benches);
