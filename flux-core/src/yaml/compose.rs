//! Events to nodes: aliases are replayed from a tape of what their anchor held.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use super::direct::{self, Wanted};
use super::error::{YamlCause, YamlError};
use super::events::{Event, Events, Position};
use super::node::{Content, Node, Scalar};
use super::source::Source;
use super::{Dialect, Limits};

/// What an anchor held, for replay. An alias on the tape is already bound to what it meant when it was read.
#[derive(Clone)]
enum Recorded {
    Scalar(Scalar),
    SequenceStart(bool),
    MappingStart(bool),
    End,
    Alias(Range<usize>),
}

enum Anchor {
    /// Its value is still being read.
    Open,
    Closed(Range<usize>),
}

/// Composes the documents of a text one by one.
pub(super) struct Composer<'t> {
    events: Events<'t>,
    limits: Limits,
    documents: usize,
    tape: Vec<(Recorded, Position)>,
    anchors: HashMap<Cow<'t, str>, Anchor>,
    open_anchors: usize,
    built: usize,
    replayed: usize,
    /// Bytes of text that aliases stand for.
    aliased: usize,
}

impl<'t> Composer<'t> {
    pub(super) fn new(source: &'t Source<'_>, limits: Limits) -> Self {
        Self {
            events: Events::new(source),
            limits,
            documents: 0,
            tape: Vec::new(),
            anchors: HashMap::new(),
            open_anchors: 0,
            built: 0,
            replayed: 0,
            aliased: 0,
        }
    }

    /// The next document as JSON, and the line of its content. Fields of its root that are not wanted may be missing.
    pub(super) fn next_value(
        &mut self,
        dialect: Dialect,
        wanted: Option<Wanted<'_>>,
    ) -> Result<Option<(Value, usize)>, YamlError> {
        if self.documents < self.limits.documents {
            let start = self.events.clone();
            if let Some(found) = direct::read_document(&mut self.events, dialect, self.limits.depth, wanted) {
                self.documents += 1;
                return Ok(Some(found));
            }
            self.events = start;
        }
        let Some(node) = self.next_document()? else { return Ok(None) };
        Ok(Some((node.to_value(dialect)?, node.at().0)))
    }

