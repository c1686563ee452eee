//! How much memory a hundred thousand config maps take in the embedded API server.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Instant;

use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Context, Object};
use flux_kube::apiserver::{ApiServer, Config};
use futures::FutureExt;
use serde_json::json;

const OBJECTS: usize = 100_000;
const MOST: u64 = 1 << 30;

/// The memory of this process, in bytes; `None` where that cannot be told.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn main() {
    let cx = Context::background();
    let options = ApplyOptions { field_manager: "flux".to_owned(), force: true, dry_run: false };
    let server = ApiServer::new(Config::default());
    let (before, began) = (memory(), Instant::now());
    for i in 0..OBJECTS {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("c-{i}"), "namespace": "default", "labels": {"app": "x"}},
            "data": {"a": i.to_string(), "b": "2"}});
        let object = Object::from_value(object).unwrap();
        server.apply(&cx, &object, &options).now_or_never().expect("an answer at once").unwrap();
    }
    let took = began.elapsed();
    let (Some(before), Some(after)) = (before, memory()) else { return };
    let taken = after.saturating_sub(before);
    #[allow(clippy::print_stdout)] // its result
    {
        println!("{OBJECTS} config maps: {} MiB, made in {took:.1?}", taken >> 20);
    }
    assert!(taken < MOST, "more than {} MiB", MOST >> 20);
}
