//! Seeds of the simulation. `FLUX_SIM_SEEDS` says how many (`FLUX_SIM_FROM` where to start); `FLUX_SIM_SEED` replays one.
//!
//! A million: `FLUX_SIM_SEEDS=1000000 cargo test --release -p flux-tests --test simulation -- --nocapture`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flux_tests::sim;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[test]
fn h60_the_laws_hold_whatever_happens() {
    if let Some(seed) = number("FLUX_SIM_SEED") {
        match sim::run(seed) {
            Ok(summary) => println!("seed {seed}: {summary:?}"),
            Err(fault) => panic!("{fault}"),
        }
        return;
    }
    let (from, seeds) = (number("FLUX_SIM_FROM").unwrap_or(0), number("FLUX_SIM_SEEDS").unwrap_or(100));
    let (next, faults, start) = (AtomicU64::new(from), Mutex::new(Vec::new()), Instant::now());
    let (requests, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || faults.lock().unwrap().len() > 4 {
                        return;
                    }
                    let start = Instant::now();
                    let outcome = std::panic::catch_unwind(|| sim::run(seed));
                    if start.elapsed().as_secs() > 5 {
                        println!("seed {seed} takes {:.0} s", start.elapsed().as_secs_f64());
                    }
                    match outcome {
                        Ok(Ok(summary)) => {
                            requests.fetch_add(summary.requests as u64, Ordering::Relaxed);
                            crashes.fetch_add(summary.crashes as u64, Ordering::Relaxed);
                        }
                        Ok(Err(fault)) => faults.lock().unwrap().push(fault.to_string()),
                        Err(_) => faults.lock().unwrap().push(format!("seed {seed} panicked")),
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    println!(
        "{seeds} seeds from {from}: {} requests, {} crashes, {} faults, {:.1} s",
        requests.into_inner(),
        crashes.into_inner(),
        faults.len(),
        start.elapsed().as_secs_f64()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        let (first, second) = (sim::run(seed), sim::run(seed));
        match (first, second) {
            (Ok(first), Ok(second)) => {
                let differs = first.trace.iter().zip(&second.trace).position(|(first, second)| first != second);
                let at = differs.unwrap_or(0);
                let near = |trace: &[String]| trace[at.saturating_sub(5)..(at + 3).min(trace.len())].join("\n  ");
                let (one, other) = (near(&first.trace), near(&second.trace));
                assert!(first == second, "seed {seed}, line {at}:\n  {one}\n and then\n  {other}");
            }
            (Err(fault), _) | (_, Err(fault)) => panic!("{fault}"),
        }
    }
}
