use super::super::error::{Syntax, YamlCause, YamlError};

/// A place in a text: both from zero, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Mark {
    pub(in super::super) line: usize,
    pub(in super::super) column: usize,
}

impl Mark {
    /// The place after a character of one column.
    pub(in super::super) fn next(self) -> Self {
        Self { column: self.column + 1, ..self }
    }
}

// What a byte may be; the two lead bytes are those of NEL, LS and PS.
pub(super) const BLANK: u8 = 1;
pub(super) const BREAK: u8 = 2;
pub(super) const COLON: u8 = 4;
pub(super) const FLOW: u8 = 8;
pub(super) const SINGLE: u8 = 16;
pub(super) const DOUBLE: u8 = 32;

pub(super) const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\t' => BLANK,
            b'\n' | b'\r' | 0xc2 | 0xe2 => BREAK,
            b':' => COLON,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => FLOW,
            b'\'' => SINGLE,
            b'"' | b'\\' => DOUBLE,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Reads a text from its start to its end, minding lines and columns.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    /// Where the line starts, moved on by what its characters are longer than a byte: columns count from here.
    origin: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 0, origin: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.origin
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { line: self.line, column: self.column() }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.text.len() - self.at
    }

    pub(super) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The next byte; zero, which no text holds, at the end.
    pub(super) fn peek(&self) -> u8 {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> u8 {
        self.bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        &self.text[from..to]
    }

    /// Passes over `count` ASCII characters of one line.
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// Passes over the characters of one line up to `end`.
    pub(super) fn advance_to(&mut self, end: usize) -> &'t str {
        let passed = self.slice(self.at, end);
        if !passed.is_ascii() {
            self.origin += passed.len() - passed.chars().count();
        }
        self.at = end;
        passed
    }

    /// The length of the line break at `at`; zero where there is none.
    pub(super) fn break_at(&self, at: usize) -> usize {
        match self.bytes().get(at..).unwrap_or_default() {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            [0xc2, 0x85, ..] => 2,
            [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
            _ => 0,
        }
    }

    /// Passes over a line break and gives the character that it stands for.
    pub(super) fn take_break(&mut self) -> Option<char> {
        let length = self.break_at(self.at);
        let c = match length {
            0 => return None,
            3 if self.peek_at(2) == 0xa8 => '\u{2028}',
            3 => '\u{2029}',
            _ => '\n',
        };
        self.at += length;
        self.line += 1;
        self.origin = self.at;
        Some(c)
    }

    /// Starts a new line at the end of the text, unless one has just started.
    pub(super) fn close_line(&mut self) {
        if self.column() > 0 {
            self.line += 1;
            self.origin = self.at;
        }
    }

    /// Where the line ends that `from` is on.
    pub(super) fn line_end(&self, from: usize) -> usize {
        let bytes = self.bytes();
        let mut at = from;
        while at < bytes.len() && (CLASSES[usize::from(bytes[at])] & BREAK == 0 || self.break_at(at) == 0) {
            at += 1;
        }
        at
    }

    pub(super) fn skip_spaces(&mut self) {
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| **byte == b' ').count();
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// Passes over a comment, if one starts here.
    pub(super) fn skip_comment(&mut self) {
        if self.peek() == b'#' {
            self.advance_to(self.line_end(self.at));
        }
    }

    /// Passes over what may follow on a line after its content; false where something else stands there.
    pub(super) fn finish_line(&mut self) -> bool {
        self.skip_blanks();
        self.skip_comment();
        self.take_break().is_some() || self.at_end()
    }

    /// True where a blank, a line break or the end is `ahead` bytes on.
    pub(super) fn is_space(&self, ahead: usize) -> bool {
        match self.peek_at(ahead) {
            b' ' | b'\t' | b'\n' | b'\r' | 0 => true,
            0xc2 | 0xe2 => self.break_at(self.at + ahead) > 0,
            _ => false,
        }
    }

    /// True where a line starts with `---` or `...`.
    pub(super) fn at_document_marker(&self) -> bool {
        self.column() == 0
            && matches!(self.bytes().get(self.at..self.at + 3), Some(b"---" | b"..."))
            && self.is_space(3)
    }

    /// Passes over letters, digits, `_` and `-`.
    pub(super) fn word(&mut self) -> &'t str {
        let start = self.at;
        while matches!(self.peek(), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-') {
            self.at += 1;
        }
        self.slice(start, self.at)
    }

    /// A fault here, found while reading what `context` says and `start` marks.
    pub(super) fn fault(&self, problem: &'static str, context: &'static str, start: Mark) -> YamlError {
        let mark = self.mark();
        YamlError::new((mark.line + 1, mark.column + 1), YamlCause::Syntax(Syntax::scanner(problem, context, start)))
    }
}
