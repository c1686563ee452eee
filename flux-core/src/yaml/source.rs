//! The text as characters: encodings, byte order marks, and the characters that YAML forbids.

use std::borrow::Cow;

use super::Limits;
use super::error::{Syntax, YamlCause, YamlError};

/// How much Go's reader decodes at once. A fault hides all that lies in the same part of the text.
const CHUNK: usize = 512;

const INCOMPLETE: &str = "incomplete UTF-8 octet sequence";

/// A text that is ready to be scanned.
pub(super) struct Source<'t> {
    pub(super) text: Cow<'t, str>,
    /// Why the text ends where it does, if there is more that cannot be read.
    pub(super) fault: Option<YamlError>,
}

impl<'t> Source<'t> {
    /// Decodes a text of UTF-8, or of UTF-16 with a byte order mark.
    pub(super) fn new(bytes: &'t [u8], limits: Limits) -> Result<Self, YamlError> {
        if bytes.len() > limits.bytes {
            return Err(YamlError::new((0, 0), YamlCause::Limit { what: "bytes", limit: limits.bytes }));
        }
        Ok(match bytes {
            [0xff, 0xfe, units @ ..] => Self::utf16(units, u16::from_le_bytes),
            [0xfe, 0xff, units @ ..] => Self::utf16(units, u16::from_be_bytes),
            _ => Self::utf8(bytes),
        })
    }

    fn utf8(bytes: &'t [u8]) -> Self {
        let (text, mut fault) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = error.valid_up_to();
                let text = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
                (text, Some((valid, utf8_problem(&bytes[valid..]))))
            }
        };
        if let Some(at) = forbidden(text) {
            fault = Some((at, "control characters are not allowed"));
        }
        let text = match &fault {
            // A character that breaks off is found when the reader asks for more.
            Some((_, INCOMPLETE)) | None => text,
            Some((at, _)) => &text[..readable(text, *at)],
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { text: text.into(), fault: fault.map(|(_, problem)| unreadable(problem)) }
    }

    fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Self {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let mut text = String::with_capacity(pairs.len());
        let mut problem = (!rest.is_empty()).then_some("incomplete UTF-16 character");
        for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
            match decoded {
                Ok(c) => text.push(c),
                Err(error) => {
                    problem = Some(match error.unpaired_surrogate() {
                        0xdc00..=0xdfff => "unexpected low surrogate area",
                        _ => "expected low surrogate area",
                    });
                    break;
                }
            }
        }
        if let Some(at) = forbidden(&text) {
            text.truncate(at);
            problem = Some("control characters are not allowed");
        }
        if problem.is_some() {
            text.truncate(readable(&text, text.len()));
        }
        Self { text: text.into(), fault: problem.map(unreadable) }
    }
}

/// The fault of a text as a whole, since Go's reader knows no lines.
fn unreadable(problem: &'static str) -> YamlError {
    YamlError::new((0, 0), YamlCause::Syntax(Syntax::reader(problem)))
}

/// How much of a text Go's reader has handed out when it comes upon a fault at `at`.
fn readable(text: &str, at: usize) -> usize {
    let mut start = 0;
    loop {
        let end = boundary(text, start + CHUNK);
        if end > at || end <= start || end == text.len() {
            return start;
        }
        start = end;
    }
}

/// The last place up to `at` where a character ends.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn utf8_problem(bytes: &[u8]) -> &'static str {
    let width = match bytes.first() {
        Some(0..=0x7f) => 1,
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    if bytes.len() < width {
        return INCOMPLETE;
    }
    if bytes[1..width].iter().any(|byte| byte & 0xc0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    match bytes {
        [0xc0 | 0xc1, ..] | [0xe0, 0x80..=0x9f, ..] | [0xf0, 0x80..=0x8f, ..] => "invalid length of a UTF-8 sequence",
        _ => "invalid Unicode character",
    }
}

/// Where the first character stands that YAML does not allow.
fn forbidden(text: &str) -> Option<usize> {
    // Most of a text is printable ASCII, which needs no second look.
    let odd = |byte: u8| (byte < 0x20 && byte != b'\n' && byte != b'\t' && byte != b'\r') || byte >= 0x7f;
    let mut start = 0;
    for chunk in text.as_bytes().chunks(64) {
        if chunk.iter().fold(false, |found, byte| found | odd(*byte)) {
            let (from, to) = (boundary(text, start), boundary(text, start + chunk.len()));
            let found = text[from..to].char_indices().find(|(_, c)| !is_allowed(*c));
            if let Some((at, _)) = found {
                return Some(from + at);
            }
        }
        start += chunk.len();
    }
    None
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> Option<String> {
        Source::new(bytes, Limits::default()).unwrap().fault.map(|fault| fault.cause.to_string())
    }

    #[test]
    fn encodings() {
        let text = |bytes: &[u8]| Source::new(bytes, Limits::default()).unwrap().text.into_owned();
        assert_eq!(text("\u{feff}é".as_bytes()), "é");
        assert_eq!(text(&[0xff, 0xfe, b'a', 0, 0x3d, 0xd8, 0, 0xde]), "a\u{1f600}");
        assert_eq!(text(&[0xfe, 0xff, 0, b'a', 0xd8, 0x3d, 0xde, 0]), "a\u{1f600}");
        assert_eq!(problem(b"a: \t\r\n"), None);
    }

    #[test]
    fn faults_in_the_words_of_go() {
        for (bytes, words) in [
            (b"a\x07".as_slice(), "control characters are not allowed"),
            ("\u{7f}".as_bytes(), "control characters are not allowed"),
            ("a\u{9f}".as_bytes(), "control characters are not allowed"),
            ("\u{ffff}".as_bytes(), "control characters are not allowed"),
            (b"\xff", "invalid leading UTF-8 octet"),
            (b"\xc3", "incomplete UTF-8 octet sequence"),
            (b"\xc3(", "invalid trailing UTF-8 octet"),
            (b"\xc0\x80", "invalid length of a UTF-8 sequence"),
            (b"\xed\xa0\x80", "invalid Unicode character"),
            (b"\xff\xfea", "incomplete UTF-16 character"),
            (b"\xff\xfe\x00\xdc", "unexpected low surrogate area"),
            (b"\xff\xfe\x00\xd8a\0", "expected low surrogate area"),
        ] {
            assert_eq!(problem(bytes).as_deref(), Some(words), "{bytes:?}");
        }
    }

    #[test]
    fn what_lies_before_the_part_with_the_fault_is_read() {
        let mut bytes = vec![b'a'; 1500];
        bytes[1100] = 0;
        let source = Source::new(&bytes, Limits::default()).unwrap();
        assert_eq!(source.text.len(), 1024);
        assert!(source.fault.is_some());
    }
}
