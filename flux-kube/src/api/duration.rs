//! Durations as Go writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in the form that Flux's definitions demand: numbers with a unit, `ms`, `s`, `m` or `h`, such as `1m30s`.
///
/// ```
/// use flux_kube::api::GoDuration;
/// let duration: GoDuration = "1.5h".parse()?;
/// assert_eq!(duration.get().as_secs(), 5400);
/// assert_eq!(duration.to_string(), "1h30m0s");
/// # Ok::<(), flux_kube::api::InvalidDuration>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(Duration);

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration; it should read like 30s, 5m or 1h30m")]
pub struct InvalidDuration(String);

impl GoDuration {
    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.chars().take(64).collect());
        let mut rest = text;
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(end);
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            if !digits(whole) || !digits(fraction) {
                return Err(invalid());
            }
            let (unit, length) = match tail {
                _ if tail.starts_with("ms") => (0.001, 2),
                _ if tail.starts_with('s') => (1.0, 1),
                _ if tail.starts_with('m') => (60.0, 1),
                _ if tail.starts_with('h') => (3600.0, 1),
                _ => return Err(invalid()),
            };
            seconds += number.parse::<f64>().map_err(|_| invalid())? * unit;
            rest = tail.get(length..).unwrap_or_default();
        }
        // Go's own bound: the nanoseconds must fit into 63 bits.
        if text.is_empty() || seconds > i64::MAX as f64 / 1e9 {
            return Err(invalid());
        }
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| invalid())
    }
}

/// As Go prints it: `1h30m0s`, `1m0s`, `1.5s`, `250ms`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0;
        if total < Duration::from_secs(1) {
            return match total.as_nanos() {
                0 => f.write_str("0s"),
                n if n >= 1_000_000 => write!(f, "{}ms", total.as_nanos() as f64 / 1e6),
                n if n >= 1_000 => write!(f, "{}µs", n as f64 / 1e3),
                n => write!(f, "{n}ns"),
            };
        }
        let (hours, minutes) = (total.as_secs() / 3600, total.as_secs() / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", (total.as_secs() % 60) as f64 + f64::from(total.subsec_nanos()) / 1e9)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h51_malformed_durations_are_errors() {
        for text in ["", "5", "m", "-5m", "1d", "1.m", ".5s", "1m 5s", "1e3s", "99999999999999999h", "5mm", "١s", "5µs"]
        {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn they_print_as_go_prints_them() {
        for (text, printed) in [
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1500ms", "1.5s"),
            ("0s", "0s"),
            ("250ms", "250ms"),
            ("1h1ms", "1h0m0.001s"),
        ] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed);
        }
    }
}
