//! The methods of `time.Time` and `*time.Location` that a template can call.

use std::any::Any;
use std::rc::Rc;

use super::names::{month_value, weekday_value};
use super::{Duration, NANOS, Time, ZERO_SECONDS, Zone};
use crate::helm::funcs::{Args, Outcome};
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Function, Native, Str, Type, Value};

const TIME_ARG: &[Type] = &[Type::Native("time.Time")];
const DURATION_ARG: &[Type] = &[Type::Native("time.Duration")];
const LOCATION: &str = "*time.Location";

fn time(args: &[Value]) -> Time {
    args.first().and_then(|value| value.downcast::<Time>()).cloned().unwrap_or_else(Time::zero)
}

fn other(args: &[Value]) -> Time {
    time(Args(args).rest(1))
}

fn span(args: &[Value]) -> Duration {
    args.get(1).and_then(|value| value.downcast::<Duration>()).copied().unwrap_or(Duration(0))
}

fn int(value: impl Into<i64>) -> Outcome {
    Ok(Value::Int(value.into()))
}

pub(super) static TIME: &[Function] = &[
    Function::new("Unix", &[], |_, args| Ok(Value::Int64(time(args).seconds))),
    Function::new("UnixNano", &[], |_, args| Ok(Value::Int64(time(args).total() as i64))),
    Function::new("UnixMicro", &[], |_, args| Ok(Value::Int64(time(args).total().div_euclid(1_000) as i64))),
    Function::new("UnixMilli", &[], |_, args| Ok(Value::Int64(time(args).total().div_euclid(1_000_000) as i64))),
    Function::new("Format", &[Type::Str], |_, args| Ok(Value::text(time(args).format(&Args(args).text(1))))),
    Function::new("AppendFormat", &[Type::Any, Type::Str], |_, args| {
        let before = match Args(args).any(1) {
            Value::Bytes(bytes) => bytes.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let text = time(args).format(&Args(args).text(2));
        Ok(Value::Bytes(Str::from([before, text.into_bytes()].concat())))
    }),
    Function::new("String", &[], |_, args| Ok(Value::text(time(args).text().unwrap_or_default()))),
    Function::new("GoString", &[], |_, args| Ok(Value::text(source(&time(args))))),
    Function::new("MarshalJSON", &[], |_, args| Ok(Value::Bytes(Str::from(format!("\"{}\"", time(args).rfc3339()))))),
    Function::new("MarshalText", &[], |_, args| Ok(Value::Bytes(Str::from(time(args).rfc3339())))),
    Function::new("Year", &[], |_, args| int(time(args).civil().year)),
    Function::new("Month", &[], |_, args| Ok(month_value(time(args).civil().month))),
    Function::new("Weekday", &[], |_, args| Ok(weekday_value(time(args).civil().weekday()))),
    Function::new("Day", &[], |_, args| int(time(args).civil().day)),
    Function::new("YearDay", &[], |_, args| int(time(args).civil().day_of_year())),
    Function::new("Hour", &[], |_, args| int(time(args).civil().hour)),
    Function::new("Minute", &[], |_, args| int(time(args).civil().minute)),
    Function::new("Second", &[], |_, args| int(time(args).civil().second)),
    Function::new("Nanosecond", &[], |_, args| int(time(args).nanos)),
    Function::new("IsZero", &[], |_, args| Ok(Value::Bool(time(args).total() == i128::from(ZERO_SECONDS) * NANOS))),
    Function::new("IsDST", &[], |_, args| {
        let time = time(args);
        Ok(Value::Bool(time.zone.at(time.seconds).is_summer))
    }),
    Function::new("UTC", &[], |_, args| Ok(Time { zone: Zone::Utc, ..time(args) }.value())),
    Function::new("Local", &[], |rt, args| Ok(Time { zone: Zone::Local(rt.zone.clone()), ..time(args) }.value())),
    Function::new("Location", &[], |_, args| Ok(Value::Native(Rc::new(Location(time(args).zone))))),
    Function::new("In", &[Type::Pointer(LOCATION)], |_, args| {
        let zone = args.get(1).and_then(|value| value.downcast::<Location>());
        let zone = zone.ok_or("time: missing Location in call to Time.In")?;
        Ok(Time { zone: zone.0.clone(), ..time(args) }.value())
    }),
    Function::new("AddDate", &[Type::Int, Type::Int, Type::Int], add_date),
    Function::new("Add", DURATION_ARG, |_, args| Ok(time(args).plus(span(args)).value())),
    Function::new("Sub", TIME_ARG, |_, args| Ok(time(args).since(&other(args)).value())),
    Function::new("Round", DURATION_ARG, |_, args| Ok(to_multiple(args, true))),
    Function::new("Truncate", DURATION_ARG, |_, args| Ok(to_multiple(args, false))),
    Function::new("Before", TIME_ARG, |_, args| Ok(Value::Bool(time(args).total() < other(args).total()))),
    Function::new("After", TIME_ARG, |_, args| Ok(Value::Bool(time(args).total() > other(args).total()))),
    Function::new("Equal", TIME_ARG, |_, args| Ok(Value::Bool(time(args).total() == other(args).total()))),
    Function::new("Compare", TIME_ARG, |_, args| int(time(args).total().cmp(&other(args).total()) as i64)),
    Function::not_callable("Clock", "function Clock has 3 return values; should be 1 or 2"),
    Function::not_callable("Date", "function Date has 3 return values; should be 1 or 2"),
    Function::not_callable(
        "ISOWeek",
        "invalid function signature for ISOWeek: second return value should be error; is int",
    ),
    Function::not_callable("Zone", "invalid function signature for Zone: second return value should be error; is int"),
];

fn add_date(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    let old = time(args.0);
    let civil = old.civil();
    let of_day = i64::from(civil.hour) * 3600 + i64::from(civil.minute) * 60 + i64::from(civil.second);
    // Far beyond any year; keeps the sums in range.
    let bounded = |index: usize| args.int(index).clamp(-1_000_000_000_000, 1_000_000_000_000);
    let (year, month) = (civil.year + bounded(1), i64::from(civil.month) + bounded(2));
    let day = i64::from(civil.day) + bounded(3);
    Ok(Time::of_civil(year, month, day, of_day, old.nanos, old.zone).value())
}

/// To a multiple of a duration since Go's zero time.
fn to_multiple(args: &[Value], round: bool) -> Value {
    let (time, multiple) = (time(args), i128::from(span(args).0));
    if multiple <= 0 {
        return time.value();
    }
    let rest = (time.total() - i128::from(ZERO_SECONDS) * NANOS).rem_euclid(multiple);
    let up = round && rest * 2 >= multiple;
    time.at(time.total() - rest + if up { multiple } else { 0 }).value()
}

/// `time.Date(2024, time.February, 29, 0, 0, 0, 0, time.UTC)`
pub(super) fn source(time: &Time) -> String {
    let civil = time.civil();
    let zone = match &time.zone {
        Zone::Utc => "time.UTC".to_owned(),
        Zone::Local(_) => "time.Local".to_owned(),
        zone => format!("time.Location({:?})", zone.name()),
    };
    let (year, month, day) = (civil.year, super::names::month(civil.month), civil.day);
    let (hour, minute, second, nanos) = (civil.hour, civil.minute, civil.second, time.nanos);
    format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanos}, {zone})")
}

/// `*time.Location`
struct Location(Zone);

static LOCATION_METHODS: &[Function] = &[Function::new("String", &[], |_, args| {
    let location = args.first().and_then(|value| value.downcast::<Location>());
    Ok(Value::text(location.and_then(Location::text).unwrap_or_default()))
})];

impl Native for Location {
    fn type_name(&self) -> &'static str {
        LOCATION
    }

    fn kind(&self) -> &'static str {
        "ptr"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        LOCATION_METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        Some(self.0.name())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
