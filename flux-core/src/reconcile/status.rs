//! What a loop says about a key.

use std::borrow::Cow;

use serde::Serialize;

use crate::error::Class;
use crate::time::Timestamp;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Phase {
    /// Has not run yet.
    #[default]
    Pending,
    /// Waits for its dependencies.
    Blocked,
    /// Is running.
    Running,
    /// The last run succeeded.
    Ready,
    /// The last run failed and the next is scheduled.
    Retrying,
    /// The last run failed for good: it waits for its input to change.
    Stalled,
    /// Is not run.
    Suspended,
}

/// What a loop says about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyStatus<K> {
    /// Which key.
    pub key: K,
    /// Where it is in its life.
    pub phase: Phase,
    /// Machine-readable reason of the last failure or block; empty when there is none.
    pub reason: Cow<'static, str>,
    /// The same for people: what failed, or what is waited for.
    pub message: String,
    /// The class of the last failure.
    pub class: Option<Class>,
    /// How many runs have ended.
    pub runs: u64,
    /// How many runs have failed since the last that succeeded.
    pub failures: u32,
    /// When the last run ended.
    pub last_run: Option<Timestamp>,
    /// When the next is due; none while it waits for something else.
    pub next_run: Option<Timestamp>,
}
