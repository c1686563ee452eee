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

    pub(crate) fn now(&self) -> Timestamp {
        let since = Duration::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.epoch.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// Now as the API writes it: RFC 3339, whole seconds.
    pub(crate) fn stamp(&self) -> Arc<str> {
        Arc::from(self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}
