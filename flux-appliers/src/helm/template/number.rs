//! Number literals: one text can be an integer, an unsigned integer and a float at once, and the place it is used in
//! decides.

/// A parsed literal, with every reading it allows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    /// The literal as written.
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
}

impl Number {
    /// Reads a number.
    ///
    /// # Errors
    /// The message Go gives for text that is no number.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        use super::gofmt::quote;
        let mut number = Self { text: text.to_owned(), int: parse_int(text), uint: parse_uint(text), float: None };
        if number.int == Some(0) {
            // "-0" and "+0" are good unsigned numbers.
            number.uint = Some(0);
        }
        if let Some(int) = number.int {
            number.float = Some(int as f64);
        } else if let Some(uint) = number.uint {
            number.float = Some(uint as f64);
        } else if let Some(float) = parse_float(text) {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", quote(text.as_bytes())));
            }
            number.float = Some(float);
            if (float as i64) as f64 == float {
                number.int = Some(float as i64);
            }
            if (float as u64) as f64 == float {
                number.uint = Some(float as u64);
            }
        }
        if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
            return Err(format!("illegal number syntax: {}", quote(text.as_bytes())));
        }
        Ok(number)
    }

    /// The number of a character constant, `'a'`.
    ///
    /// # Errors
    /// The message Go gives for a malformed one.
    pub(crate) fn of_char(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let bytes = inner.and_then(|inner| super::gofmt::unquote_body(inner, '\''));
        let code = bytes.and_then(|bytes| {
            if let [byte] = bytes.as_slice() {
                return Some(u32::from(*byte));
            }
            let text = String::from_utf8(bytes).ok()?;
            let mut chars = text.chars();
            let first = chars.next()?;
            chars.next().is_none().then_some(first as u32)
        });
        let code = code.ok_or_else(|| format!("malformed character constant: {text}"))?;
        Ok(Self {
            text: text.to_owned(),
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
        })
    }

    /// Whether the way it is written makes it a float where nothing else decides.
    pub(crate) fn is_written_as_float(&self) -> bool {
        let bytes = self.text.as_bytes();
        let is_char = bytes.first() == Some(&b'\'');
        let is_hex = bytes.len() > 2
            && bytes.first() == Some(&b'0')
            && matches!(bytes.get(1), Some(b'x' | b'X'))
            && !self.text.contains(['p', 'P']);
        !is_char && !is_hex && self.text.contains(['.', 'e', 'E', 'p', 'P'])
    }
}

/// Splits off the base prefix that Go allows, checking that underscores only stand between digits.
fn digits(text: &str) -> Option<(u32, String)> {
    let lower = text.to_ascii_lowercase();
    let (base, body) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    // After a prefix one underscore may stand first.
    let body = if base == 10 { body } else { body.strip_prefix('_').unwrap_or(body) };
    if body.is_empty() || body.starts_with('_') || body.ends_with('_') || body.contains("__") {
        return None;
    }
    Some((base, body.replace('_', "")))
}

/// Go's `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (base, body) = digits(body)?;
    if !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(&body, base).ok()?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

fn parse_uint(text: &str) -> Option<u64> {
    let (base, body) = digits(text)?;
    body.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| u64::from_str_radix(&body, base).ok()).flatten()
}

/// Go's `strconv.ParseFloat` for text that starts like a number (so neither `inf` nor `nan`).
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let body = text.trim_start_matches(['+', '-']);
    if text.len() > body.len() + 1 {
        return None;
    }
    if body.starts_with("0x") || body.starts_with("0X") {
        let value = parse_hex_float(body.get(2..)?)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    // Underscores may only stand between digits.
    let misplaced = |i: usize| {
        let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        !is_digit(i.checked_sub(1)) || !is_digit(Some(i + 1))
    };
    if text.match_indices('_').any(|(i, _)| misplaced(i)) {
        return None;
    }
    let value: f64 = text.replace('_', "").parse().ok()?;
    value.is_finite().then_some(value)
}

fn parse_hex_float(body: &str) -> Option<f64> {
    let (mantissa, exponent) = body.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = 0f64;
    for c in whole.chars().filter(|c| *c != '_') {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let mut scale = 1.0 / 16.0;
    for c in fraction.chars().filter(|c| *c != '_') {
        value += f64::from(c.to_digit(16)?) * scale;
        scale /= 16.0;
    }
    Some(value * 2f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_base() {
        for (text, want) in [("0x10", 16), ("0o17", 15), ("017", 15), ("0b11", 3), ("1_000", 1000), ("-5", -5)] {
            assert_eq!(Number::parse(text).unwrap().int, Some(want), "{text}");
        }
    }

    #[test]
    fn a_float_that_is_whole_is_also_an_integer() {
        let number = Number::parse("1e3").unwrap();
        assert_eq!((number.int, number.float), (Some(1000), Some(1000.0)));
        assert!(number.is_written_as_float());
        assert_eq!(Number::parse("0x1.8p1").unwrap().float, Some(3.0));
    }

    #[test]
    fn faults_are_named_as_go_names_them() {
        assert_eq!(Number::parse("99999999999999999999").unwrap_err(), "integer overflow: \"99999999999999999999\"");
        assert_eq!(Number::parse("089x").unwrap_err(), "illegal number syntax: \"089x\"");
    }
}
