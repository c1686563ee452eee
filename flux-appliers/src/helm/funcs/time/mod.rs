//! Go's `time`: instants with their zone, durations, and the layouts that format and read them.

mod civil;
mod duration;
mod format;
mod methods;
mod names;
mod parse;
mod zone;

use std::any::Any;

use civil::Civil;

use crate::helm::template::{Function, Native, Value};

pub(super) use duration::{Duration, HOUR, MINUTE, SECOND};
pub(super) use parse::parse;
pub(super) use zone::Zone;

/// Seconds from 1970 to a date, given as year, month and day, and a second of it, in UTC.
pub(super) fn civil_seconds((year, month, day): (i64, i64, i64), of_day: i64) -> i64 {
    civil::days(year, month, day).saturating_mul(civil::DAY).saturating_add(of_day)
}

const NANOS: i128 = 1_000_000_000;

/// `time.Time`
#[derive(Clone)]
pub(super) struct Time {
    /// Seconds since 1970.
    pub(super) seconds: i64,
    pub(super) nanos: u32,
    pub(super) zone: Zone,
}

/// Go's zero time is the first of January of the year 1.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Time {
    pub(super) fn zero() -> Self {
        Self::unix(ZERO_SECONDS, Zone::Utc)
    }

    /// Seconds since 1970.
    pub(super) fn unix(seconds: i64, zone: Zone) -> Self {
        Self { seconds, nanos: 0, zone }
    }

    /// A time of day in a zone, whose month and day may be out of range.
    fn of_civil(year: i64, month: i64, day: i64, of_day: i64, nanos: u32, zone: Zone) -> Self {
        let local = civil_seconds((year, month, day), of_day);
        let offset = zone.offset_of_civil(local);
        Self { seconds: local.saturating_sub(i64::from(offset)), nanos, zone }
    }

    fn total(&self) -> i128 {
        i128::from(self.seconds) * NANOS + i128::from(self.nanos)
    }

    fn at(&self, total: i128) -> Self {
        let seconds = i64::try_from(total.div_euclid(NANOS)).unwrap_or(self.seconds);
        Self { seconds, nanos: total.rem_euclid(NANOS) as u32, zone: self.zone.clone() }
    }

    pub(super) fn plus(&self, duration: Duration) -> Self {
        self.at(self.total() + i128::from(duration.0))
    }

    /// The time from `earlier` to this.
    pub(super) fn since(&self, earlier: &Self) -> Duration {
        let nanos = self.total() - earlier.total();
        Duration(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    pub(super) fn format(&self, layout: &str) -> String {
        format::format(self, layout)
    }

    /// The calendar's view of this time in its zone.
    fn civil(&self) -> Civil {
        Civil::of(self.seconds.saturating_add(i64::from(self.zone.at(self.seconds).offset)))
    }

    pub(super) fn value(self) -> Value {
        Value::Native(std::rc::Rc::new(self))
    }

    /// RFC 3339 with as many digits as are needed.
    pub(super) fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }
}

impl Native for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        methods::TIME.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        Some(self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }

    fn source(&self) -> Option<String> {
        Some(methods::source(self))
    }

    fn marshalled(&self) -> Option<Value> {
        Some(Value::text(self.rfc3339()))
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        let other = other.as_any().downcast_ref::<Self>()?;
        Some(self.total() == other.total() && self.zone == other.zone)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
