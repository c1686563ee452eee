//! The tokens of the template language.
//!
//! Text outside actions is one token; inside `{{ }}` the scanner knows words, numbers, strings, punctuation and runs
//! of space (which matter: `.a .b` are two operands and `.a.b` is one). Trim markers are applied here. A fault becomes
//! an [`Kind::Error`] token that ends the stream, so that the parser reports whichever fault comes first.

use std::borrow::Cow;

use super::source::Pos;
use crate::helm::template::gofmt::is_printable;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    // Words with a meaning of their own; errors print these in angle brackets.
    Dot,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        self as u8 >= Self::Dot as u8
    }

    fn of_word(word: &str) -> Self {
        match word {
            "block" => Self::Block,
            "break" => Self::Break,
            "continue" => Self::Continue,
            "define" => Self::Define,
            "else" => Self::Else,
            "end" => Self::End,
            "if" => Self::If,
            "nil" => Self::Nil,
            "range" => Self::Range,
            "template" => Self::Template,
            "with" => Self::With,
            "true" | "false" => Self::Bool,
            _ => Self::Identifier,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) pos: Pos,
    pub(crate) line: u32,
    /// The text of the token, or the message of an error.
    pub(crate) text: Cow<'a, str>,
}

impl Token<'_> {
    /// The token as error messages show it.
    pub(crate) fn describe(&self) -> String {
        use super::gofmt::quote;
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.to_string(),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                format!("{}...", quote(self.text.chars().take(10).collect::<String>().as_bytes()))
            }
            _ => quote(self.text.as_bytes()),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
/// A `-` and the space between it and the action.
const TRIM_MARKER: usize = 2;

/// Splits `input` into tokens; the last is [`Kind::Eof`] or [`Kind::Error`].
pub(crate) fn lex(input: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        input,
        pos: 0,
        start: 0,
        line: 1,
        start_line: 1,
        parens: 0,
        tokens: Vec::with_capacity(input.len() / 16),
    };
    let outcome = lexer.run();
    if let Err(message) = outcome {
        lexer.tokens.push(Token {
            kind: Kind::Error,
            pos: lexer.start as Pos,
            line: lexer.start_line,
            text: Cow::Owned(message),
        });
    }
    lexer.tokens
}

/// Where two ASCII characters stand side by side.
fn find_pair(text: &str, pair: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let [first, second] = *pair.as_bytes() else { return text.find(pair) };
    memchr::memchr_iter(first, bytes).find(|at| bytes.get(at + 1) == Some(&second))
}

struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    line: u32,
    start_line: u32,
    parens: i32,
    tokens: Vec<Token<'a>>,
}

