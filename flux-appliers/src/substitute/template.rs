//! The grammar: text with `${…}` in it becomes parts.

use std::sync::LazyLock;

use regex::Regex;

use super::error::Syntax;

/// Defaults inside defaults, at most so deep.
const MAX_DEPTH: usize = 200;

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Stands for itself.
    Text(String),
    /// Stands for a variable.
    Variable(Variable),
}

/// A variable and what is done to its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) operator: Operator,
}

/// What is done to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    /// `${v}`
    Value,
    /// `${#v}`
    Length,
    /// `${v:-d}`, `${v:=d}`, `${v=d}`, `${v:?d}` and `${v:+d}`, which are all the same here.
    Default(Vec<Part>),
    /// `${v:offset}` and `${v:offset:length}`
    Substring { offset: Box<Part>, length: Option<Box<Part>> },
    /// `${v^}` and `${v,}` for the first character, `${v^^}` and `${v,,}` for all; `None` for a mix of both signs, which
    /// changes nothing.
    Case(Option<Case>),
    /// `${v#pattern}`, `${v%pattern}` and, for the longest match, `${v##pattern}` and `${v%%pattern}`.
    Trim { end: End, longest: bool, pattern: Box<Part> },
    /// `${v/from/to}` and its variants.
    Replace { which: Which, from: Box<Part>, to: Option<Box<Part>> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) upper: bool,
    pub(super) all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Prefix,
    Suffix,
}

/// Which places are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    First,
    All,
    Prefix,
    Suffix,
}

