//! `time.Duration`: nanoseconds.

use std::any::Any;

use super::parse::quote_ascii_only;
use crate::helm::template::{Function, Native, Type, Value};

/// A span of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) i64);

const UNITS: &[(&str, i64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Duration {
    /// Go's `time.ParseDuration`: `1h2m3.5s`.
    ///
    /// # Errors
    /// Go's words for what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const MAX: u64 = 1 << 63;
        let whole = || quote_ascii_only(text);
        let invalid = || format!("time: invalid duration {}", whole());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole_part, after) = digits(rest);
            let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
            if whole_part.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            let value = match whole_part {
                "" => 0,
                digits => digits.parse::<u64>().ok().filter(|value| *value <= MAX).ok_or_else(invalid)?,
            };
            if name.is_empty() {
                return Err(format!("time: missing unit in duration {}", whole()));
            }
            let Some((_, unit)) = UNITS.iter().find(|(known, _)| *known == name) else {
                return Err(format!("time: unknown unit {} in duration {}", quote_ascii_only(name), whole()));
            };
            if value > MAX / unit.unsigned_abs() {
                return Err(invalid());
            }
            let mut value = value * unit.unsigned_abs();
            if !fraction.is_empty() {
                let (number, scale) = fraction_of(fraction);
                value += (number as f64 * (*unit as f64 / scale)) as u64;
            }
            total = total.checked_add(value).filter(|total| *total <= MAX).ok_or_else(invalid)?;
            rest = after;
        }
        if negative {
            return Ok(Self((total as i64).wrapping_neg()));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }

    /// Rounds half away from zero to a multiple.
    pub(crate) fn round(self, multiple: Self) -> Self {
        if multiple.0 <= 0 {
            return self;
        }
        let remainder = self.0 % multiple.0;
        let down = self.0 - remainder;
        if remainder.unsigned_abs() * 2 < multiple.0.unsigned_abs() {
            return Self(down);
        }
        Self(down.saturating_add(if self.0 < 0 { -multiple.0 } else { multiple.0 }))
    }

    /// Rounds toward zero to a multiple.
    pub(crate) fn truncate(self, multiple: Self) -> Self {
        if multiple.0 <= 0 { self } else { Self(self.0 - self.0 % multiple.0) }
    }

    pub(crate) fn value(self) -> Value {
        Value::Native(std::rc::Rc::new(self))
    }
}

/// The digits at the start, and what follows.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The digits after a point as a number and what to divide it by; those that would overflow are dropped.
fn fraction_of(digits: &str) -> (u64, f64) {
    let (mut number, mut scale) = (0u64, 1f64);
    for digit in digits.bytes().map(|b| u64::from(b - b'0')) {
        match number.checked_mul(10).and_then(|number| number.checked_add(digit)) {
            Some(next) if next <= i64::MAX as u64 => number = next,
            _ => break,
        }
        scale *= 10.0;
    }
    (number, scale)
}

impl std::fmt::Display for Duration {
    /// `1h2m3.5s`, and below a second the largest unit that fits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let decimal = |value: u64, unit: u64| {
            let fraction = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
            let fraction = fraction.trim_end_matches('0');
            let whole = value / unit;
            if fraction.is_empty() || unit == 1 { whole.to_string() } else { format!("{whole}.{fraction}") }
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{sign}{nanos}ns"),
            1_000..1_000_000 => write!(f, "{sign}{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{sign}{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(f, "{sign}{seconds}s"),
                    (0, minutes) => write!(f, "{sign}{minutes}m{seconds}s"),
                    (hours, minutes) => write!(f, "{sign}{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

fn nanos(args: &[Value]) -> i64 {
    args.first().and_then(|value| value.downcast::<Duration>()).map_or(0, |duration| duration.0)
}

impl Duration {
    /// As a number of units, the whole ones and the rest apart, as Go computes it.
    pub(crate) fn in_units(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }
}

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

const DURATION_ARG: &[Type] = &[Type::Native("time.Duration")];

fn multiple(args: &[Value]) -> Duration {
    args.get(1).and_then(|value| value.downcast::<Duration>()).copied().unwrap_or(Duration(0))
}

static METHODS: &[Function] = &[
    Function::new("Hours", &[], |_, args| Ok(Value::Float(Duration(nanos(args)).in_units(HOUR)))),
    Function::new("Minutes", &[], |_, args| Ok(Value::Float(Duration(nanos(args)).in_units(MINUTE)))),
    Function::new("Seconds", &[], |_, args| Ok(Value::Float(Duration(nanos(args)).in_units(SECOND)))),
    Function::new("Abs", &[], |_, args| Ok(Duration(nanos(args).saturating_abs()).value())),
    Function::new("Round", DURATION_ARG, |_, args| Ok(Duration(nanos(args)).round(multiple(args)).value())),
    Function::new("Truncate", DURATION_ARG, |_, args| Ok(Duration(nanos(args)).truncate(multiple(args)).value())),
    Function::new("Milliseconds", &[], |_, args| Ok(Value::Int64(nanos(args) / 1_000_000))),
    Function::new("Microseconds", &[], |_, args| Ok(Value::Int64(nanos(args) / 1_000))),
    Function::new("Nanoseconds", &[], |_, args| Ok(Value::Int64(nanos(args)))),
    Function::new("String", &[], |_, args| Ok(Value::text(Duration(nanos(args)).to_string()))),
];

impl Native for Duration {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn kind(&self) -> &'static str {
        "int64"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int64(self.0))
    }

    fn of_number(&self, number: i64) -> Option<Value> {
        Some(Self(number).value())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_both_ways() {
        for text in ["1h2m3.5s", "95ns", "1.5ms", "-2m0s", "3661h0m1s", "10µs"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Duration::parse("-1.5h").unwrap().to_string(), "-1h30m0s");
        assert!(Duration::parse("bad").is_err());
        assert!(Duration::parse("5").is_err());
    }
}
