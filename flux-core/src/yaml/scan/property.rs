//! What stands before a node or a document: anchors, tags and directives.

use std::borrow::Cow;

use super::cursor::{Cursor, Mark};
use super::token::Kind;
use crate::yaml::error::YamlError;

/// Reads an anchor or an alias.
pub(super) fn anchor<'t>(cursor: &mut Cursor<'t>, alias: bool) -> Result<&'t str, YamlError> {
    let start = cursor.mark();
    cursor.advance(1);
    let name = cursor.word();
    let ended = cursor.is_space(0) || matches!(cursor.peek(), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
    if name.is_empty() || !ended {
        let context = if alias { "while scanning an alias" } else { "while scanning an anchor" };
        return Err(cursor.fault("did not find expected alphabetic or numeric character", context, start));
    }
    Ok(name)
}

/// Reads a tag: its handle, which may be empty, and the rest.
pub(super) fn tag<'t>(cursor: &mut Cursor<'t>) -> Result<(&'t str, Cow<'t, str>), YamlError> {
    const CONTEXT: &str = "while scanning a tag";
    let start = cursor.mark();
    let whole = Uri { start, directive: false };
    let parts = if cursor.peek_at(1) == b'<' {
        cursor.advance(2);
        let uri = whole.read(cursor, "")?;
        if cursor.peek() != b'>' {
            return Err(cursor.fault("did not find the expected '>'", CONTEXT, start));
        }
        cursor.advance(1);
        ("", uri)
    } else {
        let handle = whole.handle(cursor)?;
        if handle.len() > 1 && handle.ends_with('!') {
            (handle, whole.read(cursor, "")?)
        } else {
            match whole.read(cursor, handle)? {
                suffix if suffix.is_empty() => ("", Cow::Borrowed("!")),
                suffix => ("!", suffix),
            }
        }
    };
    if !cursor.is_space(0) {
        return Err(cursor.fault("did not find expected whitespace or line break", CONTEXT, start));
    }
    Ok(parts)
}

/// Reads a directive and the rest of its line.
pub(super) fn directive<'t>(cursor: &mut Cursor<'t>) -> Result<(Kind<'t>, Cow<'t, str>), YamlError> {
    const CONTEXT: &str = "while scanning a directive";
    let start = cursor.mark();
    cursor.advance(1);
    let name = cursor.word();
    if name.is_empty() {
        return Err(cursor.fault("could not find expected directive name", CONTEXT, start));
    }
    if !cursor.is_space(0) {
        return Err(cursor.fault("found unexpected non-alphabetical character", CONTEXT, start));
    }
    let directive = match name {
        "YAML" => (version(cursor, start)?, Cow::Borrowed("")),
        "TAG" => tag_directive(cursor, start)?,
        _ => return Err(cursor.fault("found unknown directive name", CONTEXT, start)),
    };
    if !cursor.finish_line() {
        return Err(cursor.fault("did not find expected comment or line break", CONTEXT, start));
    }
    Ok(directive)
}

fn version<'t>(cursor: &mut Cursor<'t>, start: Mark) -> Result<Kind<'t>, YamlError> {
    const CONTEXT: &str = "while scanning a %YAML directive";
    let number = |cursor: &mut Cursor<'t>| {
        let (mut value, mut length) = (0, 0);
        while let digit @ b'0'..=b'9' = cursor.peek() {
            length += 1;
            if length > 2 {
                return Err(cursor.fault("found extremely long version number", CONTEXT, start));
            }
            value = value * 10 + (digit - b'0');
            cursor.advance(1);
        }
        match length {
            0 => Err(cursor.fault("did not find expected version number", CONTEXT, start)),
            _ => Ok(value),
        }
    };
    cursor.skip_blanks();
    let major = number(cursor)?;
    if cursor.peek() != b'.' {
        return Err(cursor.fault("did not find expected digit or '.' character", CONTEXT, start));
    }
    cursor.advance(1);
    Ok(Kind::Version(major, number(cursor)?))
}