type Scan = Result<(), String>;

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.input.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn skip(&mut self, bytes: usize) {
        let end = (self.pos + bytes).min(self.input.len());
        let passed = self.input.get(self.pos..end).unwrap_or("");
        self.line += memchr::memchr_iter(b'\n', passed.as_bytes()).count() as u32;
        self.pos = end;
    }

    fn ignore(&mut self) {
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn pending(&self) -> &'a str {
        self.input.get(self.start..self.pos).unwrap_or("")
    }

    fn emit(&mut self, kind: Kind) {
        let token = Token { kind, pos: self.start as Pos, line: self.start_line, text: Cow::Borrowed(self.pending()) };
        self.tokens.push(token);
        self.ignore();
    }

    fn accept(&mut self, valid: &str) -> bool {
        match self.peek() {
            Some(c) if valid.contains(c) => {
                self.next();
                true
            }
            _ => false,
        }
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn run(&mut self) -> Scan {
        while let Some(offset) = find_pair(self.rest(), LEFT) {
            let after = self.rest().get(offset + LEFT.len()..).unwrap_or("");
            let text_end = self.pos + offset;
            let trim = has_left_trim_marker(after);
            self.skip(offset);
            if trim {
                let text = self.pending().trim_end_matches(is_space);
                let end = self.start + text.len();
                if end > self.start {
                    self.pos = end;
                    self.emit(Kind::Text);
                    self.pos = text_end;
                }
                self.ignore();
            } else if self.pos > self.start {
                self.emit(Kind::Text);
            }
            self.left_delim(trim)?;
        }
        self.skip(self.rest().len());
        if self.pos > self.start {
            self.emit(Kind::Text);
        }
        self.emit(Kind::Eof);
        Ok(())
    }

    fn left_delim(&mut self, trim: bool) -> Scan {
        let marker = if trim { TRIM_MARKER } else { 0 };
        self.pos += LEFT.len();
        if self.rest().get(marker..).is_some_and(|rest| rest.starts_with(LEFT_COMMENT)) {
            self.skip(marker);
            self.ignore();
            return self.comment();
        }
        self.emit(Kind::LeftDelim);
        self.skip(marker);
        self.ignore();
        self.parens = 0;
        self.action()
    }

    fn comment(&mut self) -> Scan {
        self.skip(LEFT_COMMENT.len());
        let Some(end) = find_pair(self.rest(), RIGHT_COMMENT) else {
            return Err("unclosed comment".to_owned());
        };
        self.skip(end + RIGHT_COMMENT.len());
        let Some(trim) = self.at_right_delim() else {
            return Err("comment ends before closing delimiter".to_owned());
        };
        self.skip(if trim { TRIM_MARKER } else { 0 } + RIGHT.len());
        if trim {
            self.skip_space();
        }
        self.ignore();
        Ok(())
    }

    /// Whether the input is at the closing delimiter; `Some(true)` if it has a trim marker.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest.get(TRIM_MARKER..).is_some_and(|r| r.starts_with(RIGHT)) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.skip(rest.len() - rest.trim_start_matches(is_space).len());
    }

    fn right_delim(&mut self, trim: bool) {
        if trim {
            self.skip(TRIM_MARKER);
            self.ignore();
        }
        self.skip(RIGHT.len());
        self.emit(Kind::RightDelim);
        if trim {
            self.skip_space();
            self.ignore();
        }
    }

    fn action(&mut self) -> Scan {
        loop {
            if let Some(trim) = self.at_right_delim() {
                if self.parens != 0 {
                    return Err("unclosed left paren".to_owned());
                }
                self.right_delim(trim);
                return Ok(());
            }
            let Some(c) = self.peek() else {
                return Err("unclosed action".to_owned());
            };
            match c {
                c if is_space(c) => self.space(),
                '=' => self.single(Kind::Assign),
                ':' => {
                    self.next();
                    if self.next() != Some('=') {
                        return Err("expected :=".to_owned());
                    }
                    self.emit(Kind::Declare);
                }
                '|' => self.single(Kind::Pipe),
                '"' => self.quoted('"', Kind::String, "unterminated quoted string")?,
                '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
                '`' => self.raw_quoted()?,
                '$' => {
                    self.next();
                    self.field_or_variable(Kind::Variable)?;
                }
                '.' if !self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
                    self.next();
                    self.field_or_variable(Kind::Field)?;
                }
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                c if is_alphanumeric(c) => self.word()?,
                '(' => {
                    self.parens += 1;
                    self.single(Kind::LeftParen);
                }
                ')' => {
                    self.parens -= 1;
                    if self.parens < 0 {
                        return Err("unexpected right paren".to_owned());
                    }
                    self.single(Kind::RightParen);
                }
                c if c.is_ascii() && is_printable(c) => self.single(Kind::Char),
                c => return Err(format!("unrecognized character in action: {}", unicode(Some(c)))),
            }
        }
    }

    fn single(&mut self, kind: Kind) {
        self.next();
        self.emit(kind);
    }

    /// A run of space, without the last one where that belongs to a trim marker before `}}`.
    fn space(&mut self) {
        while self.at_right_delim().is_none() && self.peek().is_some_and(is_space) {
            self.next();
        }
        if self.pos > self.start {
            self.emit(Kind::Space);
        }
    }

    /// Passes over letters, digits and `_`.
    fn name(&mut self) {
        let ascii = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
        self.pos += self.rest().as_bytes().iter().take_while(ascii).count();
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
    }

    fn word(&mut self) -> Scan {
        self.name();
        self.check_terminator()?;
        self.emit(Kind::of_word(self.pending()));
        Ok(())
    }

    fn field_or_variable(&mut self, kind: Kind) -> Scan {
        if self.at_terminator() {
            self.emit(if kind == Kind::Variable { kind } else { Kind::Dot });
            return Ok(());
        }
        self.name();
        self.check_terminator()?;
        self.emit(kind);
        Ok(())
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    fn check_terminator(&self) -> Scan {
        if self.at_terminator() { Ok(()) } else { Err(format!("bad character {}", unicode(self.peek()))) }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Scan {
        self.next();
        loop {
            match self.next() {
                Some('\\') => {
                    if matches!(self.next(), None | Some('\n')) {
                        return Err(unterminated.to_owned());
                    }
                }
                None | Some('\n') => return Err(unterminated.to_owned()),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn raw_quoted(&mut self) -> Scan {
        self.next();
        loop {
            match self.next() {
                None => return Err("unterminated raw quoted string".to_owned()),
                Some('`') => break,
                Some(_) => {}
            }
        }
        self.emit(Kind::RawString);
        Ok(())
    }

    /// Anything that looks like a number; the parser judges it.
    fn number(&mut self) -> Scan {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = if digits.len() == "0123456789_".len() { "eE" } else { "pP" };
        if (digits.len() >= "0123456789_".len()) && self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return Err(format!("bad number syntax: {}", super::gofmt::quote(self.pending().as_bytes())));
        }
        self.emit(Kind::Number);
        Ok(())
    }
}

fn unicode(c: Option<char>) -> String {
    // Go prints the end of input as the code point -1.
    c.map_or_else(|| "U+FFFFFFFFFFFFFFFF".to_owned(), |c| format!("U+{:04X} '{c}'", c as u32))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn has_left_trim_marker(after_delim: &str) -> bool {
    let bytes = after_delim.as_bytes();
    bytes.first() == Some(&b'-') && bytes.get(1).is_some_and(|b| is_space(char::from(*b)))
}

fn has_right_trim_marker(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    bytes.first().is_some_and(|b| is_space(char::from(*b))) && bytes.get(1) == Some(&b'-')
}
