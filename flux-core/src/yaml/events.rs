//! The only module that knows the scanner: libyaml's events, turned into ours.

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
    parser: Parser<&'t [u8]>,
    escapes: Option<EscapeCheck<'t>>,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let mut parser = Parser::new();
        parser.set_input(text);
        Self { parser, escapes: EscapeCheck::new(text) }
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
                EventData::Scalar { anchor, tag, value, style, .. } => {
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
