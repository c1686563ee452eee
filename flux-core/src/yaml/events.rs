//! The only module that knows the scanner: libyaml's events, turned into ours.

use std::io::{Chain, Read as _};

use libyaml_safer::{EventData, Parser, ScalarStyle};

use super::error::{YamlCause, YamlError};
use super::node::{Scalar, Style, Tag};

/// A line and a column, from one.
pub(super) type Position = (usize, usize);

/// What a text is made of, in reading order.
#[derive(Debug, Clone)]
pub(super) enum Event {
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar(Option<String>, Scalar),
    SequenceStart(Option<String>),
    MappingStart(Option<String>),
    /// Of a sequence or a mapping.
    End,
}

/// Reads events from a text.
pub(super) struct Events<'t> {
    parser: Parser<Chain<&'t [u8], &'static [u8]>>,
    ending: Option<Ending>,
    escapes: Option<EscapeCheck<'t>>,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let mut parser = Parser::new();
        let ending = Ending::of(text);
        let line_break: &'static [u8] = if ending.is_some() { b"\n" } else { b"" };
        parser.set_input(text.chain(line_break));
        Self { parser, ending, escapes: EscapeCheck::new(text) }
    }

    /// The next event and where it starts; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<(Event, Position)>, YamlError> {
        loop {
            let event = self.parser.parse().map_err(|error| syntax_error(&error))?;
            let at = (event.start_mark.line as usize + 1, event.start_mark.column as usize + 1);
            let event = match event.data {
                EventData::StreamStart { .. } => continue,
                EventData::StreamEnd => return Ok(None),
                EventData::DocumentStart { version_directive, .. } => {
                    if version_directive.is_some_and(|v| (v.major, v.minor) != (1, 1)) {
                        return Err(YamlError::new(at, YamlCause::Syntax("found incompatible YAML document".into())));
                    }
                    Event::DocumentStart
                }
                EventData::DocumentEnd { .. } => Event::DocumentEnd,
                EventData::Alias { anchor } => Event::Alias(anchor),
                EventData::Scalar { anchor, tag, mut value, style, .. } => {
                    let style = match style {
                        ScalarStyle::SingleQuoted => Style::Single,
                        ScalarStyle::DoubleQuoted => Style::Double,
                        ScalarStyle::Literal => Style::Literal,
                        ScalarStyle::Folded => Style::Folded,
                        _ => Style::Plain,
                    };
                    if let (Style::Double, Some(check)) = (style, &mut self.escapes) {
                        check.scalar(event.start_mark.index, event.end_mark.index, at)?;
                    }
                    if let (Style::Literal | Style::Folded, Some(ending)) = (style, &self.ending) {
                        ending.restore(&mut value, event.end_mark.index);
                    }
                    Event::Scalar(anchor, Scalar { text: value, tag: tag.as_deref().and_then(Tag::read), style })
                }
                EventData::SequenceStart { anchor, .. } => Event::SequenceStart(anchor),
                EventData::SequenceEnd | EventData::MappingEnd => Event::End,
                EventData::MappingStart { anchor, .. } => Event::MappingStart(anchor),
            };
            return Ok(Some((event, at)));
        }
    }
}

/// A text that does not end in a line break. The scanner panics on a block scalar there, so it is given a line break,
/// and the scalar loses it again.
struct Ending {
    length: u64,
    is_blank: bool,
}

impl Ending {
    fn of(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.ends_with(b"\n") {
            return None;
        }
        let bom = if text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let last = text.rsplit(|b| *b == b'\n').next().unwrap_or(text);
        Some(Self { length: text.len() as u64 - bom, is_blank: last.trim_ascii().is_empty() })
    }

    fn restore(&self, value: &mut String, end: u64) {
        let added = if self.is_blank { "\n\n" } else { "\n" };
        if end > self.length && value.ends_with(added) {
            value.pop();
        }
    }
}

fn syntax_error(error: &libyaml_safer::Error) -> YamlError {
    let mark = error.problem_mark().or_else(|| error.context_mark());
    let at = mark.map_or((0, 0), |mark| (mark.line as usize + 1, mark.column as usize + 1));
    let text = match error.context() {
        Some(context) => format!("{} {context}", error.problem()),
        None => error.problem().to_owned(),
    };
    YamlError::new(at, YamlCause::Syntax(text))
}

/// Refuses `\/` in double quotes, which the scanner takes (YAML 1.2) and Go's does not (YAML 1.1).
///
/// Marks count characters, the text is bytes; scalars come in order, so one walk serves all.
struct EscapeCheck<'t> {
    rest: std::str::Chars<'t>,
    index: u64,
}

impl<'t> EscapeCheck<'t> {
    fn new(text: &'t [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        text.contains(r"\/").then(|| Self { rest: text.chars(), index: 0 })
    }

    fn scalar(&mut self, start: u64, end: u64, at: Position) -> Result<(), YamlError> {
        let mut escaped = false;
        while self.index < end {
            let Some(c) = self.rest.next() else { break };
            self.index += 1;
            if self.index <= start {
                continue;
            }
            if escaped && c == '/' {
                return Err(YamlError::new(at, YamlCause::Syntax("found unknown escape character".into())));
            }
            escaped = c == '\\' && !escaped;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::yaml::{ReadOptions, read};

    #[test]
    fn a_block_scalar_may_be_the_end_of_the_text() {
        for (text, want) in [("a: |\n  x", "x"), ("a: |-\n  x", "x"), ("a: |\n  x\n  ", "x\n"), ("a: >+\n  x\n", "x\n")]
        {
            // The scanner's fault depends on how much of the text it has buffered.
            for padding in [0, 10_000, 16_384] {
                let text = format!("# {}\n{text}", "-".repeat(padding));
                let read = read(text.as_bytes(), &ReadOptions::default()).unwrap();
                assert_eq!(read["a"], want, "{text:?}");
            }
        }
    }
}
