//! Durations as numbers.

use super::args::Args;
use super::cast::parse_float;
use super::time::{Duration, HOUR, MINUTE, SECOND};
use crate::helm::template::error::CallError;
use crate::helm::template::gofmt::{format_float, quote};
use crate::helm::template::{Function, Type, Value};

const ANY: &[Type] = &[Type::Any];
const ANY2: &[Type] = &[Type::Any, Type::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("mustToDuration", ANY, |_, args| Ok(duration(args, 0)?.value())),
    Function::new("durationSeconds", ANY, |_, args| Ok(Value::Float(units(args, SECOND)))),
    Function::new("durationMinutes", ANY, |_, args| Ok(Value::Float(units(args, MINUTE)))),
    Function::new("durationHours", ANY, |_, args| Ok(Value::Float(units(args, HOUR)))),
    Function::new("durationDays", ANY, |_, args| Ok(Value::Float(units(args, HOUR) / 24.0))),
    Function::new("durationWeeks", ANY, |_, args| Ok(Value::Float(units(args, HOUR) / 24.0 / 7.0))),
    Function::new("durationMilliseconds", ANY, |_, args| Ok(whole(args, 1_000_000))),
    Function::new("durationMicroseconds", ANY, |_, args| Ok(whole(args, 1_000))),
    Function::new("durationNanoseconds", ANY, |_, args| Ok(whole(args, 1))),
    Function::new("durationRoundTo", ANY2, |_, args| Ok(to_multiple(args, Duration::round).value())),
    Function::new("durationTruncateTo", ANY2, |_, args| Ok(to_multiple(args, Duration::truncate).value())),
];

/// Anything that can be read as a duration; plain numbers are seconds.
fn duration(args: &[Value], index: usize) -> Result<Duration, CallError> {
    let value = Args(args).any(index);
    if let Some(duration) = value.downcast::<Duration>() {
        return Ok(*duration);
    }
    match &value {
        Value::Str(text) => {
            let whole = text.to_str();
            let text = whole.trim();
            if text.is_empty() {
                return Err("empty duration".into());
            }
            if let Ok(duration) = Duration::parse(text) {
                return Ok(duration);
            }
            match parse_float(text) {
                Some(seconds) => of_seconds(seconds),
                None => Err(format!("could not parse duration {}", quote(whole.as_bytes())).into()),
            }
        }
        Value::Nil | Value::Invalid => Err("invalid duration".into()),
        Value::Float(seconds) => of_seconds(*seconds),
        other => match other.as_integer() {
            Some(seconds) => i64::try_from(seconds)
                .ok()
                .and_then(|seconds| seconds.checked_mul(1_000_000_000))
                .map(Duration)
                .ok_or_else(|| format!("duration seconds overflow: {seconds}").into()),
            None => Err(format!("unsupported duration type {}", other.type_name()).into()),
        },
    }
}

fn of_seconds(seconds: f64) -> Result<Duration, CallError> {
    let shown = || format_float(seconds, 'g', None);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", shown()).into());
    }
    if seconds.abs() > i64::MAX as f64 / 1e9 {
        return Err(format!("duration seconds overflow: {}", shown()).into());
    }
    Ok(Duration((seconds * 1e9) as i64))
}

fn units(args: &[Value], unit: i64) -> f64 {
    duration(args, 0).map_or(0.0, |duration| duration.in_units(unit))
}

fn whole(args: &[Value], unit: i64) -> Value {
    Value::Int64(duration(args, 0).map_or(0, |duration| duration.0 / unit))
}

fn to_multiple(args: &[Value], fit: fn(Duration, Duration) -> Duration) -> Duration {
    match (duration(args, 0), duration(args, 1)) {
        (Ok(duration), Ok(multiple)) => fit(duration, multiple),
        (Ok(duration), Err(_)) => duration,
        _ => Duration(0),
    }
}
