//! From tokens to trees.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::ast::{Branch, Command, Node, Operand, Pipe, Template, Term};
use super::error::ParseError;
use super::function::Functions;
use super::gofmt::{quote, unquote};
use super::lex::{Kind, Token, lex};
use super::number::Number;
use super::source::{Pos, Source, Span};
use super::text::Str;

/// How deeply blocks and parentheses may nest; far beyond any chart, and short of the stack.
const MAX_DEPTH: usize = 500;

/// Parses a text into its templates: those it defines, and itself under `name`. In the order of their definition.
///
/// # Errors
/// The first fault, with its line.
pub(crate) fn parse(name: &str, text: &Bytes, functions: &dyn Functions) -> Result<Vec<Template>, ParseError> {
    let (lossy, shared);
    let (text, bytes) = match std::str::from_utf8(text) {
        Ok(utf8) => (utf8, text),
        Err(_) => {
            lossy = String::from_utf8_lossy(text).into_owned();
            shared = Bytes::from(lossy.clone());
            (lossy.as_str(), &shared)
        }
    };
    let source = Arc::new(Source { name: Arc::from(name), text: bytes.clone() });
    let mut parser = Parser {
        tokens: lex(text),
        next: 0,
        furthest: 0,
        source: Arc::clone(&source),
        functions,
        variables: vec![Arc::from("$")],
        range_depth: 0,
        action_line: 0,
        depth: 0,
        templates: Vec::new(),
    };
    let body = parser.file()?;
    parser.add(Template { name: Str::from(name), source, body })?;
    Ok(parser.templates)
}

type Parsed<T> = Result<T, ParseError>;

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    /// The last token ever looked at: errors name its line.
    furthest: usize,
    source: Arc<Source>,
    functions: &'a dyn Functions,
    variables: Vec<Arc<str>>,
    range_depth: usize,
    action_line: u32,
    depth: usize,
    templates: Vec<Template>,
}

/// What ends a list of nodes.
enum Ending {
    End,
    Else,
}

/// One parsed piece of a list.
enum Piece {
    Node(Node),
    Ending(Ending),
}

