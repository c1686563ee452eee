//! Characters to tokens, by the rules of YAML 1.1 as Go's packages have them.
//!
//! The one difficulty is the simple key: that `a` in `a: 1` is a key shows only at the colon. Where a key may start, its
//! place is kept, one for each level of brackets, and tokens wait in a queue until it is clear. A key must end on its line
//! and within 1,024 characters, so the queue stays short and scanning is linear.

mod block;
mod cursor;
mod fold;
mod plain;
mod property;
mod quoted;
mod token;

use std::borrow::Cow;
use std::collections::VecDeque;

pub(super) use cursor::Mark;
pub(super) use token::{Kind, Token};

use cursor::Cursor;

use super::error::YamlError;
use super::node::Style;
use super::source::Source;

/// The longest that a key may be which has no `?`, in characters.
const KEY_LENGTH: usize = 1024;
/// Go's limit for levels of brackets, and for levels of indentation.
const DEPTH: usize = 10_000;
/// A fault this close to the end of what could be read may be no fault of the text.
const LOOKAHEAD: usize = 12;

/// A place where a key may have started.
#[derive(Clone, Copy)]
struct SimpleKey {
    at: Mark,
    /// The number of its first token.
    token: usize,
    /// Nothing else than a key can stand there.
    required: bool,
}

