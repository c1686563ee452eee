use std::borrow::Cow;

use super::cursor::{BREAK, CLASSES, Cursor, DOUBLE, Mark, SINGLE};
use super::fold::{Breaks, Text};
use crate::yaml::error::YamlError;

const SCANNING: &str = "while scanning a quoted scalar";
const PARSING: &str = "while parsing a quoted scalar";

/// Reads a scalar in single or double quotes.
pub(super) fn scan<'t>(cursor: &mut Cursor<'t>, single: bool) -> Result<Cow<'t, str>, YamlError> {
    let start = cursor.mark();
    let (quote, special) = if single { (b'\'', SINGLE | BREAK) } else { (b'"', DOUBLE | BREAK) };
    let mut text = Text::default();
    let mut breaks = Breaks::default();
    cursor.advance(1);
    loop {
        let end = piece_end(cursor, special);
        let is_break = cursor.break_at(end) > 0;
        let piece = cursor.advance_to(end);
        text.push_str(if is_break { piece.trim_end_matches([' ', '\t']) } else { piece });
        match cursor.peek() {
            0 => return Err(cursor.fault("found unexpected end of stream", SCANNING, start)),
            byte if byte == quote && single && cursor.peek_at(1) == quote => {
                text.push('\'');
                cursor.advance(2);
            }
            byte if byte == quote => {
                cursor.advance(1);
                return Ok(text.finish());
            }
            b'\\' if cursor.break_at(cursor.at() + 1) > 0 => {
                cursor.advance(1);
                cursor.take_break();
                join(cursor, &mut text, &mut breaks, start)?;
            }
            b'\\' => text.push(escape(cursor, start)?),
            _ => {
                breaks.first = cursor.take_break();
                join(cursor, &mut text, &mut breaks, start)?;
            }
        }
    }
}

/// Where the next character stands that needs care.
fn piece_end(cursor: &Cursor<'_>, special: u8) -> usize {
    let bytes = cursor.bytes();
    let mut at = cursor.at();
    while at < bytes.len() {
        let class = CLASSES[usize::from(bytes[at])] & special;
        if class != 0 && (class != BREAK || cursor.break_at(at) > 0) {
            break;
        }
        at += 1;
    }
    at
}

/// Passes over the start of the line that follows a line break, and over empty lines.
fn join(cursor: &mut Cursor<'_>, text: &mut Text<'_>, breaks: &mut Breaks, start: Mark) -> Result<(), YamlError> {
    loop {
        cursor.skip_blanks();
        match cursor.take_break() {
            Some(c) => breaks.rest.push(c),
            None => break,
        }
    }
    text.fold(breaks);
    if cursor.at_document_marker() {
        return Err(cursor.fault("found unexpected document indicator", SCANNING, start));
    }
    Ok(())
}

fn escape(cursor: &mut Cursor<'_>, start: Mark) -> Result<char, YamlError> {
    let digits = match cursor.peek_at(1) {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        byte => {
            let c = match byte {
                b'0' => '\0',
                b'a' => '\x07',
                b'b' => '\x08',
                b't' | b'\t' => '\t',
                b'n' => '\n',
                b'v' => '\x0b',
                b'f' => '\x0c',
                b'r' => '\r',
                b'e' => '\x1b',
                b' ' => ' ',
                b'"' => '"',
                b'\'' => '\'',
                b'\\' => '\\',
                b'N' => '\u{85}',
                b'_' => '\u{a0}',
                b'L' => '\u{2028}',
                b'P' => '\u{2029}',
                _ => return Err(cursor.fault("found unknown escape character", PARSING, start)),
            };
            cursor.advance(2);
            return Ok(c);
        }
    };
    cursor.advance(2);
    let mut code = 0u32;
    for ahead in 0..digits {
        let Some(digit) = char::from(cursor.peek_at(ahead)).to_digit(16) else {
            return Err(cursor.fault("did not find expected hexdecimal number", PARSING, start));
        };
        code = code << 4 | digit;
    }
    let Some(c) = char::from_u32(code) else {
        return Err(cursor.fault("found invalid Unicode character escape code", PARSING, start));
    };
    cursor.advance(digits);
    Ok(c)
}
