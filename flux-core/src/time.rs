//! The wall clock behind one seam.
//!
//! All waiting goes through tokio's clock, so that a paused runtime is a virtual clock. Time stamps, which people read
//! in events and the audit journal, come from a [`Clock`]: the system's, or one that moves with tokio's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::Instant;

/// A point in time in UTC, to the nanosecond, shown as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

/// A text that is not an RFC 3339 time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a time; it should read like 2026-01-31T12:00:00Z")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// A point in time from seconds since 1970; times that cannot be shown are clamped.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Whole seconds since 1970.
    pub fn unix_seconds(self) -> i64 {
        self.0.as_second()
    }

    /// This point in time and so much; clamped to the last time that can be shown.
    pub fn plus(self, duration: Duration) -> Self {
        let later = jiff::SignedDuration::try_from(duration).ok().and_then(|d| self.0.checked_add(d).ok());
        Self(later.unwrap_or(jiff::Timestamp::MAX))
    }

    /// The time since an earlier point; zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.0.duration_since(earlier.0)).unwrap_or_default()
    }

    /// The same point in time without the part below a second, as Kubernetes writes times.
    pub fn truncated_to_seconds(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        text.parse().map(Self).map_err(|_| InvalidTimestamp(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where time stamps come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(Origin);

#[derive(Clone, Copy, Debug, Default)]
enum Origin {
    #[default]
    System,
    Virtual {
        epoch: Timestamp,
        started: Instant,
    },
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Origin::System)
    }

    /// A clock that reads `epoch` now and moves with tokio's clock from here on: under a paused runtime, only when
    /// virtual time moves.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self(Origin::Virtual { epoch, started: Instant::now() })
    }

    /// What the clock reads.
    pub fn now(&self) -> Timestamp {
        match self.0 {
            Origin::System => Timestamp(jiff::Timestamp::now()),
            Origin::Virtual { epoch, started } => epoch.plus(started.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_moves_with_virtual_time() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().to_string(), "1970-01-01T01:00:00Z");
        assert_eq!(clock.now().since(Timestamp::UNIX_EPOCH), Duration::from_secs(3600));
    }
}
