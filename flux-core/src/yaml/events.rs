//! Tokens to events: what a text is made of, in reading order.

use std::borrow::Cow;

use super::error::{Syntax, YamlCause, YamlError};
use super::node::{Style, Tag};
use super::scan::{Kind, Mark, Scanner};
use super::source::Source;

/// A line and a column, from one.
pub(super) type Position = (usize, usize);

/// The prefix of the handle `!!`.
const STANDARD: &str = "tag:yaml.org,2002:";

/// What a text is made of, in reading order.
#[derive(Debug)]
pub(super) enum Event<'t> {
    DocumentStart,
    DocumentEnd,
    Alias(Cow<'t, str>),
    Scalar {
        anchor: Option<Cow<'t, str>>,
        tag: Option<Tag>,
        text: Cow<'t, str>,
        style: Style,
    },
    /// With its anchor, and whether it is in brackets.
    SequenceStart(Option<Cow<'t, str>>, bool),
    /// With its anchor, and whether it is in braces.
    MappingStart(Option<Cow<'t, str>>, bool),
    /// Of a sequence or a mapping.
    End,
}

/// What the parser expects next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    FirstDocument,
    Document,
    /// The content of a document after `---`.
    Content,
    DocumentEnd,
    Root,
    BlockSequence,
    IndentlessSequence,
    BlockKey,
    BlockValue,
    FlowSequence {
        first: bool,
    },
    /// The key of a mapping of one pair inside a flow sequence, its value, and its end.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey {
        first: bool,
    },
    FlowValue,
    /// A flow mapping's key without a value.
    FlowNoValue,
    End,
}

/// Which nodes may stand somewhere.
#[derive(Clone, Copy, PartialEq)]
enum Allowed {
    Flow,
    Block,
    /// Also a sequence that is not indented, as after `key:`.
    BlockOrIndentless,
}

/// The anchor and the tag before a node.
#[derive(Default)]
struct Properties<'t> {
    anchor: Option<Cow<'t, str>>,
    /// The handle, the rest, and where the tag stands.
    tag: Option<(&'t str, Cow<'t, str>, Mark)>,
}

/// Reads events from a text.
#[derive(Clone)]
pub(super) struct Events<'t> {
    scanner: Scanner<'t>,
    state: State,
    /// What follows once the node that is being read has ended.
    states: Vec<State>,
    /// Where the open collections start.
    marks: Vec<Mark>,
    /// The handles of `%TAG` and their prefixes, for this document.
    handles: Vec<(&'t str, Cow<'t, str>)>,
}

type Parsed<'t> = Result<(Event<'t>, Mark), YamlError>;

impl<'t> Events<'t> {
    pub(super) fn new(source: &'t Source<'_>) -> Self {
        Self {
            scanner: Scanner::new(source),
            state: State::FirstDocument,
            states: Vec::new(),
            marks: Vec::new(),
            handles: Vec::new(),
        }
    }

