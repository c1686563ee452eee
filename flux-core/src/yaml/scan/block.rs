use std::borrow::Cow;

use super::cursor::{Cursor, Mark};
use super::fold::Breaks;
use crate::yaml::error::YamlError;

const SCANNING: &str = "while scanning a block scalar";

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Clip,
    Strip,
    Keep,
}

/// Reads a literal or folded scalar inside a block whose entries stand at `parent`; `None` at the root.
pub(super) fn scan<'t>(
    cursor: &mut Cursor<'t>,
    literal: bool,
    parent: Option<usize>,
) -> Result<Cow<'t, str>, YamlError> {
    let start = cursor.mark();
    cursor.advance(1);
    let (chomping, increment) = header(cursor, start)?;
    let least = parent.map_or(1, |parent| parent + 1);
    let indent = increment.map(|increment| parent.unwrap_or(0) + increment);
    let mut text = String::new();
    let mut breaks = Breaks::default();
    let indent = indentation(cursor, indent, least, &mut breaks, start)?;
    let mut after_blank = false;
    while cursor.column() == indent && !cursor.at_end() {
        let blank = matches!(cursor.peek(), b' ' | b'\t');
        match breaks.first.take() {
            Some('\n') if !literal && !after_blank && !blank => {
                if breaks.rest.is_empty() {
                    text.push(' ');
                }
            }
            first => text.extend(first),
        }
        text.push_str(&breaks.rest);
        breaks.rest.clear();
        after_blank = blank;
        text.push_str(cursor.advance_to(cursor.line_end(cursor.at())));
        breaks.first = cursor.take_break();
        indentation(cursor, Some(indent), least, &mut breaks, start)?;
    }
    if chomping != Chomping::Strip {
        text.extend(breaks.first);
    }
    if chomping == Chomping::Keep {
        text.push_str(&breaks.rest);
    }
    Ok(text.into())
}

/// Reads the indicators after `|` or `>` and the rest of that line.
fn header(cursor: &mut Cursor<'_>, start: Mark) -> Result<(Chomping, Option<usize>), YamlError> {
    let (mut chomping, mut increment) = (None, None);
    loop {
        match cursor.peek() {
            b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
            b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
            b'0' if increment.is_none() => {
                return Err(cursor.fault("found an indentation indicator equal to 0", SCANNING, start));
            }
            digit @ b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(digit - b'0')),
            _ => break,
        }
        cursor.advance(1);
    }
    if !cursor.finish_line() {
        return Err(cursor.fault("did not find expected comment or line break", SCANNING, start));
    }
    Ok((chomping.unwrap_or(Chomping::Clip), increment))
}

/// Passes over empty lines and the indentation of the next one; gives the indentation of the scalar, which is that of
/// the deepest of these lines where it is not known yet.
fn indentation(
    cursor: &mut Cursor<'_>,
    indent: Option<usize>,
    least: usize,
    breaks: &mut Breaks,
    start: Mark,
) -> Result<usize, YamlError> {
    let mut deepest = least;
    let is_inside = |cursor: &Cursor<'_>| indent.is_none_or(|indent| cursor.column() < indent);
    loop {
        while cursor.peek() == b' ' && is_inside(cursor) {
            cursor.advance(1);
        }
        deepest = deepest.max(cursor.column());
        if cursor.peek() == b'\t' && is_inside(cursor) {
            let problem = "found a tab character where an indentation space is expected";
            return Err(cursor.fault(problem, SCANNING, start));
        }
        match cursor.take_break() {
            Some(c) => breaks.rest.push(c),
            None => return Ok(indent.unwrap_or(deepest)),
        }
    }
}
