//! A simulation of everything that can happen to pipelines, under virtual time.
//!
//! A seed decides on pipelines and what they depend on, commits, custom resource definitions and their objects, drift,
//! hand-overs, revisions that never get ready, faults that are injected into the API server, and the moments at which the
//! process dies; the engine under test is the real one, against the embedded API server. While it runs, and whenever
//! things come to rest, the laws are checked:
//!
//! - nothing is deleted that some pipeline wanted at every moment since things were last at rest: not for a failed, empty
//!   or partial render, fetch or list, and not because it moved from one pipeline to another;
//! - nobody else's object is touched;
//! - nothing is applied before what it depends on;
//! - once faults end, the cluster is what the newest commit says, exactly; every inventory is true; and nothing is written
//!   any more, not even by a process that starts anew;
//! - a revision that never gets ready is gone back from, where that is asked for, to exactly what there was before;
//! - nothing hangs and nothing panics.
//!
//! The same seed gives the same run, request by request.

mod check;
mod fuse;
mod model;
mod names;
mod process;
mod story;
mod weather;
mod witness;

use flux_core::engine::Unit;

pub use story::{Fault, Summary, run};

fn unit(i: usize) -> Unit {
    Unit::new("Kustomization", "flux-system", format!("p{i}"))
}

fn source() -> Unit {
    Unit::new("GitRepository", "flux-system", "repository")
}
