//! Quantities of resources: `100m`, `1.5Gi`, `1e3`, and their canonical form.

use std::cmp::Ordering;
use std::fmt;

/// A number with up to nine decimal places and a suffix, as Kubernetes has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    /// In units of 10⁻⁹.
    nanos: i128,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// Reads a quantity; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Quantity> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (scale, format) = scale(suffix)?;
        let mut digits: i128 = 0;
        let mut places: i32 = 0;
        for (i, c) in whole.bytes().chain(fraction.bytes()).enumerate() {
            // More digits than this cannot matter: they are below a nano or beyond the cap.
            digits = match digits.checked_mul(10).and_then(|d| d.checked_add(i128::from(c - b'0'))) {
                Some(d) if d < i128::MAX / 2048 => d,
                _ if i < whole.len() => i128::MAX / 4096,
                _ => break,
            };
            if i >= whole.len() {
                places += 1;
            }
        }
        let nanos = match scale {
            Scale::Ten(exponent) => shift(digits, exponent + 9 - places),
            Scale::Two(exponent) => {
                let factor = 1i128 << exponent;
                match digits.checked_mul(factor) {
                    Some(n) => shift(n, 9 - places),
                    None => MAX,
                }
            }
        };
        let nanos = nanos.min(MAX);
        Some(Quantity { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// Whether the value is nothing.
    pub(crate) fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether the value is whole.
    pub(crate) fn is_integer(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether the value is below zero.
    pub(crate) fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

const MAX: i128 = i64::MAX as i128 * NANO;

enum Scale {
    Ten(i32),
    Two(u32),
}

fn scale(suffix: &str) -> Option<(Scale, Format)> {
    let ten = |e| Some((Scale::Ten(e), Format::Decimal));
    let two = |e| Some((Scale::Two(e), Format::Binary));
    match suffix {
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "" => ten(0),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let e: i32 = exponent.parse().unwrap_or(i32::MAX / 2);
            Some((Scale::Ten(e.clamp(-1000, 1000)), Format::Exponent))
        }
    }
}

/// `digits · 10^exponent`, rounded up, capped.
fn shift(digits: i128, exponent: i32) -> i128 {
    if exponent >= 0 {
        let mut out = digits;
        for _ in 0..exponent {
            match out.checked_mul(10) {
                Some(n) if n <= MAX => out = n,
                _ if out == 0 => return 0,
                _ => return MAX,
            }
        }
        out
    } else {
        let mut out = digits;
        let mut rest = false;
        for _ in exponent..0 {
            rest |= out % 10 != 0;
            out /= 10;
            if out == 0 && !rest {
                return 0;
            }
        }
        out + i128::from(rest)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The canonical form: no fraction, the largest suffix that leaves none.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.nanos % NANO == 0 && self.nanos.abs() >= 1024 * NANO {
            let mut value = self.nanos / NANO;
            let mut suffix = 0;
            while value % 1024 == 0 && suffix < 6 {
                value /= 1024;
                suffix += 1;
            }
            return write!(f, "{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(suffix).unwrap_or(&""));
        }
        let mut value = self.nanos;
        let mut suffix = 0;
        while value % 1000 == 0 && suffix < 9 {
            value /= 1000;
            suffix += 1;
        }
        if self.format == Format::Exponent {
            let exponent = suffix as i32 * 3 - 9;
            return if exponent == 0 { write!(f, "{value}") } else { write!(f, "{value}e{exponent}") };
        }
        write!(f, "{value}{}", ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].get(suffix).unwrap_or(&""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, want) in [
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1e3", "1e3"),
            ("1000", "1k"),
            ("100", "100"),
            ("1500Mi", "1500Mi"),
            ("2.5", "2500m"),
            ("0", "0"),
            ("-1", "-1"),
            ("12e6", "12e6"),
            ("1k", "1k"),
            ("0.1Ki", "102400m"),
            ("1.0", "1"),
            ("+5", "5"),
            (".5", "500m"),
            ("1000Ki", "1000Ki"),
            ("9999999999999E", "9223372036854775807"),
        ] {
            assert_eq!(Quantity::parse(text).map(|q| q.to_string()).as_deref(), Some(want), "{text}");
        }
        for bad in ["", "x", "1x", "1.2.3", "Gi", "1 ", "e3", "1e"] {
            assert!(Quantity::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Quantity::parse("1Gi"), Quantity::parse("1024Mi"));
    }
}
