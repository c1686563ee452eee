//! The parsed form of a template, and how Go prints each part in errors.

use std::fmt;
use std::sync::Arc;

use super::function::Function;
use super::gofmt::quote;
use super::number::Number;
use super::source::{Pos, Source, Span};
use super::text::Str;

/// A named template: a file, or the body of a `define` or `block`.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: Str,
    pub(crate) source: Arc<Source>,
    pub(crate) body: Vec<Node>,
}

impl Template {
    /// Whether there is nothing but space here; such a template never replaces another of the same name.
    pub(crate) fn is_blank(&self) -> bool {
        let is_space = |span: &Span| self.source.bytes(*span).trim_ascii().is_empty();
        self.body.iter().all(|node| matches!(node, Node::Text(span) if is_space(span)))
    }
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(Span),
    Action { pos: Pos, pipe: Pipe },
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template { pos: Pos, name: Str, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// The two ways out of `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pos: Pos,
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// `$x := a | b c`
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: Pos,
    /// The variables set, with their `$`.
    pub(crate) variables: Vec<Arc<str>>,
    /// Whether they are assigned (`=`) rather than declared (`:=`).
    pub(crate) assign: bool,
    pub(crate) commands: Vec<Command>,
}

/// One stage of a pipeline; never empty.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: Pos,
    pub(crate) first: Operand,
    pub(crate) args: Vec<Operand>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) pos: Pos,
    pub(crate) term: Term,
}

#[derive(Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Text { quoted: String, text: Str },
    Field(Vec<Str>),
    Variable { name: Arc<str>, fields: Vec<Str> },
    Chain { of: Box<Operand>, fields: Vec<Str> },
    Function(&'static Function),
    Pipe(Box<Pipe>),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("text"),
            Self::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Self::If(branch) => write!(f, "{{{{if {}}}}}", branch.pipe),
            Self::With(branch) => write!(f, "{{{{with {}}}}}", branch.pipe),
            Self::Range(branch) => write!(f, "{{{{range {}}}}}", branch.pipe),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Self::Break => f.write_str("{{break}}"),
            Self::Continue => f.write_str("{{continue}}"),
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            f.write_str(&self.variables.join(", "))?;
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        for arg in &self.args {
            write!(f, " {arg}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn fields(f: &mut fmt::Formatter<'_>, names: &[Str]) -> fmt::Result {
            names.iter().try_for_each(|name| write!(f, ".{}", name.to_str()))
        }
        match &self.term {
            Term::Dot => f.write_str("."),
            Term::Nil => f.write_str("nil"),
            Term::Bool(b) => b.fmt(f),
            Term::Number(number) => f.write_str(&number.text),
            Term::Text { quoted, .. } => f.write_str(quoted),
            Term::Field(names) => fields(f, names),
            Term::Variable { name, fields: names } => {
                f.write_str(name)?;
                fields(f, names)
            }
            Term::Chain { of, fields: names } => {
                of.fmt(f)?;
                fields(f, names)
            }
            Term::Function(function) => f.write_str(function.name),
            Term::Pipe(pipe) => write!(f, "({pipe})"),
        }
    }
}