fn tag_directive<'t>(cursor: &mut Cursor<'t>, start: Mark) -> Result<(Kind<'t>, Cow<'t, str>), YamlError> {
    const CONTEXT: &str = "while scanning a %TAG directive";
    let uri = Uri { start, directive: true };
    cursor.skip_blanks();
    let handle = uri.handle(cursor)?;
    if !matches!(cursor.peek(), b' ' | b'\t') {
        return Err(cursor.fault("did not find expected whitespace", CONTEXT, start));
    }
    cursor.skip_blanks();
    let prefix = uri.read(cursor, "")?;
    if !cursor.is_space(0) {
        return Err(cursor.fault("did not find expected whitespace or line break", CONTEXT, start));
    }
    Ok((Kind::TagDirective(handle), prefix))
}

/// Reads the parts of a tag that starts at `start`, or of a `%TAG` directive.
struct Uri {
    start: Mark,
    directive: bool,
}

impl Uri {
    fn fault(&self, cursor: &Cursor<'_>, problem: &'static str) -> YamlError {
        let context = if self.directive { "while parsing a %TAG directive" } else { "while parsing a tag" };
        cursor.fault(problem, context, self.start)
    }

    /// Reads `!`, `!!`, `!name!` or, in a tag, the start of `!name`.
    fn handle<'t>(&self, cursor: &mut Cursor<'t>) -> Result<&'t str, YamlError> {
        let from = cursor.at();
        if cursor.peek() != b'!' {
            return Err(self.fault(cursor, "did not find expected '!'"));
        }
        cursor.advance(1);
        let name = cursor.word();
        if cursor.peek() == b'!' {
            cursor.advance(1);
        } else if self.directive && !name.is_empty() {
            return Err(self.fault(cursor, "did not find expected '!'"));
        }
        Ok(cursor.slice(from, cursor.at()))
    }

    /// Reads a tag's characters after `head`, which the cursor has passed and whose `!` does not count.
    fn read<'t>(&self, cursor: &mut Cursor<'t>, head: &'t str) -> Result<Cow<'t, str>, YamlError> {
        let from = cursor.at() - head.len().saturating_sub(1);
        let mut escaped: Option<Vec<u8>> = None;
        while is_uri(cursor.peek()) {
            if cursor.peek() == b'%' {
                let bytes = escaped.get_or_insert_with(|| cursor.slice(from, cursor.at()).into());
                self.escape(cursor, bytes)?;
            } else {
                if let Some(bytes) = &mut escaped {
                    bytes.push(cursor.peek());
                }
                cursor.advance(1);
            }
        }
        if head.is_empty() && cursor.at() == from {
            return Err(self.fault(cursor, "did not find expected tag URI"));
        }
        Ok(match escaped {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
            None => cursor.slice(from, cursor.at()).into(),
        })
    }

    /// Reads the escaped bytes (`%C3%A9`) of one character.
    fn escape(&self, cursor: &mut Cursor<'_>, bytes: &mut Vec<u8>) -> Result<(), YamlError> {
        let mut width = None;
        while width != Some(0) {
            let digit = |ahead| char::from(cursor.peek_at(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (cursor.peek(), digit(1), digit(2)) else {
                return Err(self.fault(cursor, "did not find URI escaped octet"));
            };
            let octet = (high << 4 | low) as u8;
            width = Some(match (width, octet) {
                (None, 0..=0x7f) => 0,
                (None, 0xc0..=0xdf) => 1,
                (None, 0xe0..=0xef) => 2,
                (None, 0xf0..=0xf7) => 3,
                (None, _) => return Err(self.fault(cursor, "found an incorrect leading UTF-8 octet")),
                (Some(left), 0x80..=0xbf) => left - 1,
                (Some(_), _) => return Err(self.fault(cursor, "found an incorrect trailing UTF-8 octet")),
            });
            bytes.push(octet);
            cursor.advance(3);
        }
        Ok(())
    }
}

fn is_uri(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' | b';' | b'/' | b'?' | b':' | b'@' | b'&'
        | b'=' | b'+' | b'$' | b',' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b'[' | b']' | b'%')
}
