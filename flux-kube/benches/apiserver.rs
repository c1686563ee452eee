//! How fast the embedded API server answers, on one core.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Context, Object};
use flux_kube::apiserver::{ApiServer, Config};
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
    c.bench_function("start", |b| b.iter(|| ApiServer::new(Config::default())));
}

criterion_group!(benches, applies);
criterion_main!(benches);
