//! What the loop itself costs: runs that do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flux_core::Context;
use flux_core::reconcile::{LoopOptions, Next, Reconcile, ReconcileError, ReconcileLoop, Schedule};
use tokio::sync::Notify;

const KEYS: u64 = 10_000;

/// Does nothing, and says when every key has had its turn.
#[derive(Default)]
struct Nothing {
    runs: AtomicU64,
    round: Notify,
}

#[async_trait]
impl Reconcile for Nothing {
    type Key = u64;

    async fn reconcile(&self, _cx: &Context, _key: &u64) -> Result<Next, ReconcileError> {
        if (self.runs.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(KEYS) {
            self.round.notify_one();
        }
        Ok(Next::Interval)
    }
}

/// One round: every one of 10,000 keys is triggered and runs once, on one core.
fn rounds(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let nothing = Arc::new(Nothing::default());
    let (driver, handle) = ReconcileLoop::new(nothing.clone(), LoopOptions::default());
    let cx = Context::background();
    runtime.block_on(async {
        for key in 0..KEYS {
            handle.put(key, Schedule::every(Duration::from_secs(300)));
        }
        let cx = cx.clone();
        tokio::spawn(async move { driver.run(&cx).await });
        nothing.round.notified().await;
    });
    let mut group = c.benchmark_group("loop");
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("10,000 keys that do nothing", |b| {
        b.iter_custom(|iterations| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..iterations {
                    (0..KEYS).for_each(|key| handle.trigger(key));
                    nothing.round.notified().await;
                }
                started.elapsed()
            })
        });
    });
    group.finish();
    cx.cancellation().cancel();
}

criterion_group!(benches, rounds);
criterion_main!(benches);
