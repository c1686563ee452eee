//! Go's `time`: instants with their zone, durations, and the layouts that format and read them.

mod duration;
mod format;
mod parse;

use std::any::Any;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::helm::template::{Function, Native, Type, Value};

pub(super) use duration::Duration;
pub(super) use parse::parse;

/// `time.Time`
#[derive(Clone)]
pub(super) struct Time {
    pub(super) instant: Timestamp,
    pub(super) zone: TimeZone,
}

/// Go's zero time is the first of January of the year 1.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Time {
    pub(super) fn zero() -> Self {
        Self::unix(ZERO_SECONDS, TimeZone::UTC)
    }

    /// Seconds since 1970; out of range is the zero time.
    pub(super) fn unix(seconds: i64, zone: TimeZone) -> Self {
        let instant = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { instant, zone }
    }

    pub(super) fn plus(&self, duration: Duration) -> Self {
        let moved = self.instant.checked_add(jiff::SignedDuration::from_nanos(duration.0));
        Self { instant: moved.unwrap_or(self.instant), zone: self.zone.clone() }
    }

    /// The time from `earlier` to this.
    pub(super) fn since(&self, earlier: &Self) -> Duration {
        let nanos = self.instant.duration_since(earlier.instant).as_nanos();
        Duration(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    pub(super) fn format(&self, layout: &str) -> String {
        format::format(self, layout)
    }

    pub(super) fn value(self) -> Value {
        Value::Native(std::rc::Rc::new(self))
    }
}

/// A zone by name from the zones compiled in; UTC if there is none of that name.
pub(super) fn zone(name: &str, local: &TimeZone) -> TimeZone {
    match name {
        "Local" => local.clone(),
        "" | "UTC" => TimeZone::UTC,
        name => TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC),
    }
}

fn time(args: &[Value]) -> Time {
    args.first().and_then(|value| value.downcast::<Time>()).cloned().unwrap_or_else(Time::zero)
}

static METHODS: &[Function] = &[
    Function::new("Unix", &[], |_, args| Ok(Value::Int64(time(args).instant.as_second()))),
    Function::new("UnixNano", &[], |_, args| Ok(Value::Int64(time(args).instant.as_nanosecond() as i64))),
    Function::new("UnixMilli", &[], |_, args| Ok(Value::Int64(time(args).instant.as_millisecond()))),
    Function::new("Format", &[Type::Str], |_, args| Ok(Value::text(time(args).format(&super::Args(args).text(1))))),
    Function::new("String", &[], |_, args| Ok(Value::text(time(args).text().unwrap_or_default()))),
    Function::new("Year", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).year())))),
    Function::new("Month", &[], |_, args| Ok(Value::text(format::month(zoned(args).month())))),
    Function::new("Weekday", &[], |_, args| Ok(Value::text(time(args).format("Monday")))),
    Function::new("Day", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).day())))),
    Function::new("YearDay", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).day_of_year())))),
    Function::new("Hour", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).hour())))),
    Function::new("Minute", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).minute())))),
    Function::new("Second", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).second())))),
    Function::new("Nanosecond", &[], |_, args| Ok(Value::Int(i64::from(zoned(args).subsec_nanosecond())))),
    Function::new("IsZero", &[], |_, args| Ok(Value::Bool(time(args).instant.as_second() == ZERO_SECONDS))),
    Function::new("UTC", &[], |_, args| Ok(Time { zone: TimeZone::UTC, ..time(args) }.value())),
    Function::new("Local", &[], |rt, args| Ok(Time { zone: rt.zone.clone(), ..time(args) }.value())),
    Function::new("AddDate", &[Type::Int, Type::Int, Type::Int], |_, args| {
        let args = super::Args(args);
        let span = jiff::Span::new()
            .try_years(args.int(1))
            .and_then(|s| s.try_months(args.int(2)))
            .and_then(|s| s.try_days(args.int(3)));
        let old = time(args.0);
        let moved = span.ok().and_then(|span| old.instant.to_zoned(old.zone.clone()).checked_add(span).ok());
        Ok(Time { instant: moved.map_or(old.instant, |zoned| zoned.timestamp()), zone: old.zone }.value())
    }),
    Function::new("Add", &[Type::Native("time.Duration")], |_, args| {
        let span = args.get(1).and_then(|value| value.downcast::<Duration>()).copied().unwrap_or(Duration(0));
        Ok(time(args).plus(span).value())
    }),
    Function::new("Sub", &[Type::Native("time.Time")], |_, args| {
        Ok(time(args).since(&time(super::Args(args).rest(1))).value())
    }),
    Function::new("Before", &[Type::Native("time.Time")], |_, args| {
        Ok(Value::Bool(time(args).instant < time(super::Args(args).rest(1)).instant))
    }),
    Function::new("After", &[Type::Native("time.Time")], |_, args| {
        Ok(Value::Bool(time(args).instant > time(super::Args(args).rest(1)).instant))
    }),
    Function::new("Equal", &[Type::Native("time.Time")], |_, args| {
        Ok(Value::Bool(time(args).instant == time(super::Args(args).rest(1)).instant))
    }),
];

fn zoned(args: &[Value]) -> jiff::Zoned {
    let time = time(args);
    time.instant.to_zoned(time.zone)
}

impl Native for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        Some(self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
