//! Durations and timestamps.

use jiff::civil::{DateTime, datetime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::cel::error::EvalError;
use crate::cel::value::{Instant, Value};

use super::Result;

const NANOS: i64 = 1_000_000_000;
/// The years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A timestamp from seconds since 1970.
pub(super) fn timestamp<'a>(seconds: i64, nanos: i32) -> Result<'a> {
    if SECONDS.contains(&seconds) && (0..1_000_000_000).contains(&nanos) {
        Ok(Value::Timestamp(Instant { seconds, nanos }))
    } else {
        Err(EvalError::Overflow("timestamp"))
    }
}

/// What a clock shows that is so many seconds ahead of UTC.
fn civil(at: Instant, ahead: i64) -> DateTime {
    let since = SignedDuration::new(at.seconds.saturating_add(ahead), at.nanos);
    datetime(1970, 1, 1, 0, 0, 0, 0).saturating_add(since)
}

/// A value of one of the two messages that an expression can make.
pub(in crate::cel) fn message<'a>(name: &str, seconds: i64, nanos: i64) -> Result<'a> {
    match name {
        "google.protobuf.Duration" => {
            let total = seconds.checked_mul(NANOS).and_then(|whole| whole.checked_add(nanos));
            total.map(Value::Duration).ok_or(EvalError::Overflow("duration"))
        }
        "google.protobuf.Timestamp" => {
            timestamp(seconds, i32::try_from(nanos).map_err(|_| EvalError::Overflow("timestamp"))?)
        }
        _ => Err(EvalError::NoSuchAttribute(name.to_owned())),
    }
}

pub(super) fn unix_seconds(at: Instant) -> i64 {
    at.seconds
}

fn nanos_of(at: Instant) -> i128 {
    i128::from(at.seconds) * i128::from(NANOS) + i128::from(at.nanos)
}

/// As Go's `ParseDuration`: `1h30m`, `-1.5s`, `100us`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 19 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        // More digits than nanoseconds have say nothing.
        let digits = &fraction[..fraction.len().min(18)];
        let parts: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let power = 10_i128.checked_pow(u32::try_from(digits.len()).ok()?)?;
        total = total.checked_add(whole.checked_mul(scale)?)?.checked_add(parts * scale / power)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Seconds with as many digits as it takes: `90s`, `1.5s`.
pub(super) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    let fraction = format!(".{rest:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{sign}{seconds}{fraction}s")
}

/// RFC 3339, strictly.
pub(super) fn parse_timestamp<'a>(text: &str) -> Result<'a> {
    let wrong = || EvalError::Conversion { from: "string", to: "google.protobuf.Timestamp" };
    let shape = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                wanted => byte == wanted,
            })
    };
    let (date, tail) = text.split_at_checked(19).ok_or_else(wrong)?;
    let zone = match tail.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            if end == 0 {
                return Err(wrong());
            }
            &fraction[end..]
        }
        None => tail,
    };
    let offset = zone == "Z" || shape(zone, "+00:00") || shape(zone, "-00:00");
    if !shape(date, "0000-00-00T00:00:00") || !offset {
        return Err(wrong());
    }
    let ahead = if zone == "Z" { 0 } else { offset_seconds(zone).ok_or_else(wrong)? };
    let shown: DateTime = text[..text.len() - zone.len()].parse().map_err(|_| wrong())?;
    let since = shown.duration_since(datetime(1970, 1, 1, 0, 0, 0, 0));
    let total = since.as_nanos() - i128::from(ahead) * i128::from(NANOS);
    from_nanos(total)
}

fn from_nanos<'a>(total: i128) -> Result<'a> {
    let seconds = i64::try_from(total.div_euclid(i128::from(NANOS))).unwrap_or(i64::MAX);
    timestamp(seconds, i32::try_from(total.rem_euclid(i128::from(NANOS))).unwrap_or(0))
}

