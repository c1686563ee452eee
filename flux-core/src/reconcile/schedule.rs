//! When a key runs.

use std::time::Duration;

/// When a key runs and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule<K> {
    /// Time between runs that succeed.
    pub interval: Duration,
    /// Time before the next run after one that failed; exponential backoff when none.
    pub retry_interval: Option<Duration>,
    /// The longest a run may take. Past it the run is told to end, and is cut off after the loop's grace period.
    pub timeout: Duration,
    /// Keys that must have succeeded first.
    pub depends_on: Vec<K>,
    /// Do not run at all.
    pub suspend: bool,
}

impl<K> Schedule<K> {
    /// The shortest timeout that follows from an interval, as Flux has it.
    const MIN_TIMEOUT: Duration = Duration::from_secs(30);

    /// Runs at this interval; a run may take until 30 seconds before the next, and 30 seconds at least, as in Flux.
    pub fn every(interval: Duration) -> Self {
        Self {
            interval,
            retry_interval: None,
            timeout: interval.saturating_sub(Duration::from_secs(30)).max(Self::MIN_TIMEOUT),
            depends_on: Vec::new(),
            suspend: false,
        }
    }

    /// The same with a fixed time between a failed run and the next.
    #[must_use]
    pub fn retry_every(mut self, interval: Duration) -> Self {
        self.retry_interval = Some(interval);
        self
    }

    /// The same with another timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, after these keys.
    #[must_use]
    pub fn after(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.depends_on.extend(keys);
        self
    }

    /// The same, suspended or not.
    #[must_use]
    pub fn suspend(mut self, suspend: bool) -> Self {
        self.suspend = suspend;
        self
    }
}
