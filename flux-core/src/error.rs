//! Error classes: what the loop does about a failure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the loop does about a failure. A class guides recovery; it does not say that a retry is safe or will help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// May pass by itself: try again with backoff.
    Transient,
    /// Stays until the input changes: stall, and look again at the interval.
    Terminal,
    /// Waits for something else: run again when that is ready.
    NotReady,
    /// Not allowed: stall as for terminal, and never fall back to other rights.
    Denied,
    /// Cut short by shutdown, suspension, removal or a newer revision: not a failure.
    Cancelled,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Terminal => "terminal",
            Self::NotReady => "not ready",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
        })
    }
}

/// An error of a host's own backend, carried as it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The text of an error and of everything that caused it, outermost first, without repeating what a message already
/// includes.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
