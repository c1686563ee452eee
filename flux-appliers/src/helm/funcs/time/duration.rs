//! `time.Duration`: nanoseconds.

use std::any::Any;

use crate::helm::template::{Function, Native, Value};

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
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (value, after) = rest.split_at(number);
            let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
            if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || value.len() > 30 {
                return None;
            }
            let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
            total += i128::from(unit) * whole.parse::<i128>().ok().or(whole.is_empty().then_some(0))?;
            if !fraction.is_empty() {
                let scale = 10f64.powi(fraction.len() as i32);
                total += (fraction.parse::<i128>().ok()? as f64 * (unit as f64 / scale)) as i128;
            }
            rest = after;
        }
        i64::try_from(if negative { -total } else { total }).ok().map(Self)
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

static METHODS: &[Function] = &[
    Function::new("Hours", &[], |_, args| Ok(Value::Float(nanos(args) as f64 / 3.6e12))),
    Function::new("Minutes", &[], |_, args| Ok(Value::Float(nanos(args) as f64 / 6e10))),
    Function::new("Seconds", &[], |_, args| Ok(Value::Float(nanos(args) as f64 / 1e9))),
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
        assert!(Duration::parse("bad").is_none());
        assert!(Duration::parse("5").is_none());
    }
}