    /// The root of the next document.
    pub(super) fn next_document(&mut self) -> Result<Option<Node>, YamlError> {
        let mut tree = Tree { open: Vec::new(), nodes: Vec::new(), depth: self.limits.depth };
        // The anchor of each open collection and where it starts on the tape.
        let mut anchored: Vec<Option<(Cow<'t, str>, usize)>> = Vec::new();
        while let Some((event, at)) = self.events.next()? {
            let done = match event {
                Event::DocumentStart => {
                    self.start_document(at)?;
                    continue;
                }
                Event::DocumentEnd => continue,
                Event::Alias(name) => match self.alias(name, at, &mut tree) {
                    Err(error) if !matches!(error.cause, YamlCause::UnknownAnchor(_)) => {
                        return Err(self.first_fault(error));
                    }
                    alias => alias?,
                },
                Event::Scalar { anchor, tag, text, style } => {
                    let scalar = Scalar { text: text.into(), tag, style };
                    let anchor = self.open(anchor);
                    self.record(|| Recorded::Scalar(scalar.clone()), at);
                    self.close(anchor);
                    self.built += 1;
                    tree.add(Node {
                        content: Content::Scalar(scalar),
                        line: place(at.0),
                        column: place(at.1),
                        flow: false,
                    })
                }
                Event::SequenceStart(anchor, flow) => {
                    anchored.push(self.open(anchor));
                    self.record(|| Recorded::SequenceStart(flow), at);
                    self.built += 1;
                    tree.open(Kind::Sequence, flow, at)?;
                    None
                }
                Event::MappingStart(anchor, flow) => {
                    anchored.push(self.open(anchor));
                    self.record(|| Recorded::MappingStart(flow), at);
                    self.built += 1;
                    tree.open(Kind::Mapping, flow, at)?;
                    None
                }
                Event::End => {
                    self.record(|| Recorded::End, at);
                    let anchor = anchored.pop().flatten();
                    self.close(anchor);
                    tree.close()
                }
            };
            if done.is_some() {
                // The end of the document, where what cannot follow its root is found.
                self.events.next()?;
                return Ok(done);
            }
        }
        Ok(None)
    }

    /// The fault that Go would report: it looks at what aliases stand for once it has read the document.
    fn first_fault(&mut self, error: YamlError) -> YamlError {
        loop {
            match self.events.next() {
                Err(syntax) => return syntax,
                Ok(None | Some((Event::DocumentEnd, _))) => return error,
                Ok(_) => {}
            }
        }
    }

    fn start_document(&mut self, at: Position) -> Result<(), YamlError> {
        self.documents += 1;
        if self.documents > self.limits.documents {
            return Err(YamlError::new(at, YamlCause::Limit { what: "documents", limit: self.limits.documents }));
        }
        self.tape.clear();
        self.anchors.clear();
        (self.built, self.replayed, self.aliased) = (0, 0, 0);
        Ok(())
    }

    fn open(&mut self, anchor: Option<Cow<'t, str>>) -> Option<(Cow<'t, str>, usize)> {
        let name = anchor?;
        self.open_anchors += 1;
        self.anchors.insert(name.clone(), Anchor::Open);
        Some((name, self.tape.len()))
    }

    fn close(&mut self, anchor: Option<(Cow<'t, str>, usize)>) {
        if let Some((name, start)) = anchor {
            self.open_anchors -= 1;
            self.anchors.insert(name, Anchor::Closed(start..self.tape.len()));
        }
    }

    /// Puts one event on the tape while an anchor is open.
    fn record(&mut self, event: impl FnOnce() -> Recorded, at: Position) {
        if self.open_anchors > 0 {
            self.tape.push((event(), at));
        }
    }

    fn alias(&mut self, name: Cow<'t, str>, at: Position, tree: &mut Tree) -> Result<Option<Node>, YamlError> {
        let range = match self.anchors.get(&name) {
            Some(Anchor::Closed(range)) => range.clone(),
            Some(Anchor::Open) => return Err(YamlError::new(at, YamlCause::RecursiveAnchor(name.into_owned()))),
            None => return Err(YamlError::new(at, YamlCause::UnknownAnchor(name.into_owned()))),
        };
        self.record(|| Recorded::Alias(range.clone()), at);
        let mut ranges = vec![range];
        let mut done = None;
        while let Some(range) = ranges.last_mut() {
            let Some(index) = range.next() else {
                ranges.pop();
                continue;
            };
            let Some((event, at)) = self.tape.get(index).cloned() else { continue };
            self.built += 1;
            self.replayed += 1;
            if excessive(self.built, self.replayed) {
                return Err(YamlError::new(at, YamlCause::ExcessiveAliasing));
            }
            match event {
                Recorded::Alias(range) => ranges.push(range),
                Recorded::Scalar(scalar) => {
                    self.aliased += scalar.text.len();
                    if self.aliased > self.limits.bytes {
                        let cause = YamlCause::Limit { what: "bytes of aliased text", limit: self.limits.bytes };
                        return Err(YamlError::new(at, cause));
                    }
                    done = tree.add(Node {
                        content: Content::Scalar(scalar),
                        line: place(at.0),
                        column: place(at.1),
                        flow: false,
                    });
                }
                Recorded::SequenceStart(flow) => tree.open(Kind::Sequence, flow, at)?,
                Recorded::MappingStart(flow) => tree.open(Kind::Mapping, flow, at)?,
                Recorded::End => done = tree.close(),
            }
        }
        Ok(done)
    }
}

/// The collections that are open, outermost first, and the nodes that are finished in them.
struct Tree {
    open: Vec<Open>,
    /// Those of the innermost collection are last. They move once it is complete, so that it takes no more than it needs.
    nodes: Vec<Node>,
    depth: usize,
}

struct Open {
    kind: Kind,
    flow: bool,
    at: Position,
    /// Where its nodes start.
    start: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Sequence,
    Mapping,
}

impl Tree {
    fn open(&mut self, kind: Kind, flow: bool, at: Position) -> Result<(), YamlError> {
        if self.open.len() >= self.depth {
            return Err(YamlError::new(at, YamlCause::Limit { what: "levels of nesting", limit: self.depth }));
        }
        self.open.push(Open { kind, flow, at, start: self.nodes.len() });
        Ok(())
    }

    /// Ends the innermost collection; gives it back where it is the root.
    fn close(&mut self) -> Option<Node> {
        let Open { kind, flow, at, start } = self.open.pop()?;
        let content = match kind {
            Kind::Sequence => Content::Sequence(self.nodes.drain(start..).collect()),
            Kind::Mapping => {
                let mut nodes = self.nodes.drain(start..);
                let mut entries = Vec::with_capacity(nodes.len() / 2);
                while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                    entries.push((key, value));
                }
                Content::Mapping(entries)
            }
        };
        self.add(Node { content, line: place(at.0), column: place(at.1), flow })
    }

    /// Adds a finished node to the innermost collection; gives it back where there is none.
    fn add(&mut self, node: Node) -> Option<Node> {
        if self.open.is_empty() {
            return Some(node);
        }
        self.nodes.push(node);
        None
    }
}

/// A line or column as nodes keep it; no text that is read is longer than 4 GiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Go's budget: aliases may make up nearly all of a small document, and a tenth of one of four million nodes.
fn excessive(built: usize, replayed: usize) -> bool {
    const SMALL: f64 = 400_000.0;
    const LARGE: f64 = 4_000_000.0;
    if replayed <= 100 || built <= 1_000 {
        return false;
    }
    let built = built as f64;
    let allowed = if built <= SMALL {
        0.99
    } else if built >= LARGE {
        0.10
    } else {
        0.99 - 0.89 * (built - SMALL) / (LARGE - SMALL)
    };
    replayed as f64 / built > allowed
}
