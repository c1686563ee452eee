//! Quoted strings, both ways.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

/// Whether Go prints the character as itself (`strconv.IsPrint`): letters, marks, numbers, punctuation, symbols, and
/// of all spaces only U+0020.
pub(crate) fn is_printable(c: char) -> bool {
    #[expect(clippy::unwrap_used, reason = "a constant pattern")]
    static PRINTABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\pL\pM\pN\pP\pS]$").unwrap());
    match c {
        ' '..='~' => true,
        c if c < '\u{a1}' => false,
        c => PRINTABLE.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

/// Go's `%q`.
pub(crate) fn quote(bytes: &[u8]) -> String {
    quote_with(bytes, '"', false)
}

/// Go's `%+q`.
pub(crate) fn quote_ascii(bytes: &[u8]) -> String {
    quote_with(bytes, '"', true)
}

/// Go's `%q` of a character, or `%+q`.
pub(crate) fn quote_rune(c: char, ascii: bool) -> String {
    let mut buffer = [0; 4];
    quote_with(c.encode_utf8(&mut buffer).as_bytes(), '\'', ascii)
}

/// Whether a raw literal can hold the text (`strconv.CanBackquote`).
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    let is_plain = |c: char| c == '\t' || (c >= ' ' && !matches!(c, '`' | '\x7f' | '\u{feff}'));
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
}

fn quote_with(bytes: &[u8], delimiter: char, ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(delimiter);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if c == delimiter || c == '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                '\x07' => out.push_str("\\a"),
                '\x08' => out.push_str("\\b"),
                '\x0c' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x0b' => out.push_str("\\v"),
                c if (c.is_ascii() || !ascii) && is_printable(c) => out.push(c),
                c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                    let _ = write!(out, "\\x{:02x}", c as u32);
                }
                c if (c as u32) < 0x1_0000 => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => {
                    let _ = write!(out, "\\U{:08x}", c as u32);
                }
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push(delimiter);
    out
}

/// The text of a Go string literal: interpreted (`"…"`) or raw (`` `…` ``).
pub(crate) fn unquote(literal: &str) -> Option<Vec<u8>> {
    if let Some(raw) = literal.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Some(raw.bytes().filter(|b| *b != b'\r').collect());
    }
    unquote_body(literal.strip_prefix('"')?.strip_suffix('"')?, '"')
}

/// The text between the quotes of a literal.
pub(crate) fn unquote_body(body: &str, delimiter: char) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    let mut buffer = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            if c == delimiter || c == '\n' {
                return None;
            }
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let mut number = |first: Option<char>, count: usize, radix: u32| -> Option<u32> {
            let mut value = first.map_or(Some(0), |c| c.to_digit(radix))?;
            for _ in 0..count {
                value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
            }
            Some(value)
        };
        match escape {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            'x' => out.push(u8::try_from(number(None, 2, 16)?).ok()?),
            'u' | 'U' => {
                let c = char::from_u32(number(None, if escape == 'u' { 4 } else { 8 }, 16)?)?;
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
            '0'..='7' => out.push(u8::try_from(number(Some(escape), 2, 8)?).ok()?),
            c if c == delimiter => out.push(u8::try_from(c as u32).ok()?),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_escapes_what_go_escapes() {
        assert_eq!(quote("a\"b\\\n\u{7f}é\u{200b}\u{1f600}".as_bytes()), "\"a\\\"b\\\\\\n\\x7fé\\u200b😀\"");
        assert_eq!(quote(&[b'a', 0xff]), "\"a\\xff\"");
        assert_eq!(quote_ascii("é".as_bytes()), "\"\\u00e9\"");
    }

    #[test]
    fn unquoting_reads_every_escape() {
        assert_eq!(unquote(r#""\x41\101\u00e9\n\"""#).unwrap(), "AAé\n\"".as_bytes());
        assert_eq!(unquote("`a\\n`").unwrap(), b"a\\n");
        assert!(unquote(r#""\q""#).is_none());
    }
}
