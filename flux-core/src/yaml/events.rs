//! The only module that knows the scanner: libyaml's events, turned into ours.

use std::io::{Chain, Read};
use std::panic::AssertUnwindSafe;

use libyaml_safer::{EventData, MappingStyle, Parser, ScalarStyle, SequenceStyle};

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
    /// With its anchor, and whether it is in brackets.
    SequenceStart(Option<String>, bool),
    /// With its anchor, and whether it is in braces.
    MappingStart(Option<String>, bool),
    /// Of a sequence or a mapping.
    End,
}

/// Reads events from a text.
pub(super) struct Events<'t> {
    parser: Parser<Chain<&'t [u8], &'static [u8]>>,
    text: &'t [u8],
    /// The text ends inside a line, which the scanner does not bear: it reads one more line break.
    padded: bool,
    failed: bool,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let utf16 = text.starts_with(&[0xfe, 0xff]) || text.starts_with(&[0xff, 0xfe]);
        let padded = !utf16 && !text.is_empty() && !text.ends_with(b"\n");
        let padding: &'static [u8] = if padded { b"\n" } else { b"" };
        let mut parser = Parser::new();
        parser.set_input(text.chain(padding));
        Self { parser, text, padded, failed: false }
    }

    /// Asks the scanner for an event. It panics on a few malformed texts; those are errors like all others.
    fn parse(&mut self) -> Result<libyaml_safer::Event, YamlError> {
        let unreadable = || YamlError::new((0, 0), YamlCause::Syntax("unreadable text".into()));
        if self.failed {
            return Err(unreadable());
        }
        let parser = AssertUnwindSafe(|| self.parser.parse());
        match std::panic::catch_unwind(parser) {
            Ok(result) => result.map_err(|error| syntax_error(&error)),
            Err(_) => {
                self.failed = true;
                Err(unreadable())
            }
        }
    }

    /// The next event and where it starts; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<(Event, Position)>, YamlError> {
        loop {
            let event = self.parse()?;
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
                    let (start, end) = (event.start_mark.index as usize, event.end_mark.index as usize);
                    match style {
                        Style::Double => self.check_escapes(start, end, at)?,
                        Style::Literal | Style::Folded if self.is_padded_end(end) => {
                            value.truncate(value.trim_end_matches('\n').len().max(value.len().saturating_sub(1)));
                        }
                        _ => {}
                    }
                    Event::Scalar(anchor, Scalar { text: value, tag: tag.as_deref().and_then(Tag::read), style })
                }
                EventData::SequenceStart { anchor, style, .. } => {
                    Event::SequenceStart(anchor, style == SequenceStyle::Flow)
                }
                EventData::SequenceEnd | EventData::MappingEnd => Event::End,
                EventData::MappingStart { anchor, style, .. } => {
                    Event::MappingStart(anchor, style == MappingStyle::Flow)
                }
            };
            return Ok(Some((event, at)));
        }
    }
}

impl Events<'_> {
    /// Refuses `\/` in double quotes, which the scanner takes (YAML 1.2) and Go's does not (YAML 1.1).
    fn check_escapes(&self, start: usize, end: usize, at: Position) -> Result<(), YamlError> {
        let mut escaped = false;
        for byte in self.text.get(start..end).unwrap_or_default() {
            if escaped && *byte == b'/' {
                return Err(YamlError::new(at, YamlCause::Syntax("found unknown escape character".into())));
            }
            escaped = *byte == b'\\' && !escaped;
        }
        Ok(())
    }

    /// True where a block scalar reaches the end of a text and so has taken in the line break that was added.
    fn is_padded_end(&self, end: usize) -> bool {
        let last = self.text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        self.padded && end >= self.text.len() && !last.iter().all(|byte| *byte == b' ')
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
