use std::borrow::Cow;

use super::cursor::{BLANK, BREAK, CLASSES, COLON, Cursor, FLOW};
use super::fold::{Breaks, Text};
use crate::yaml::error::YamlError;

/// Reads a scalar without quotes, whose lines stand at `indent` or deeper. Says whether line breaks follow it, which
/// the cursor has passed.
pub(super) fn scan<'t>(cursor: &mut Cursor<'t>, indent: usize, flow: bool) -> Result<(Cow<'t, str>, bool), YamlError> {
    let start = cursor.mark();
    let mut text = Text::default();
    let mut breaks = Breaks::default();
    loop {
        if cursor.at_document_marker() || cursor.peek() == b'#' {
            break;
        }
        let end = line_end(cursor, flow);
        if end > cursor.at() {
            text.fold(&mut breaks);
            text.push_str(cursor.advance_to(end));
        }
        cursor.skip_blanks();
        if breaks.first.is_some() || cursor.break_at(cursor.at()) == 0 {
            break;
        }
        breaks.first = cursor.take_break();
        loop {
            match cursor.peek() {
                b'\t' if cursor.column() < indent => {
                    let problem = "found a tab character that violates indentation";
                    return Err(cursor.fault(problem, "while scanning a plain scalar", start));
                }
                b' ' | b'\t' => cursor.advance(1),
                _ => match cursor.take_break() {
                    Some(c) => breaks.rest.push(c),
                    None => break,
                },
            }
        }
        if !flow && cursor.column() < indent {
            break;
        }
    }
    Ok((text.finish(), breaks.first.is_some()))
}

/// Where the part of the scalar ends that is on this line, without the blanks that follow it.
fn line_end(cursor: &Cursor<'_>, flow: bool) -> usize {
    let bytes = cursor.bytes();
    let special = if flow { BLANK | BREAK | COLON | FLOW } else { BLANK | BREAK | COLON };
    let mut at = cursor.at();
    loop {
        while at < bytes.len() && CLASSES[usize::from(bytes[at])] & special == 0 {
            at += 1;
        }
        let Some(byte) = bytes.get(at) else { return at };
        match CLASSES[usize::from(*byte)] {
            // Nearly always one space between two words.
            BLANK
                if bytes
                    .get(at + 1)
                    .is_some_and(|next| CLASSES[usize::from(*next)] & special == 0 && *next != b'#') =>
            {
                at += 2;
            }
            BLANK => {
                let blanks = bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                match bytes.get(at + blanks) {
                    None | Some(b'#') => return at,
                    Some(_) if ends(cursor, at + blanks, flow) => return at,
                    Some(_) => at += blanks,
                }
            }
            _ if ends(cursor, at, flow) => return at,
            _ => at += 1,
        }
    }
}

/// True where the character at `at`, which is no blank, ends a plain scalar.
fn ends(cursor: &Cursor<'_>, at: usize, flow: bool) -> bool {
    match CLASSES[usize::from(cursor.bytes()[at])] {
        COLON => cursor.is_space(at + 1 - cursor.at()),
        FLOW => flow,
        BREAK => cursor.break_at(at) > 0,
        _ => false,
    }
}