impl<'a> Parser<'a> {
    /// The next token, consumed. The last one (end or error) repeats.
    fn take(&mut self) -> Token<'a> {
        let token = self.token_at(self.next);
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn token_at(&mut self, index: usize) -> Token<'a> {
        let last = self.tokens.len().saturating_sub(1);
        self.furthest = self.furthest.max(index.min(last));
        self.tokens.get(index.min(last)).cloned().unwrap_or(Token {
            kind: Kind::Eof,
            pos: 0,
            line: 1,
            text: Cow::Borrowed(""),
        })
    }

    fn peek(&mut self) -> Kind {
        let index = self.next.min(self.tokens.len().saturating_sub(1));
        self.furthest = self.furthest.max(index);
        self.tokens.get(index).map_or(Kind::Eof, |token| token.kind)
    }

    fn skip_space(&mut self) {
        while self.tokens.get(self.next).is_some_and(|token| token.kind == Kind::Space) {
            self.next += 1;
        }
    }

    fn take_word(&mut self) -> Token<'a> {
        self.skip_space();
        self.take()
    }

    fn peek_word_kind(&mut self) -> Kind {
        self.skip_space();
        self.peek()
    }

    fn peek_word(&mut self) -> Token<'a> {
        self.skip_space();
        self.token_at(self.next)
    }

    fn error<T>(&self, message: String) -> Parsed<T> {
        let line = self.tokens.get(self.furthest).map_or(1, |token| token.line);
        Err(ParseError { name: self.source.name.to_string(), line, message })
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        }
        let mut extra = String::new();
        if self.action_line != 0 && self.action_line != token.line {
            extra = format!(" started at {}:{}", self.source.name, self.action_line);
            if !token.text.ends_with(" action") {
                extra.insert_str(0, " in action");
            }
        }
        self.error(format!("{}{extra}", token.text))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'a>> {
        let token = self.take_word();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn descend<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return self.error(format!("template is nested more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let outcome = inner(self);
        self.depth -= 1;
        outcome
    }

    /// A later definition replaces an empty one; two full ones in one text are a fault.
    fn add(&mut self, template: Template) -> Parsed<()> {
        match self.templates.iter_mut().find(|old| old.name == template.name) {
            None => self.templates.push(template),
            Some(old) if old.is_blank() => *old = template,
            Some(_) if template.is_blank() => {}
            Some(_) => {
                let name = quote(template.name.as_bytes());
                return self.error(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn file(&mut self) -> Parsed<Vec<Node>> {
        let mut body = Vec::new();
        while self.peek() != Kind::Eof {
            if self.peek() == Kind::LeftDelim {
                let start = self.next;
                self.take();
                if self.take_word().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.next = start;
            }
            match self.piece()? {
                Piece::Node(node) => body.push(node),
                Piece::Ending(Ending::End) => return self.error("unexpected {{end}}".to_owned()),
                Piece::Ending(Ending::Else) => return self.error("unexpected {{else}}".to_owned()),
            }
        }
        Ok(body)
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        self.expect(Kind::RightDelim, context)?;
        let variables = std::mem::replace(&mut self.variables, vec![Arc::from("$")]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ending) = self.body()?;
        self.variables = variables;
        self.range_depth = range_depth;
        if matches!(ending, Ending::Else) {
            return self.error(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.add(Template { name, source: Arc::clone(&self.source), body })
    }

    fn template_name(&mut self, token: &Token<'_>, context: &str) -> Parsed<Str> {
        match token.kind {
            Kind::String | Kind::RawString => match unquote(&token.text) {
                Some(name) => Ok(Str::from(name)),
                None => self.error("invalid syntax".to_owned()),
            },
            _ => self.unexpected(token, context),
        }
    }

    /// Nodes up to an `end` or `else`.
    fn body(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        while self.peek_word_kind() != Kind::Eof {
            match self.descend(Self::piece)? {
                Piece::Node(node) => nodes.push(node),
                Piece::Ending(ending) => {
                    // Parsed templates are kept for long.
                    nodes.shrink_to_fit();
                    return Ok((nodes, ending));
                }
            }
        }
        self.error("unexpected EOF".to_owned())
    }

    fn piece(&mut self) -> Parsed<Piece> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => {
                let end = token.pos + token.text.len() as Pos;
                Ok(Piece::Node(Node::Text(Span { start: token.pos, end })))
            }
            Kind::LeftDelim => {
                self.action_line = token.line;
                let piece = self.action()?;
                self.action_line = 0;
                Ok(piece)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Piece> {
        let start = self.next;
        let token = self.take_word();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => self.jump(token.kind)?,
            Kind::Else => {
                if !matches!(self.peek_word_kind(), Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Piece::Ending(Ending::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Piece::Ending(Ending::End));
            }
            Kind::If => Node::If(Box::new(self.branch("if")?)),
            Kind::Range => Node::Range(Box::new(self.branch("range")?)),
            Kind::With => Node::With(Box::new(self.branch("with")?)),
            Kind::Template => self.template()?,
            _ => {
                self.next = start;
                let pos = self.peek_word().pos;
                // Variables declared here stay until the enclosing `end`.
                Node::Action { pos, pipe: self.pipe("command", Kind::RightDelim)? }
            }
        };
        Ok(Piece::Node(node))
    }

    fn jump(&mut self, kind: Kind) -> Parsed<Node> {
        let word = if kind == Kind::Break { "break" } else { "continue" };
        let token = self.take_word();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, &format!("{{{{{word}}}}}"));
        }
        if self.range_depth == 0 {
            return self.error(format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(if kind == Kind::Break { Node::Break } else { Node::Continue })
    }

    fn branch(&mut self, context: &'static str) -> Parsed<Branch> {
        let scope = self.variables.len();
        let pipe = self.pipe(context, Kind::RightDelim)?;
        if context == "range" {
            self.range_depth += 1;
        }
        let (body, ending) = self.body()?;
        if context == "range" {
            self.range_depth -= 1;
        }
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(context)?),
        };
        self.variables.truncate(scope);
        Ok(Branch { pos: pipe.pos, pipe, body, otherwise })
    }

    fn otherwise(&mut self, context: &str) -> Parsed<Vec<Node>> {
        // `{{else if x}}` is an `if` in the `else`, and shares its `{{end}}`.
        let kind = self.peek();
        if context == "if" && kind == Kind::If {
            self.take();
            return Ok(vec![Node::If(Box::new(self.descend(|p| p.branch("if"))?))]);
        }
        if context == "with" && kind == Kind::With {
            self.take();
            return Ok(vec![Node::With(Box::new(self.descend(|p| p.branch("with"))?))]);
        }
        let (body, ending) = self.body()?;
        if matches!(ending, Ending::Else) {
            return self.error("expected end; found {{else}}".to_owned());
        }
        Ok(body)
    }

    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipe(context, Kind::RightDelim)?;
        let variables = std::mem::replace(&mut self.variables, vec![Arc::from("$")]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ending) = self.body()?;
        self.variables = variables;
        self.range_depth = range_depth;
        if matches!(ending, Ending::Else) {
            return self.error(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.add(Template { name: name.clone(), source: Arc::clone(&self.source), body })?;
        Ok(Node::Template { pos: token.pos, name, pipe: Some(pipe) })
    }

    fn template(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let pipe = if self.peek_word_kind() == Kind::RightDelim {
            self.take();
            None
        } else {
            Some(self.pipe(context, Kind::RightDelim)?)
        };
        Ok(Node::Template { pos: token.pos, name, pipe })
    }

    fn pipe(&mut self, context: &'static str, end: Kind) -> Parsed<Pipe> {
        let pos = self.peek_word().pos;
        let mut pipe = Pipe { pos, variables: Vec::new(), assign: false, commands: Vec::with_capacity(1) };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.peek_word();
            match token.kind {
                kind if kind == end => {
                    self.take();
                    self.check(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        loop {
            let variable = self.peek_word();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let start = self.next;
            self.take();
            let next = self.peek_word();
            let is_comma = next.kind == Kind::Char && next.text == ",";
            if !is_comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.next = start;
                return Ok(());
            }
            self.take();
            let name: Arc<str> = Arc::from(&*variable.text);
            pipe.variables.push(Arc::clone(&name));
            self.variables.push(name);
            if !is_comma {
                pipe.assign = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() > 1 {
                return self.error(format!("too many declarations in {context}"));
            }
            if !matches!(self.peek_word_kind(), Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return self.error("range can only initialize variables".to_owned());
            }
        }
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(command.first.term, Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text { .. })
            {
                return self.error(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(())
    }

    /// Operands up to a `|` (consumed) or the end of the pipeline (left).
    fn command(&mut self) -> Parsed<Command> {
        let pos = self.peek_word().pos;
        let (mut first, mut args) = (None, Vec::new());
        loop {
            self.skip_space();
            match (self.operand()?, &first) {
                (Some(operand), Some(_)) => args.push(operand),
                (operand, _) => first = operand.or(first),
            }
            let token = self.token_at(self.next);
            match token.kind {
                Kind::Space => {
                    self.take();
                    continue;
                }
                Kind::RightDelim | Kind::RightParen => {}
                Kind::Pipe => {
                    self.take();
                }
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        args.shrink_to_fit();
        match first {
            Some(first) => Ok(Command { pos, first, args }),
            None => self.error("empty command".to_owned()),
        }
    }

    /// A term and the fields that follow it without space.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(operand) = self.term()? else {
            return Ok(None);
        };
        let token = self.token_at(self.next);
        if token.kind != Kind::Field {
            return Ok(Some(operand));
        }
        let mut names = Vec::new();
        while self.peek() == Kind::Field {
            names.push(field_name(&self.take().text));
        }
        // Go reports such an operand at its second field.
        let pos: Pos = token.pos;
        let term = match operand.term {
            Term::Field(mut fields) => {
                fields.extend(names);
                Term::Field(fields)
            }
            Term::Variable { name, mut fields } => {
                fields.extend(names);
                Term::Variable { name, fields }
            }
            Term::Bool(_) | Term::Text { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                let text = quote(operand.to_string().as_bytes());
                return self.error(format!("unexpected . after term {text}"));
            }
            _ => Term::Chain { of: Box::new(operand), fields: names },
        };
        Ok(Some(Operand { pos, term }))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.peek_word();
        let term = match token.kind {
            Kind::Identifier => match self.functions.find(&token.text) {
                Some(function) => Term::Function(function),
                None => {
                    let name = quote(token.text.as_bytes());
                    return self.error(format!("function {name} not defined"));
                }
            },
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::Variable => self.variable(&token)?,
            Kind::Field => Term::Field(vec![field_name(&token.text)]),
            Kind::Number | Kind::CharConstant => {
                let parse = if token.kind == Kind::Number { Number::parse } else { Number::of_char };
                match parse(&token.text) {
                    Ok(number) => Term::Number(number),
                    Err(message) => return self.error(message),
                }
            }
            Kind::String | Kind::RawString => match unquote(&token.text) {
                Some(text) => Term::Text { quoted: token.text.to_string(), text: Str::from(text) },
                None => return self.error("invalid syntax".to_owned()),
            },
            Kind::LeftParen => {
                self.take();
                let pipe = self.descend(|p| p.pipe("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Operand { pos: pipe.pos, term: Term::Pipe(Box::new(pipe)) }));
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(Operand { pos: token.pos, term }))
    }

    fn variable(&mut self, token: &Token<'_>) -> Parsed<Term> {
        let Some(name) = self.variables.iter().find(|name| name.as_ref() == token.text.as_ref()) else {
            let name = quote(token.text.as_bytes());
            return self.error(format!("undefined variable {name}"));
        };
        Ok(Term::Variable { name: Arc::clone(name), fields: Vec::new() })
    }
}

fn field_name(token: &str) -> Str {
    Str::from(token.strip_prefix('.').unwrap_or(token))
}
