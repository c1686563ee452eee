//! The server's time: tokio's clock, counted from a wall-clock moment given at the start.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time. In a runtime whose clock is paused, this is the virtual time.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    epoch: Timestamp,
    start: Instant,
}

impl Clock {
    /// Counts from `epoch`, or from the time of the system's clock.
    pub(crate) fn new(epoch: Option<flux_core::Timestamp>) -> Self {
        let epoch = match epoch {
            Some(epoch) => Timestamp::from_second(epoch.unix_seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
            None => Timestamp::now(),
        };
        Clock { epoch, start: Instant::now() }
    }

    /// A clock that, once started [again](Self::again), counts from what this one reads now.
    pub(crate) fn stopped(&self) -> Self {
        Clock { epoch: self.now(), start: Instant::now() }
    }

    /// A clock that counts from where this one did, from now on.
    pub(crate) fn again(&self) -> Self {
        Clock { epoch: self.epoch, start: Instant::now() }
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn now(&self) -> Timestamp {
        let since = Duration::from_nanos(u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.epoch.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// Now as the API writes it: RFC 3339, whole seconds.
    pub(crate) fn stamp(&self) -> Arc<str> {
        Arc::from(self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}
