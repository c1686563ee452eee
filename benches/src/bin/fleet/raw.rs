//! Plan and apply against the same requests without anything around them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_benches::small_services;
use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Applier, Context, Inventory, Manifests};
use flux_kube::apiserver::ApiServer;

/// Plan and apply of so many new objects: how long, and how many requests.
async fn ours(manifests: &Manifests) -> (Duration, u64) {
    let (server, cx) = (ApiServer::default(), Context::background());
    server.forget_requests();
    let applier = ServerSideApplier::new(Arc::new(server.clone()), Owner::new("bench", "default"));
    let start = Instant::now();
    let plan = applier.plan(&cx, manifests, &Inventory::default()).await.expect("is planned");
    let report = applier.apply(&cx, plan).await;
    let took = start.elapsed();
    assert!(report.error.is_none(), "{:?}", report.error);
    (took, server.counts().iter().map(|count| count.count).sum())
}

/// The requests that this comes down to, one after the other: a look and a dry run to plan, a look and an apply.
async fn raw(manifests: &Manifests) -> (Duration, u64) {
    let (server, cx) = (ApiServer::default(), Context::background());
    server.forget_requests();
    let options = |dry_run| ApplyOptions { field_manager: "raw".into(), force: true, dry_run };
    let start = Instant::now();
    for dry_run in [true, false] {
        for manifest in manifests {
            let object = &manifest.object;
            server.get(&cx, &object.object_ref()).await.expect("is looked at");
            server.apply(&cx, object, &options(dry_run)).await.expect("is applied");
        }
    }
    (start.elapsed(), server.counts().iter().map(|count| count.count).sum())
}

pub(crate) async fn compare(count: usize) {
    let manifests = small_services(count, "nginx:1.29");
    let rate = |(took, requests): (Duration, u64)| requests as f64 / took.as_secs_f64();
    let (mut ours_best, mut raw_best) = (0.0_f64, 0.0_f64);
    for _ in 0..5 {
        ours_best = ours_best.max(rate(ours(&manifests).await));
        raw_best = raw_best.max(rate(raw(&manifests).await));
    }
    println!(
        "plan and apply of {count} objects: {ours_best:.0} requests a second, {raw_best:.0} without anything around them: \
         {:.2} of it",
        ours_best / raw_best
    );
}
