//! A simulation of everything that can happen to pipelines, under virtual time.
//!
//! A seed decides on pipelines, commits, drift, hand-overs, faults of the API server and the moments at which the process
//! dies; the engine under test is the real one, against the embedded API server. While it runs, and whenever things come
//! to rest, the laws are checked:
//!
//! - nothing is deleted that some pipeline wanted at every moment since things were last at rest: not for a failed, empty
//!   or partial render, fetch or list, and not because it moved from one pipeline to another;
//! - nobody else's object is touched;
//! - once faults end, the cluster is what the newest commit says, exactly; every inventory is true; and nothing is written
//!   any more, not even by a process that starts anew;
//! - nothing hangs and nothing panics.
//!
//! The same seed gives the same run, request by request.

mod chaos;
mod fuse;
mod model;
mod story;

pub use story::{Fault, Summary, run};