pub(in crate::cel) fn timestamp_text(at: Instant) -> String {
    format!("{}Z", civil(at, 0))
}

/// Sums and differences.
pub(super) fn arithmetic<'a>(name: &str, arguments: &[Value<'a>]) -> std::result::Result<Option<Value<'a>>, EvalError> {
    let moved = |at: &Instant, nanos: i128| from_nanos(nanos_of(*at).saturating_add(nanos));
    let duration = |nanos: Option<i64>| nanos.map(Value::Duration).ok_or(EvalError::Overflow("duration"));
    let value = match (name, arguments) {
        ("_+_", [Value::Timestamp(at), Value::Duration(by)] | [Value::Duration(by), Value::Timestamp(at)]) => {
            moved(at, i128::from(*by))?
        }
        ("_-_", [Value::Timestamp(at), Value::Duration(by)]) => moved(at, -i128::from(*by))?,
        ("_-_", [Value::Timestamp(a), Value::Timestamp(b)]) => {
            duration(i64::try_from(nanos_of(*a) - nanos_of(*b)).ok())?
        }
        ("_+_", [Value::Duration(a), Value::Duration(b)]) => duration(a.checked_add(*b))?,
        ("_-_", [Value::Duration(a), Value::Duration(b)]) => duration(a.checked_sub(*b))?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

pub(super) fn call<'a>(
    name: &str,
    method: bool,
    arguments: &[Value<'a>],
) -> std::result::Result<Option<Value<'a>>, EvalError> {
    if !method {
        return Ok(None);
    }
    match arguments {
        [Value::Duration(nanos)] => {
            let unit = match name {
                "getHours" => 3600 * NANOS,
                "getMinutes" => 60 * NANOS,
                "getSeconds" => NANOS,
                "getMilliseconds" => 1_000_000,
                _ => return Ok(None),
            };
            Ok(Some(Value::Int(nanos / unit)))
        }
        [Value::Timestamp(at)] => Ok(part(name, civil(*at, 0))),
        [Value::Timestamp(at), Value::String(zone)] => {
            let problem = || EvalError::Argument { function: "a timestamp", problem: "not a time zone" };
            Ok(part(name, civil(*at, ahead_in(zone, *at).ok_or_else(problem)?)))
        }
        _ => Ok(None),
    }
}

/// How many seconds a zone, by its name or as an offset such as `+02:00`, is ahead of UTC.
fn ahead_in(zone: &str, at: Instant) -> Option<i64> {
    if zone.contains(':') {
        return offset_seconds(zone);
    }
    let at = Timestamp::new(at.seconds, 0).unwrap_or(Timestamp::MAX);
    Some(i64::from(TimeZone::get(zone).ok()?.to_offset(at).seconds()))
}

fn offset_seconds(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (negative, hours) = match hours.strip_prefix('-') {
        Some(hours) => (true, hours),
        None => (false, hours.strip_prefix('+').unwrap_or(hours)),
    };
    let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = number(hours)?.checked_mul(3600)?.checked_add(number(minutes)?.checked_mul(60)?)?;
    Offset::from_seconds(if negative { -seconds } else { seconds }).ok().map(|offset| i64::from(offset.seconds()))
}

fn part<'a>(name: &str, time: DateTime) -> Option<Value<'a>> {
    let value = match name {
        "getFullYear" => i64::from(time.year()),
        "getMonth" => i64::from(time.month()) - 1,
        "getDate" => i64::from(time.day()),
        "getDayOfMonth" => i64::from(time.day()) - 1,
        "getDayOfWeek" => i64::from(time.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(time.day_of_year()) - 1,
        "getHours" => i64::from(time.hour()),
        "getMinutes" => i64::from(time.minute()),
        "getSeconds" => i64::from(time.second()),
        "getMilliseconds" => i64::from(time.subsec_nanosecond()) / 1_000_000,
        _ => return None,
    };
    Some(Value::Int(value))
}
