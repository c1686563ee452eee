//! Dates.

use super::args::{Args, Outcome};
use super::time::{self, Duration, Time, Zone};
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Function, Type, Value};

const STR_ANY: &[Type] = &[Type::Str, Type::Any];
const STR2: &[Type] = &[Type::Str, Type::Str];
const ANY: &[Type] = &[Type::Any];
const STR_TIME: &[Type] = &[Type::Str, Type::Native("time.Time")];
const ZONED: &[Type] = &[Type::Str, Type::Any, Type::Str];
const HTML: &str = "2006-01-02";

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |rt, _| Ok(now(rt).value())),
    Function::new("date", STR_ANY, |rt, args| format(rt, &Args(args).text(0), &Args(args).any(1), "Local")),
    Function::new("dateInZone", ZONED, in_zone),
    Function::new("date_in_zone", ZONED, in_zone),
    Function::new("htmlDate", ANY, |rt, args| format(rt, HTML, &Args(args).any(0), "Local")),
    Function::new("htmlDateInZone", &[Type::Any, Type::Str], |rt, args| {
        format(rt, HTML, &Args(args).any(0), &Args(args).text(1))
    }),
    Function::new("dateModify", STR_TIME, |_, args| Ok(modify(args).unwrap_or_else(|_| Args(args).any(1)))),
    Function::new("date_modify", STR_TIME, |_, args| Ok(modify(args).unwrap_or_else(|_| Args(args).any(1)))),
    Function::new("mustDateModify", STR_TIME, |_, args| Ok(modify(args)?)),
    Function::new("must_date_modify", STR_TIME, |_, args| Ok(modify(args)?)),
    Function::new("toDate", STR2, |rt, args| {
        let args = Args(args);
        Ok(time::parse(&args.text(0), &args.text(1), &rt.zone).unwrap_or_else(|_| Time::zero()).value())
    }),
    Function::new("mustToDate", STR2, |rt, args| {
        let args = Args(args);
        Ok(time::parse(&args.text(0), &args.text(1), &rt.zone)?.value())
    }),
    Function::new("unixEpoch", &[Type::Native("time.Time")], |_, args| {
        let date = Args(args).any(0);
        Ok(Value::text(date.downcast::<Time>().map_or(0, |time| time.seconds).to_string()))
    }),
    Function::new("ago", ANY, |rt, args| {
        let then = instant(rt, &Args(args).any(0));
        Ok(Value::text(now(rt).since(&then).round(Duration(1_000_000_000)).to_string()))
    }),
    Function::new("duration", ANY, |_, args| {
        let seconds = match Args(args).any(0) {
            Value::Str(text) => text.to_str().parse().unwrap_or(0),
            Value::Int64(seconds) => seconds,
            _ => 0,
        };
        Ok(Value::text(Duration(seconds.wrapping_mul(1_000_000_000)).to_string()))
    }),
    Function::new("durationRound", ANY, |rt, args| {
        let value = Args(args).any(0);
        let duration = match &value {
            Value::Str(text) => Duration::parse(&text.to_str()).unwrap_or(Duration(0)),
            Value::Int64(nanos) => Duration(*nanos),
            other => other.downcast::<Time>().map_or(Duration(0), |then| now(rt).since(then)),
        };
        Ok(Value::text(coarse(duration)))
    }),
];

fn now(rt: &Runtime<'_>) -> Time {
    Time::unix(rt.host.now.unix_seconds(), Zone::Local(rt.zone.clone()))
}

/// A date given as a time or as seconds since 1970; anything else is now.
fn instant(rt: &Runtime<'_>, date: &Value) -> Time {
    match date {
        Value::Int(seconds) | Value::Int64(seconds) => Time::unix(*seconds, Zone::Local(rt.zone.clone())),
        other => other.downcast::<Time>().cloned().unwrap_or_else(|| now(rt)),
    }
}

fn format(rt: &Runtime<'_>, layout: &str, date: &Value, zone: &str) -> Outcome {
    let time = Time { zone: Zone::find(zone, &rt.zone), ..instant(rt, date) };
    Ok(Value::text(time.format(layout)))
}

fn in_zone(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    format(rt, &args.text(0), &args.any(1), &args.text(2))
}

fn modify(args: &[Value]) -> Result<Value, String> {
    let text = Args(args).text(0);
    let duration = Duration::parse(&text)?;
    let date = Args(args).any(1);
    Ok(date.downcast::<Time>().map(|time| time.plus(duration)).unwrap_or_else(Time::zero).value())
}

/// The largest unit that fits more than once.
fn coarse(duration: Duration) -> String {
    const HOUR: u64 = 3_600_000_000_000;
    const UNITS: &[(u64, &str)] = &[
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let nanos = duration.0.unsigned_abs();
    UNITS
        .iter()
        .find(|(unit, _)| nanos > *unit)
        .map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", nanos / unit))
}
