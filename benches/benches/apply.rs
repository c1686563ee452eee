//! Plan and apply on the embedded server: a thousand new objects, a thousand unchanged ones, and one changed among them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_benches::small_services;
use flux_core::{Applier, Context, Inventory, Manifests};
use flux_kube::apiserver::{ApiServer, Config};

const OBJECTS: usize = 1000;

async fn run(applier: &ServerSideApplier, desired: &Manifests, owned: &Inventory) -> (Inventory, usize) {
    let cx = Context::background();
    let plan = applier.plan(&cx, desired, owned).await.expect("the server accepts the manifests");
    let writes = plan.writes().count();
    let report = applier.apply(&cx, plan).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    (report.inventory, writes)
}

fn applier() -> ServerSideApplier {
    let server = ApiServer::new(Config::default());
    ServerSideApplier::new(Arc::new(server), Owner::new("bench", "flux-system")).prune(true)
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (first, second) = (small_services(OBJECTS, "nginx:1.29"), small_services(OBJECTS, "nginx:1.30"));

    criterion.bench_function("plan and apply 1,000 new objects", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).fold(Duration::ZERO, |total, _| {
                let applier = applier();
                let started = Instant::now();
                let (_, writes) = runtime.block_on(run(&applier, &first, &Inventory::default()));
                assert_eq!(writes, OBJECTS);
                total + started.elapsed()
            })
        });
    });
    let applier = applier();
    let (owned, _) = runtime.block_on(run(&applier, &first, &Inventory::default()));
    criterion.bench_function("plan and apply 1,000 unchanged objects", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(run(&applier, &first, &owned)).1, 0));
    });
    let mut flip = false;
    criterion.bench_function("plan and apply one change among 1,000 objects", |bencher| {
        bencher.iter(|| {
            flip = !flip;
            let desired = if flip { &second } else { &first };
            assert_eq!(runtime.block_on(run(&applier, desired, &owned)).1, 1);
        });
    });
}

criterion_group! {
    name = apply;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = benches
}
criterion_main!(apply);
