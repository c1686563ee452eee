//! How fast the embedded API server answers, on one core: applies in process and through requests, lists, watches.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flux_benches::deployment;
use flux_core::cluster::{ApplyOptions, Cluster, ListOptions, WatchOptions};
use flux_core::{Context, Gvk, Object};
use flux_kube::apiserver::{ApiServer, Config, Workloads};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tower::Service;

/// No answer of the server in process is ever pending.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn config_map(name: &str, value: u64) -> Object {
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "x"}},
        "data": {"a": value.to_string(), "b": "2"}}))
    .unwrap()
}

fn options() -> ApplyOptions {
    ApplyOptions { field_manager: "flux".to_owned(), force: true, dry_run: false }
}

type Make = fn(&str, u64) -> Object;

/// Applies of objects that are made beforehand, as a client has them.
fn applies(c: &mut Criterion) {
    let (cx, options) = (Context::background(), options());
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(1));
    let server = ApiServer::new(Config::default());
    let mut n = 0;
    let makers: [(&str, Make); 2] = [("configmap", config_map), ("deployment", deployment)];
    for (kind, make) in makers {
        let apply = |o: Object| block_on(server.apply(&cx, &o, &options)).unwrap();
        group.bench_function(format!("{kind}/create"), |b| {
            let next = || {
                n += 1;
                make(&format!("o-{n}"), 1)
            };
            b.iter_batched(next, apply, BatchSize::SmallInput);
        });
        group.bench_function(format!("{kind}/change"), |b| {
            let next = || {
                n += 1;
                make("changing", n)
            };
            b.iter_batched(next, apply, BatchSize::SmallInput);
        });
        apply(make("same", 1));
        group.bench_function(format!("{kind}/unchanged"), |b| {
            b.iter_batched(|| make("same", 1), apply, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// The same through requests: text in, text out.
fn requests(c: &mut Criterion) {
    let mut server = ApiServer::new(Config::default());
    let mut group = c.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    let mut n = 0;
    let mut send = |name: &str, body: Vec<u8>| {
        let request = http::Request::patch(format!(
            "/apis/apps/v1/namespaces/default/deployments/{name}?fieldManager=flux&force=true"
        ))
        .header("content-type", "application/apply-patch+yaml")
        .body(http_body_util::Full::new(bytes::Bytes::from(body)))
        .unwrap();
        let response = block_on(server.call(request)).unwrap();
        assert!(response.status().is_success());
        block_on(http_body_util::BodyExt::collect(response.into_body())).unwrap().to_bytes()
    };
    group.bench_function("deployment/create", |b| {
        let next = || {
            n += 1;
            (format!("r-{n}"), serde_json::to_vec(&deployment(&format!("r-{n}"), 1)).unwrap())
        };
        b.iter_batched(next, |(name, body)| send(&name, body), BatchSize::SmallInput);
    });
    group.bench_function("deployment/change", |b| {
        let next = || {
            n += 1;
            serde_json::to_vec(&deployment("changing", n)).unwrap()
        };
        b.iter_batched(next, |body| send("changing", body), BatchSize::SmallInput);
    });
    group.finish();
}

/// From nothing to the answer of the first request, from a snapshot of 500 objects, and what such a snapshot costs.
fn start(c: &mut Criterion) {
    let cx = Context::background();
    c.bench_function("start to first answer", |b| {
        b.iter(|| {
            let server = ApiServer::new(Config::default());
            block_on(server.list(&cx, &Gvk::new("", "v1", "Namespace"), &ListOptions::default())).unwrap()
        });
    });
    let server = ApiServer::new(Config::default());
    for n in 0..500 {
        block_on(server.apply(&cx, &config_map(&format!("o-{n}"), 1), &options())).unwrap();
    }
    c.bench_function("snapshot of 500 objects", |b| b.iter(|| server.snapshot()));
    let snapshot = server.snapshot();
    c.bench_function("start from a snapshot of 500 objects", |b| b.iter(|| snapshot.start(7)));
    c.bench_function("restore of 500 objects", |b| b.iter(|| server.restore(&snapshot)));
}

/// 100 deployments of two pods each, from the first apply until the last is ready.
fn workloads(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (cx, options) = (Context::background(), options());
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

/// One change told to a hundred watchers, and a list of ten thousand objects.
fn reads(c: &mut Criterion) {
    let (cx, options) = (Context::background(), options());
    let gvk = Gvk::new("", "v1", "ConfigMap");
    let server = ApiServer::new(Config::default());
    block_on(server.apply(&cx, &config_map("seen", 0), &options)).unwrap();
    let mut watches: Vec<_> =
        (0..100).map(|_| block_on(server.watch(&cx, &gvk, &WatchOptions::default())).unwrap()).collect();
    for watch in &mut watches {
        // What is there already.
        while watch.next().now_or_never().is_some() {}
    }
    let mut n = 0;
    c.bench_function("watch/one change to 100 watchers", |b| {
        b.iter(|| {
            n += 1;
            block_on(server.apply(&cx, &config_map("seen", n), &options)).unwrap();
            for watch in &mut watches {
                assert!(watch.next().now_or_never().is_some());
            }
        });
    });
    drop(watches);
    for i in 0..10_000 {
        block_on(server.apply(&cx, &config_map(&format!("l-{i}"), i), &options)).unwrap();
    }
    c.bench_function("list/10,000 config maps", |b| {
        b.iter(|| block_on(server.list(&cx, &gvk, &ListOptions::default())).unwrap());
    });
}

criterion_group!(benches, applies, requests, start, workloads, reads);
criterion_main!(benches);
