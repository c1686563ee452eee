//! What an untagged plain scalar is: Go's resolution tables, for both generations of its YAML package.

use super::node::Tag;

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// Above the range of `i64`.
    Uint(u64),
    Float(f64),
    Timestamp(String),
    Str,
}

impl Resolved {
    pub(super) fn tag(&self) -> Tag {
        match self {
            Resolved::Null => Tag::Null,
            Resolved::Bool(_) => Tag::Bool,
            Resolved::Int(_) | Resolved::Uint(_) => Tag::Int,
            Resolved::Float(_) => Tag::Float,
            Resolved::Timestamp(_) => Tag::Timestamp,
            Resolved::Str => Tag::Str,
        }
    }
}

/// Resolves a plain text. `words` says whether YAML 1.1's `yes`, `on`, `y` and so on are booleans.
pub(super) fn resolve(text: &str, words: bool) -> Resolved {
    let Some(&first) = text.as_bytes().first() else { return Resolved::Null };
    match first {
        b'+' | b'-' | b'0'..=b'9' | b'.' => special_float(text).or_else(|| number(text)).unwrap_or(Resolved::Str),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text, words),
        _ => Resolved::Str,
    }
}

/// True for YAML 1.1's base 60 numbers such as `1:30`, which Go reads as strings and writes in quotes.
pub(super) fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = text.split(':');
    let head = parts.next().unwrap_or_default();
    let digits_or_bars = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let sixty = |s: &str| match s.as_bytes() {
        [d] => d.is_ascii_digit(),
        [t, d] => (b'0'..=b'5').contains(t) && d.is_ascii_digit(),
        _ => false,
    };
    let mut count = 0;
    head.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && digits_or_bars(head)
        && parts.inspect(|_| count += 1).all(sixty)
        && count > 0
        && digits_or_bars(fraction)
}

fn word(text: &str, words: bool) -> Resolved {
    match text {
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if words => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if words => Resolved::Bool(false),
        _ => Resolved::Str,
    }
}

fn special_float(text: &str) -> Option<Resolved> {
    let value = match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        _ => return None,
    };
    Some(Resolved::Float(value))
}

fn number(text: &str) -> Option<Resolved> {
    if let Some(time) = timestamp(text) {
        return Some(Resolved::Timestamp(time));
    }
    if text.starts_with('.') {
        return decimal_float(text);
    }
    let plain: std::borrow::Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    integer(&plain).or_else(|| decimal_float(&plain))
}

fn integer(text: &str) -> Option<Resolved> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None; // a second sign
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (true, _) if magnitude == i64::MIN.unsigned_abs() => Some(Resolved::Int(i64::MIN)),
        (true, Ok(value)) => Some(Resolved::Int(-value)),
        (true, Err(_)) => None,
        (false, Ok(value)) => Some(Resolved::Int(value)),
        // Go reads unsigned numbers without a sign only.
        (false, Err(_)) if text.starts_with('+') => None,
        (false, Err(_)) => Some(Resolved::Uint(magnitude)),
    }
}

fn decimal_float(text: &str) -> Option<Resolved> {
    let bytes = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(0);
    let mut end = whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        end += 1;
        if matches!(bytes.get(end), Some(b'+' | b'-')) {
            end += 1;
        }
        match digits(end) {
            0 => return None,
            n => end += n,
        }
    }
    if end != bytes.len() {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Resolved::Float)
}

/// Reads the forms of time that Go takes and gives RFC 3339, as Go's JSON does.
pub(super) fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    let mut rest = Fields { bytes, at: 5 };
    let year: u32 = text[..4].parse().ok()?;
    let month = rest.number()?;
    rest.literal(b'-')?;
    let day = rest.number()?;
    if !(1..=12).contains(&month) || day < 1 || day > days(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.done() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let zoned = match rest.next()? {
        b'T' | b't' => true,
        b' ' => false,
        _ => return None,
    };
    let (hour, minute, second, fraction) = rest.clock()?;
    let mut time = format!("{date}T{hour:02}:{minute:02}:{second:02}");
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        time.push('.');
        time.push_str(fraction);
    }
    if zoned {
        time.push_str(&rest.zone()?)
    } else {
        time.push('Z')
    }
    rest.done().then_some(time)
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Fields<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Fields<'t> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn done(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// One or two digits.
    fn number(&mut self) -> Option<u32> {
        let first = self.next().filter(u8::is_ascii_digit)?;
        let mut value = u32::from(first - b'0');
        if let Some(second) = self.bytes.get(self.at).filter(|b| b.is_ascii_digit()) {
            value = value * 10 + u32::from(second - b'0');
            self.at += 1;
        }
        Some(value)
    }

    fn clock(&mut self) -> Option<(u32, u32, u32, &'t str)> {
        let hour = self.number().filter(|h| *h < 24)?;
        self.literal(b':')?;
        let minute = self.number().filter(|m| *m < 60)?;
        self.literal(b':')?;
        let second = self.number().filter(|s| *s < 60)?;
        let mut fraction = "";
        if matches!(self.bytes.get(self.at), Some(b'.' | b',')) {
            let start = self.at + 1;
            let count = self.bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
            if count > 0 {
                self.at = start + count;
                // Go keeps nanoseconds.
                fraction = std::str::from_utf8(&self.bytes[start..start + count.min(9)]).ok()?;
            }
        }
        Some((hour, minute, second, fraction))
    }

    fn zone(&mut self) -> Option<String> {
        match self.next()? {
            b'Z' => Some("Z".into()),
            sign @ (b'+' | b'-') => {
                let two = |fields: &mut Self| {
                    let (a, b) = (fields.next()?, fields.next()?);
                    (a.is_ascii_digit() && b.is_ascii_digit()).then(|| u32::from(a - b'0') * 10 + u32::from(b - b'0'))
                };
                let hour = two(self).filter(|h| *h <= 24)?;
                self.literal(b':')?;
                let minute = two(self).filter(|m| *m < 60)?;
                if hour == 0 && minute == 0 {
                    return Some("Z".into());
                }
                Some(format!("{}{hour:02}:{minute:02}", char::from(sign)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_base() {
        for (text, value) in [
            ("0777", 511),
            ("0o17", 15),
            ("-0b101", -5),
            ("+0x1F", 31),
            ("1_000", 1000),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(resolve(text, false), Resolved::Int(value), "{text}");
        }
        assert_eq!(resolve("0xFFFFFFFFFFFFFFFF", false), Resolved::Uint(u64::MAX));
        assert_eq!(resolve("08", false), Resolved::Float(8.0));
        for text in ["0x", "--1", "0x-1", "1e", "+", "1e400", "."] {
            assert_eq!(resolve(text, false), Resolved::Str, "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, time) in [
            ("2001-2-3", "2001-02-03T00:00:00Z"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00"),
            ("2001-12-14 21:59:43", "2001-12-14T21:59:43Z"),
        ] {
            assert_eq!(timestamp(text).as_deref(), Some(time));
        }
        for text in ["2001-02-30", "2001-12-14 21:59:43Z", "2001-12-14T21:59:43", "2001-1", "2001-12-14T24:00:00Z"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn base_60() {
        assert!(is_base_60("190:20:30") && is_base_60("1:30.5") && is_base_60("-1_0:5"));
        assert!(
            !is_base_60("1:60") && !is_base_60("a:1") && !is_base_60("12") && !is_base_60("1:2:") && !is_base_60("1.5")
        );
    }
}