/// Scans the tokens of a text.
#[derive(Clone)]
pub(super) struct Scanner<'t> {
    cursor: Cursor<'t>,
    /// Why the text breaks off at its end.
    fault: Option<&'t YamlError>,
    queue: VecDeque<Token<'t>>,
    /// How many tokens have left the queue.
    taken: usize,
    /// The columns of the blocks that are open, outermost first.
    indents: Vec<usize>,
    /// For each level of brackets that is open, and for none, where a key may have started.
    keys: Vec<Option<SimpleKey>>,
    /// A key may start here.
    key_allowed: bool,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(source: &'t Source<'_>) -> Self {
        Self {
            cursor: Cursor::new(&source.text),
            fault: source.fault.as_ref(),
            queue: VecDeque::new(),
            taken: 0,
            indents: Vec::new(),
            keys: vec![None],
            key_allowed: true,
        }
    }

    /// What the next token is, and where. At the end of the stream it stays the same.
    pub(super) fn peek(&mut self) -> Result<(Kind<'t>, Mark), YamlError> {
        loop {
            if let Some(head) = self.queue.front() {
                let (kind, at, level) = (head.kind, head.at, head.key_level);
                if !self.may_become_key(level)? {
                    return Ok((kind, at));
                }
            }
            self.fetch_readable()?;
        }
    }

    /// Takes the token that was peeked at and gives its text.
    pub(super) fn take(&mut self) -> Cow<'t, str> {
        self.taken += 1;
        self.queue.pop_front().map(|token| token.text).unwrap_or_default()
    }

    /// True where a key that is still possible starts with the head of the queue.
    fn may_become_key(&mut self, level: Option<usize>) -> Result<bool, YamlError> {
        let Some(level) = level else { return Ok(false) };
        match self.keys.get(level) {
            Some(Some(key)) if key.token == self.taken => self.is_valid(level),
            _ => Ok(false),
        }
    }

    /// True where there is a possible key of a level and it may still end here. Forgets it where it may not.
    fn is_valid(&mut self, level: usize) -> Result<bool, YamlError> {
        let Some(key) = self.keys[level] else { return Ok(false) };
        if key.at.line == self.cursor.line() && self.cursor.column() <= key.at.column + KEY_LENGTH {
            return Ok(true);
        }
        if key.required {
            return Err(self.missing_colon(key.at));
        }
        self.keys[level] = None;
        Ok(false)
    }

    fn missing_colon(&self, key: Mark) -> YamlError {
        self.cursor.fault("could not find expected ':'", "while scanning a simple key", key)
    }

    /// Fetches the next token, or says what kept the text from being read, where that may have made a difference.
    fn fetch_readable(&mut self) -> Result<(), YamlError> {
        let fetched = self.fetch();
        match self.fault {
            Some(fault) if self.cursor.at_end() || (fetched.is_err() && self.cursor.left() < LOOKAHEAD) => {
                Err(fault.clone())
            }
            _ => fetched,
        }
    }

    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        let at = self.cursor.mark();
        self.close_blocks(at.column, at);
        if self.cursor.at_end() {
            return self.stream_end();
        }
        let flow = self.in_flow();
        let byte = self.cursor.peek();
        if byte == b'%' && at.column == 0 {
            return self.directive(at);
        }
        if self.cursor.at_document_marker() {
            return self.document_marker(at, byte);
        }
        match byte {
            b'[' => self.open_flow(Kind::FlowSequenceStart, at),
            b'{' => self.open_flow(Kind::FlowMappingStart, at),
            b']' => self.close_flow(Kind::FlowSequenceEnd, at),
            b'}' => self.close_flow(Kind::FlowMappingEnd, at),
            b',' => self.flow_entry(at),
            b'-' if self.cursor.is_space(1) => self.block_entry(at),
            b'?' if flow || self.cursor.is_space(1) => self.key(at),
            b':' if flow || self.cursor.is_space(1) => self.value(at),
            b'*' | b'&' => self.anchor(at, byte == b'*'),
            b'!' => self.tag(at),
            b'|' | b'>' if !flow => self.block_scalar(at, byte == b'|'),
            b'\'' | b'"' => self.quoted_scalar(at, byte == b'\''),
            b'\t' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                let problem = "found character that cannot start any token";
                Err(self.cursor.fault(problem, "while scanning for the next token", at))
            }
            _ => self.plain_scalar(at),
        }
    }

    /// Passes over blanks, comments and line breaks. A tab may not indent what can be a key.
    fn skip_to_token(&mut self) {
        loop {
            self.cursor.skip_spaces();
            while self.cursor.peek() == b'\t' && (self.in_flow() || !self.key_allowed) {
                self.cursor.advance(1);
                self.cursor.skip_spaces();
            }
            self.cursor.skip_comment();
            if self.cursor.take_break().is_none() {
                break;
            }
            self.key_allowed |= !self.in_flow();
        }
    }

    fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    fn push(&mut self, kind: Kind<'t>, at: Mark) {
        self.queue.push_back(Token { kind, at, text: Cow::Borrowed(""), key_level: None });
    }

    /// Puts a token before the one of this number.
    fn insert(&mut self, number: usize, kind: Kind<'t>, at: Mark) {
        self.queue.insert(number - self.taken, Token { kind, at, text: Cow::Borrowed(""), key_level: None });
    }

    /// Puts an indicator of one character at the end of the queue.
    fn indicator(&mut self, kind: Kind<'t>, at: Mark) -> Result<(), YamlError> {
        self.cursor.advance(1);
        self.push(kind, at);
        Ok(())
    }

    fn next_number(&self) -> usize {
        self.taken + self.queue.len()
    }

    /// Notes that a key may start here; gives its level for the token that does.
    fn start_key(&mut self, at: Mark) -> Result<Option<usize>, YamlError> {
        if !self.key_allowed {
            return Ok(None);
        }
        self.forget_key()?;
        let required = !self.in_flow() && self.indents.last() == Some(&at.column);
        let level = self.keys.len() - 1;
        self.keys[level] = Some(SimpleKey { at, token: self.next_number(), required });
        Ok(Some(level))
    }

    /// Gives up the possible key of the current level.
    fn forget_key(&mut self) -> Result<(), YamlError> {
        match self.keys.last_mut().and_then(Option::take) {
            Some(key) if key.required => Err(self.missing_colon(key.at)),
            _ => Ok(()),
        }
    }

    /// Opens a block at a column, unless one is open there; its token goes before the one of this number.
    fn open_block(&mut self, number: usize, kind: Kind<'t>, at: Mark) -> Result<(), YamlError> {
        if self.in_flow() || self.indents.last().is_some_and(|indent| *indent >= at.column) {
            return Ok(());
        }
        if self.indents.len() >= DEPTH {
            let place = self.keys.last().copied().flatten().map_or(at, |key| key.at);
            return Err(self.cursor.fault("exceeded max depth of 10000", "while increasing indent level", place));
        }
        self.indents.push(at.column);
        self.insert(number, kind, at);
        Ok(())
    }

    /// Closes the blocks that are deeper than a column.
    fn close_blocks(&mut self, column: usize, at: Mark) {
        if !self.in_flow() {
            while self.indents.pop_if(|indent| *indent > column).is_some() {
                self.push(Kind::BlockEnd, at);
            }
        }
    }

    /// Closes every block, as the end of a document does.
    fn close_document(&mut self, at: Mark) -> Result<(), YamlError> {
        if !self.in_flow() {
            while self.indents.pop().is_some() {
                self.push(Kind::BlockEnd, at);
            }
        }
        self.forget_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn stream_end(&mut self) -> Result<(), YamlError> {
        self.cursor.close_line();
        let at = self.cursor.mark();
        self.close_document(at)?;
        self.push(Kind::StreamEnd, at);
        Ok(())
    }

    fn directive(&mut self, at: Mark) -> Result<(), YamlError> {
        self.close_document(at)?;
        let (kind, text) = property::directive(&mut self.cursor)?;
        self.queue.push_back(Token { kind, at, text, key_level: None });
        Ok(())
    }

    fn document_marker(&mut self, at: Mark, byte: u8) -> Result<(), YamlError> {
        self.close_document(at)?;
        self.cursor.advance(3);
        self.push(if byte == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd }, at);
        Ok(())
    }

    fn open_flow(&mut self, kind: Kind<'t>, at: Mark) -> Result<(), YamlError> {
        let key_level = self.start_key(at)?;
        if self.keys.len() > DEPTH {
            return Err(self.cursor.fault("exceeded max depth of 10000", "while increasing flow level", at));
        }
        self.keys.push(None);
        self.key_allowed = true;
        self.cursor.advance(1);
        self.queue.push_back(Token { kind, at, text: Cow::Borrowed(""), key_level });
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind<'t>, at: Mark) -> Result<(), YamlError> {
        self.forget_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.indicator(kind, at)
    }

    fn flow_entry(&mut self, at: Mark) -> Result<(), YamlError> {
        self.forget_key()?;
        self.key_allowed = true;
        self.indicator(Kind::FlowEntry, at)
    }

    fn block_entry(&mut self, at: Mark) -> Result<(), YamlError> {
        // Inside brackets the parser refuses it, which can say where they open.
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.refused("block sequence entries are not allowed in this context"));
            }
            self.open_block(self.next_number(), Kind::BlockSequenceStart, at)?;
        }
        self.forget_key()?;
        self.key_allowed = true;
        self.indicator(Kind::BlockEntry, at)
    }

    fn key(&mut self, at: Mark) -> Result<(), YamlError> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.refused("mapping keys are not allowed in this context"));
            }
            self.open_block(self.next_number(), Kind::BlockMappingStart, at)?;
        }
        self.forget_key()?;
        self.key_allowed = !self.in_flow();
        self.indicator(Kind::Key, at)
    }

    fn value(&mut self, at: Mark) -> Result<(), YamlError> {
        let level = self.keys.len() - 1;
        if self.is_valid(level)?
            && let Some(key) = self.keys[level].take()
        {
            self.insert(key.token, Kind::Key, key.at);
            self.open_block(key.token, Kind::BlockMappingStart, key.at)?;
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(self.refused("mapping values are not allowed in this context"));
                }
                self.open_block(self.next_number(), Kind::BlockMappingStart, at)?;
            }
            self.key_allowed = !self.in_flow();
        }
        self.indicator(Kind::Value, at)
    }

    fn anchor(&mut self, at: Mark, alias: bool) -> Result<(), YamlError> {
        let key_level = self.start_key(at)?;
        self.key_allowed = false;
        let name = property::anchor(&mut self.cursor, alias)?;
        let kind = if alias { Kind::Alias } else { Kind::Anchor };
        self.queue.push_back(Token { kind, at, text: name.into(), key_level });
        Ok(())
    }

    fn tag(&mut self, at: Mark) -> Result<(), YamlError> {
        let key_level = self.start_key(at)?;
        self.key_allowed = false;
        let (handle, text) = property::tag(&mut self.cursor)?;
        self.queue.push_back(Token { kind: Kind::Tag(handle), at, text, key_level });
        Ok(())
    }

    fn block_scalar(&mut self, at: Mark, literal: bool) -> Result<(), YamlError> {
        self.forget_key()?;
        self.key_allowed = true;
        let text = block::scan(&mut self.cursor, literal, self.indents.last().copied())?;
        let style = if literal { Style::Literal } else { Style::Folded };
        self.scalar(style, at, text, None)
    }

    fn quoted_scalar(&mut self, at: Mark, single: bool) -> Result<(), YamlError> {
        let key_level = self.start_key(at)?;
        self.key_allowed = false;
        let text = quoted::scan(&mut self.cursor, single)?;
        let style = if single { Style::Single } else { Style::Double };
        self.cursor.skip_blanks();
        self.scalar(style, at, text, key_level)
    }

    fn plain_scalar(&mut self, at: Mark) -> Result<(), YamlError> {
        let key_level = self.start_key(at)?;
        let indent = self.indents.last().map_or(0, |indent| indent + 1);
        let flow = self.in_flow();
        let (text, ends_line) = plain::scan(&mut self.cursor, indent, flow)?;
        self.key_allowed = ends_line;
        self.scalar(Style::Plain, at, text, key_level)
    }

    fn scalar(
        &mut self,
        style: Style,
        at: Mark,
        text: Cow<'t, str>,
        key_level: Option<usize>,
    ) -> Result<(), YamlError> {
        let token = Token { kind: Kind::Scalar(style), at, text, key_level };
        let colon = self.cursor.peek() == b':' && (self.in_flow() || self.cursor.is_space(1));
        match key_level {
            // A key that ends here need not wait in the queue to be one.
            Some(level) if colon && self.is_valid(level)? => {
                self.keys[level] = None;
                self.open_block(self.next_number(), Kind::BlockMappingStart, at)?;
                self.push(Kind::Key, at);
                self.queue.push_back(Token { key_level: None, ..token });
                self.key_allowed = false;
                let at = self.cursor.mark();
                self.indicator(Kind::Value, at)
            }
            _ => {
                self.queue.push_back(token);
                Ok(())
            }
        }
    }

    /// The fault of an indicator that may not stand here.
    fn refused(&self, problem: &'static str) -> YamlError {
        self.cursor.fault(problem, "", self.cursor.mark())
    }
}