/// The parts of a text. Where braces are not meant, `$${` stands for `${`; a lone `$` stands for itself.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, Syntax> {
    // To the Go original a NUL is the end of the text, and YAML knows none.
    let text = text.split('\0').next().unwrap_or_default();
    let mut parser = Parser { rest: text, depth: 0 };
    let mut parts = Vec::new();
    while !parser.rest.is_empty() {
        let part =
            if parser.take("${") { parser.variable()? } else { Part::Text(parser.text(|_| true, Escapes::Dollar)) };
        parts.push(part);
    }
    Ok(parts)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// What can be escaped in a piece of text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Nothing,
    /// `$$` is `$`.
    Dollar,
    /// That, and `\/` and `\\`.
    Slashes,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn close(&mut self) -> Result<(), Syntax> {
        if self.take("}") { Ok(()) } else { Err(Syntax::BadSubstitution) }
    }

    /// Text up to a `${`, the end, or a character that is not accepted.
    fn text(&mut self, accept: impl Fn(char) -> bool, escapes: Escapes) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if self.rest.starts_with("${") {
                break;
            }
            let escaped = match (c, self.rest.as_bytes().get(1)) {
                ('$', Some(b'$')) => escapes != Escapes::Nothing,
                ('\\', Some(b'/' | b'\\')) => escapes == Escapes::Slashes,
                _ => false,
            };
            if escaped {
                text.push_str(&self.rest[1..2]);
                self.rest = &self.rest[2..];
            } else if accept(c) {
                text.push(c);
                self.rest = &self.rest[c.len_utf8()..];
            } else {
                break;
            }
        }
        text
    }

    /// What follows `${`.
    fn variable(&mut self) -> Result<Part, Syntax> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Syntax::TooDeep { limit: MAX_DEPTH });
        }
        let variable = if self.take("#") { self.length()? } else { self.named()? };
        self.depth -= 1;
        Ok(Part::Variable(variable))
    }

    fn name(&mut self) -> Option<String> {
        Some(self.take_while(is_name).to_owned()).filter(|name| !name.is_empty())
    }

    fn length(&mut self) -> Result<Variable, Syntax> {
        let name = self.name().ok_or(Syntax::BadSubstitution)?;
        self.close()?;
        Ok(Variable { name, operator: Operator::Length })
    }

    fn named(&mut self) -> Result<Variable, Syntax> {
        let name = self.name().ok_or(Syntax::Name)?;
        let operator = match self.peek() {
            Some('}') => {
                self.close()?;
                Operator::Value
            }
            Some('=') => {
                self.take("=");
                self.default()?
            }
            Some(':') => {
                self.take(":");
                if self.rest.is_empty() {
                    return Err(Syntax::BadSubstitution);
                }
                if ["=", "-", "?", "+"].iter().any(|sign| self.take(sign)) {
                    self.default()?
                } else {
                    self.substring()?
                }
            }
            Some(',' | '^') => self.case()?,
            Some('/') => self.replace()?,
            Some(sign @ ('#' | '%')) => self.trim(sign)?,
            _ => return Err(Syntax::MissingBrace),
        };
        Ok(Variable { name, operator })
    }

    /// One argument of an operator: a variable, or text that must not be empty.
    fn argument(&mut self, accept: impl Fn(char) -> bool, escapes: Escapes) -> Result<Part, Syntax> {
        if self.take("${") {
            return self.variable();
        }
        let before = self.rest.len();
        let text = self.text(accept, escapes);
        if self.rest.len() == before { Err(Syntax::Argument) } else { Ok(Part::Text(text)) }
    }

    fn default(&mut self) -> Result<Operator, Syntax> {
        let mut parts = Vec::new();
        while !self.take("}") {
            parts.push(self.argument(|c| c != '}', Escapes::Nothing)?);
        }
        Ok(Operator::Default(parts))
    }

    fn substring(&mut self) -> Result<Operator, Syntax> {
        let offset = Box::new(self.argument(|c| c != ':' && c != '}', Escapes::Nothing)?);
        if self.take("}") {
            return Ok(Operator::Substring { offset, length: None });
        }
        if self.take_while(|c| c == ':').is_empty() {
            return Err(Syntax::BadSubstitution);
        }
        let length = Some(Box::new(self.argument(|c| c != '}', Escapes::Nothing)?));
        self.close()?;
        Ok(Operator::Substring { offset, length })
    }

    fn case(&mut self) -> Result<Operator, Syntax> {
        let end = self.rest.bytes().take(2).take_while(|b| matches!(b, b',' | b'^')).count();
        let (signs, rest) = self.rest.split_at(end);
        self.rest = rest;
        let case = match signs {
            "^" => Some(Case { upper: true, all: false }),
            "^^" => Some(Case { upper: true, all: true }),
            "," => Some(Case { upper: false, all: false }),
            ",," => Some(Case { upper: false, all: true }),
            _ => None,
        };
        self.close()?;
        Ok(Operator::Case(case))
    }

    fn trim(&mut self, sign: char) -> Result<Operator, Syntax> {
        let end = if sign == '#' { End::Prefix } else { End::Suffix };
        let sign = if sign == '#' { "#" } else { "%" };
        self.take(sign);
        let longest = self.take(sign);
        let pattern = Box::new(self.argument(|c| c != '}', Escapes::Nothing)?);
        self.close()?;
        Ok(Operator::Trim { end, longest, pattern })
    }

    fn replace(&mut self) -> Result<Operator, Syntax> {
        self.take("/");
        let variants = [("/", Which::All), ("#", Which::Prefix), ("%", Which::Suffix)];
        let which = variants.iter().find(|(sign, _)| self.take(sign)).map_or(Which::First, |(_, which)| *which);
        let from = Box::new(self.argument(|c| c != '/', Escapes::Slashes)?);
        if self.take_while(|c| c == '/').is_empty() {
            return Err(Syntax::BadSubstitution);
        }
        let to = match self.peek() {
            Some('}') => None,
            _ => Some(Box::new(self.argument(|c| c != '}', Escapes::Slashes)?)),
        };
        self.close()?;
        Ok(Operator::Replace { which, from, to })
    }
}

/// Whether a character may stand in a name: letters and decimal digits of any script, and `_`.
fn is_name(c: char) -> bool {
    // Decimal digits of all scripts are in no table of the standard library.
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]").ok());
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    NAME.as_ref().is_some_and(|name| name.is_match(c.encode_utf8(&mut [0; 4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_variables_is_one_part() {
        assert_eq!(parse("a $$b $c \\/").unwrap(), [Part::Text("a $b $c \\/".into())]);
    }

    #[test]
    fn what_is_nested_too_deep_is_an_error() {
        let deep = |levels: usize| format!("{}{}", "${A:-".repeat(levels), "}".repeat(levels));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&deep(MAX_DEPTH + 1)), Err(Syntax::TooDeep { limit: MAX_DEPTH }));
        assert!(parse(&"${A:-".repeat(1_000_000)).is_err());
    }
}
