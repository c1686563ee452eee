//! Time of the processor that one apply takes in the embedded API server: other work of the machine does not count.
//!
//! `cargo bench -p flux-benches --bench apiserver_cpu -- [create|change|unchanged] [COUNT]`, also under callgrind.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use flux_benches::deployment;
use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Context, Object};
use flux_kube::apiserver::{ApiServer, Config};
use futures::FutureExt;

const ROUNDS: usize = 15;

/// The time that this thread had a processor, in nanoseconds; `None` where that cannot be told.
fn on_cpu() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let count: usize = args.get(1).and_then(|c| c.parse().ok()).unwrap_or(2000);
    let cx = Context::background();
    let options = ApplyOptions { field_manager: "flux".to_owned(), force: true, dry_run: false };
    for mode in ["create", "change", "unchanged"] {
        if args.first().is_some_and(|wanted| wanted != mode) {
            continue;
        }
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let server = ApiServer::new(Config::default());
            server.apply(&cx, &deployment("one", 0), &options).now_or_never().unwrap().unwrap();
            let objects: Vec<Object> = (0..count)
                .map(|i| match mode {
                    "create" => deployment(&format!("o-{round}-{i}"), 1),
                    "change" => deployment("one", i as u64 + 1),
                    _ => deployment("one", 0),
                })
                .collect();
            let began = on_cpu();
            for object in &objects {
                server.apply(&cx, object, &options).now_or_never().unwrap().unwrap();
            }
            if let (Some(began), Some(ended)) = (began, on_cpu()) {
                took.push((ended - began) / count as u64);
            }
        }
        took.sort_unstable();
        if let (Some(best), Some(middle)) = (took.first(), took.get(took.len() / 2)) {
            println!("apply of a Deployment, {mode}: {middle} ns in the median of {ROUNDS} rounds, {best} ns at best");
        }
    }
}