    /// The next event and where it starts; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<(Event<'t>, Position)>, YamlError> {
        let (event, mark) = match self.state {
            State::FirstDocument | State::Document => match self.document_start()? {
                Some(found) => found,
                None => return Ok(None),
            },
            State::Content => self.content()?,
            State::DocumentEnd => self.document_end()?,
            State::Root => self.node(Allowed::Block)?,
            State::BlockSequence => self.block_sequence()?,
            State::IndentlessSequence => self.indentless_sequence()?,
            State::BlockKey => self.block_key()?,
            State::BlockValue => self.block_value()?,
            State::FlowSequence { first } => self.flow_sequence(first)?,
            State::PairKey => self.pair_key()?,
            State::PairValue => self.pair_value()?,
            State::PairEnd => self.pair_end()?,
            State::FlowKey { first } => self.flow_key(first)?,
            State::FlowValue => self.flow_value()?,
            State::FlowNoValue => {
                let (_, at) = self.scanner.peek()?;
                self.empty(State::FlowKey { first: false }, at)
            }
            State::End => return Ok(None),
        };
        Ok(Some((event, (mark.line + 1, mark.column + 1))))
    }

    /// Takes the token that was peeked at, and peeks at the next.
    fn skip(&mut self) -> Result<(Kind<'t>, Mark), YamlError> {
        self.scanner.take();
        self.scanner.peek()
    }

    fn document_start(&mut self) -> Result<Option<(Event<'t>, Mark)>, YamlError> {
        let (mut kind, mut at) = self.scanner.peek()?;
        let first = self.state == State::FirstDocument;
        while !first && kind == Kind::DocumentEnd {
            (kind, at) = self.skip()?;
        }
        if kind == Kind::StreamEnd {
            self.state = State::End;
            return Ok(None);
        }
        let explicit = matches!(kind, Kind::Version(..) | Kind::TagDirective(_) | Kind::DocumentStart);
        self.states.push(State::DocumentEnd);
        if first && !explicit {
            self.state = State::Root;
            return Ok(Some((Event::DocumentStart, at)));
        }
        self.directives()?;
        match self.scanner.peek()? {
            (Kind::DocumentStart, _) => self.scanner.take(),
            (_, at) => return Err(fault("did not find expected <document start>", at)),
        };
        self.state = State::Content;
        Ok(Some((Event::DocumentStart, at)))
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut versioned = false;
        loop {
            match self.scanner.peek()? {
                (Kind::Version(..), at) if versioned => return Err(fault("found duplicate %YAML directive", at)),
                (Kind::Version(1, 1), _) => {
                    versioned = true;
                    self.scanner.take();
                }
                (Kind::Version(..), at) => return Err(fault("found incompatible YAML document", at)),
                (Kind::TagDirective(handle), at) => {
                    if self.handles.iter().any(|(known, _)| *known == handle) {
                        return Err(fault("found duplicate %TAG directive", at));
                    }
                    let prefix = self.scanner.take();
                    self.handles.push((handle, prefix));
                }
                _ => return Ok(()),
            }
        }
    }

    fn content(&mut self) -> Parsed<'t> {
        match self.scanner.peek()? {
            (
                Kind::Version(..) | Kind::TagDirective(_) | Kind::DocumentStart | Kind::DocumentEnd | Kind::StreamEnd,
                at,
            ) => {
                let after = self.after();
                Ok(self.empty(after, at))
            }
            _ => self.node(Allowed::Block),
        }
    }

    fn document_end(&mut self) -> Parsed<'t> {
        let (kind, at) = self.scanner.peek()?;
        if kind == Kind::DocumentEnd {
            self.scanner.take();
        }
        self.handles.clear();
        self.state = State::Document;
        Ok((Event::DocumentEnd, at))
    }

    /// The state that follows a finished node.
    fn after(&mut self) -> State {
        self.states.pop().unwrap_or(State::End)
    }

    /// A scalar that is not there.
    fn empty(&mut self, state: State, at: Mark) -> (Event<'t>, Mark) {
        self.state = state;
        (Event::Scalar { anchor: None, tag: None, text: Cow::Borrowed(""), style: Style::Plain }, at)
    }

    /// A node, after which `then` follows.
    fn node_then(&mut self, then: State, allowed: Allowed) -> Parsed<'t> {
        self.states.push(then);
        self.node(allowed)
    }

    fn node(&mut self, allowed: Allowed) -> Parsed<'t> {
        let (mut kind, start) = self.scanner.peek()?;
        if kind == Kind::Alias {
            let name = self.scanner.take();
            self.state = self.after();
            return Ok((Event::Alias(name), start));
        }
        let mut properties = Properties::default();
        let mut at = start;
        loop {
            match kind {
                Kind::Anchor if properties.anchor.is_none() => properties.anchor = Some(self.scanner.take()),
                Kind::Tag(handle) if properties.tag.is_none() => {
                    properties.tag = Some((handle, self.scanner.take(), at));
                }
                _ => break,
            }
            (kind, at) = self.scanner.peek()?;
        }
        let named = properties.anchor.is_some() || properties.tag.is_some();
        let tag = match properties.tag {
            Some((handle, rest, at)) => self.resolve_tag(handle, rest, start, at)?,
            None => None,
        };
        let anchor = properties.anchor;
        let block = allowed != Allowed::Flow;
        let event = match kind {
            Kind::BlockEntry if allowed == Allowed::BlockOrIndentless => {
                self.state = State::IndentlessSequence;
                return Ok((Event::SequenceStart(anchor, false), start));
            }
            Kind::Scalar(style) => {
                let text = self.scanner.take();
                self.state = self.after();
                return Ok((Event::Scalar { anchor, tag, text, style }, start));
            }
            Kind::FlowSequenceStart => {
                self.state = State::FlowSequence { first: true };
                Event::SequenceStart(anchor, true)
            }
            Kind::FlowMappingStart => {
                self.state = State::FlowKey { first: true };
                Event::MappingStart(anchor, true)
            }
            Kind::BlockSequenceStart if block => {
                self.state = State::BlockSequence;
                Event::SequenceStart(anchor, false)
            }
            Kind::BlockMappingStart if block => {
                self.state = State::BlockKey;
                Event::MappingStart(anchor, false)
            }
            _ if named => {
                self.state = self.after();
                let text = Cow::Borrowed("");
                return Ok((Event::Scalar { anchor, tag, text, style: Style::Plain }, start));
            }
            _ => {
                let context = if block { "while parsing a block node" } else { "while parsing a flow node" };
                return Err(fault_in("did not find expected node content", at, context, start));
            }
        };
        self.scanner.take();
        self.marks.push(at);
        Ok((event, start))
    }

    fn resolve_tag(&self, handle: &str, rest: Cow<'t, str>, start: Mark, at: Mark) -> Result<Option<Tag>, YamlError> {
        let declared = self.handles.iter().find(|(known, _)| *known == handle).map(|(_, prefix)| &**prefix);
        let prefix = match (handle, declared) {
            ("", _) => return Ok(Tag::read(&rest)),
            (_, Some(prefix)) => prefix,
            ("!", None) => "!",
            ("!!", None) => STANDARD,
            _ => return Err(fault_in("found undefined tag handle", at, "while parsing a node", start)),
        };
        Ok(Tag::read(&format!("{prefix}{rest}")))
    }

    fn block_sequence(&mut self) -> Parsed<'t> {
        match self.scanner.peek()? {
            (Kind::BlockEntry, at) => match self.skip()? {
                (Kind::BlockEntry | Kind::BlockEnd, _) => Ok(self.empty(State::BlockSequence, at.next())),
                _ => self.node_then(State::BlockSequence, Allowed::Block),
            },
            (Kind::BlockEnd, at) => Ok(self.end(at)),
            (_, at) => Err(self.fault_in_collection(
                "did not find expected '-' indicator",
                at,
                "while parsing a block collection",
            )),
        }
    }

    fn indentless_sequence(&mut self) -> Parsed<'t> {
        match self.scanner.peek()? {
            (Kind::BlockEntry, at) => match self.skip()? {
                (Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd, _) => {
                    Ok(self.empty(State::IndentlessSequence, at.next()))
                }
                _ => self.node_then(State::IndentlessSequence, Allowed::Block),
            },
            (_, at) => {
                self.state = self.after();
                Ok((Event::End, at))
            }
        }
    }

    fn block_key(&mut self) -> Parsed<'t> {
        match self.scanner.peek()? {
            (Kind::Key, at) => match self.skip()? {
                (Kind::Key | Kind::Value | Kind::BlockEnd, _) => Ok(self.empty(State::BlockValue, at.next())),
                _ => self.node_then(State::BlockValue, Allowed::BlockOrIndentless),
            },
            (Kind::BlockEnd, at) => Ok(self.end(at)),
            (_, at) => Err(self.fault_in_collection("did not find expected key", at, "while parsing a block mapping")),
        }
    }

    fn block_value(&mut self) -> Parsed<'t> {
        match self.scanner.peek()? {
            (Kind::Value, at) => match self.skip()? {
                (Kind::Key | Kind::Value | Kind::BlockEnd, _) => Ok(self.empty(State::BlockKey, at.next())),
                _ => self.node_then(State::BlockKey, Allowed::BlockOrIndentless),
            },
            (_, at) => Ok(self.empty(State::BlockKey, at)),
        }
    }

    fn flow_sequence(&mut self, first: bool) -> Parsed<'t> {
        let (mut kind, mut at) = self.scanner.peek()?;
        if kind == Kind::FlowSequenceEnd {
            return Ok(self.end(at));
        }
        if !first {
            if kind != Kind::FlowEntry {
                let problem = "did not find expected ',' or ']'";
                return Err(self.fault_in_collection(problem, at, "while parsing a flow sequence"));
            }
            (kind, at) = self.skip()?;
        }
        match kind {
            Kind::Key => {
                self.scanner.take();
                self.state = State::PairKey;
                Ok((Event::MappingStart(None, true), at))
            }
            Kind::FlowSequenceEnd => Ok(self.end(at)),
            _ => self.node_then(State::FlowSequence { first: false }, Allowed::Flow),
        }
    }

    fn pair_key(&mut self) -> Parsed<'t> {
        match self.scanner.peek()? {
            (Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd, at) => {
                // libyaml passes over that token here, so that most of such texts are refused later on.
                self.scanner.take();
                Ok(self.empty(State::PairValue, at.next()))
            }
            _ => self.node_then(State::PairValue, Allowed::Flow),
        }
    }

    fn pair_value(&mut self) -> Parsed<'t> {
        let (mut kind, mut at) = self.scanner.peek()?;
        let has_value = kind == Kind::Value;
        if has_value {
            (kind, at) = self.skip()?;
        }
        match kind {
            Kind::FlowEntry | Kind::FlowSequenceEnd => Ok(self.empty(State::PairEnd, at)),
            _ if has_value => self.node_then(State::PairEnd, Allowed::Flow),
            _ => Ok(self.empty(State::PairEnd, at)),
        }
    }

    fn pair_end(&mut self) -> Parsed<'t> {
        let (_, at) = self.scanner.peek()?;
        self.state = State::FlowSequence { first: false };
        Ok((Event::End, at))
    }

    fn flow_key(&mut self, first: bool) -> Parsed<'t> {
        let (mut kind, mut at) = self.scanner.peek()?;
        if kind == Kind::FlowMappingEnd {
            return Ok(self.end(at));
        }
        if !first {
            if kind != Kind::FlowEntry {
                let problem = "did not find expected ',' or '}'";
                return Err(self.fault_in_collection(problem, at, "while parsing a flow mapping"));
            }
            (kind, at) = self.skip()?;
        }
        match kind {
            Kind::Key => match self.skip()? {
                (Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd, at) => Ok(self.empty(State::FlowValue, at)),
                _ => self.node_then(State::FlowValue, Allowed::Flow),
            },
            Kind::FlowMappingEnd => Ok(self.end(at)),
            _ => self.node_then(State::FlowNoValue, Allowed::Flow),
        }
    }

    fn flow_value(&mut self) -> Parsed<'t> {
        let (mut kind, mut at) = self.scanner.peek()?;
        let has_value = kind == Kind::Value;
        if has_value {
            (kind, at) = self.skip()?;
        }
        match kind {
            Kind::FlowEntry | Kind::FlowMappingEnd => Ok(self.empty(State::FlowKey { first: false }, at)),
            _ if has_value => self.node_then(State::FlowKey { first: false }, Allowed::Flow),
            _ => Ok(self.empty(State::FlowKey { first: false }, at)),
        }
    }

    /// The end of a collection, whose last token was peeked at.
    fn end(&mut self, at: Mark) -> (Event<'t>, Mark) {
        self.scanner.take();
        self.marks.pop();
        self.state = self.after();
        (Event::End, at)
    }

    fn fault_in_collection(&self, problem: &'static str, at: Mark, context: &'static str) -> YamlError {
        fault_in(problem, at, context, self.marks.last().copied().unwrap_or_default())
    }
}

fn fault(problem: &'static str, at: Mark) -> YamlError {
    fault_in(problem, at, "", at)
}

fn fault_in(problem: &'static str, at: Mark, context: &'static str, start: Mark) -> YamlError {
    YamlError::new((at.line + 1, at.column + 1), YamlCause::Syntax(Syntax::parser(problem, context, start)))
}
