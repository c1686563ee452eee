//! The meaning: parts and variables become text.

use std::borrow::Cow;

use super::error::ExpandError;
use super::glob::{self, Glob};
use super::template::{Case, End, Operator, Part, Variable, Which};
use super::{Limits, Variables};

/// Expands the parts of a template. The result is bytes: substrings may cut a character in two.
pub(super) fn expand(
    parts: &[Part],
    variables: &Variables,
    strict: bool,
    limits: Limits,
) -> Result<Vec<u8>, ExpandError> {
    let mut expander = Expander { variables, strict, limits, steps: limits.steps };
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&expander.part(part)?);
        expander.check_size(out.len())?;
    }
    Ok(out)
}

struct Expander<'a> {
    variables: &'a Variables,
    strict: bool,
    limits: Limits,
    steps: usize,
}

impl Expander<'_> {
    fn part<'p>(&mut self, part: &'p Part) -> Result<Cow<'p, [u8]>, ExpandError> {
        match part {
            Part::Text(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Part::Variable(variable) => self.variable(variable).map(Cow::Owned),
        }
    }

    fn variable(&mut self, variable: &Variable) -> Result<Vec<u8>, ExpandError> {
        let Variable { name, operator } = variable;
        let value = self.variables.get(name);
        // An operator that brings a default deals with variables that are not set; all others need a value.
        let missing = value.is_none() && self.strict && !matches!(operator, Operator::Default(_));
        let value = value.unwrap_or_default();
        let result = match operator {
            Operator::Default(parts) => self.default(value, parts)?,
            Operator::Value | Operator::Case(None) => value.to_vec(),
            Operator::Length => value.len().to_string().into_bytes(),
            Operator::Case(Some(case)) => change_case(value, *case),
            Operator::Substring { offset, length } => {
                let offset = number(&self.part(offset)?);
                let length = length.as_deref().map(|length| self.part(length).map(|text| number(&text))).transpose()?;
                substring(value, offset, length)
                    .ok_or_else(|| ExpandError::NegativeLength { name: name.clone() })?
                    .to_vec()
            }
            Operator::Trim { end, longest, pattern } => {
                let pattern = self.part(pattern)?;
                self.trim(value, *end, *longest, &pattern)?
            }
            Operator::Replace { which, from, to } => {
                let from = self.part(from)?;
                let to = to.as_deref().map(|to| self.part(to)).transpose()?;
                self.replace(value, *which, &from, to.as_deref())?
            }
        };
        // What a variable is asked for in its arguments comes first.
        if missing {
            return Err(ExpandError::NotSet { name: name.clone() });
        }
        Ok(result)
    }

    fn default(&mut self, value: &[u8], parts: &[Part]) -> Result<Vec<u8>, ExpandError> {
        let mut default = Vec::new();
        for part in parts {
            default.extend_from_slice(&self.part(part)?);
            self.check_size(default.len())?;
        }
        Ok(if value.is_empty() { default } else { value.to_vec() })
    }

    fn trim(&mut self, value: &[u8], end: End, longest: bool, pattern: &[u8]) -> Result<Vec<u8>, ExpandError> {
        if end == End::Suffix {
            // As upstream: backwards, which turns a set such as `[a-z]` into a pattern that is none.
            let trimmed = self.trim(&reversed(value), End::Prefix, longest, &reversed(pattern))?;
            return Ok(if trimmed.len() == value.len() { value.to_vec() } else { reversed(&trimmed) });
        }
        let Ok(glob) = Glob::new(&text_of(pattern)) else { return Ok(value.to_vec()) };
        let mut fits = |length: &usize| self.steps > 0 && glob.matches(&value[..*length], &mut self.steps);
        let found = if longest { (1..=value.len()).rev().find(&mut fits) } else { (1..=value.len()).find(&mut fits) };
        if self.steps == 0 {
            return Err(ExpandError::Limit { what: "work on patterns", limit: self.limits.steps });
        }
        Ok(value[found.unwrap_or(0)..].to_vec())
    }

    fn replace(&mut self, value: &[u8], which: Which, from: &[u8], to: Option<&[u8]>) -> Result<Vec<u8>, ExpandError> {
        let fits = match which {
            Which::First | Which::All => true,
            Which::Prefix => to.is_some() && value.starts_with(from),
            Which::Suffix => to.is_some() && value.ends_with(from),
        };
        let to = to.unwrap_or_default();
        if !fits {
            return Ok(value.to_vec());
        }
        if which == Which::Suffix {
            return Ok([&value[..value.len() - from.len()], to].concat());
        }
        if from.is_empty() {
            return self.insert(value, which, to);
        }
        let mut out = Vec::with_capacity(value.len());
        let mut rest = value;
        while let Some(at) = find(rest, from) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(to);
            self.check_size(out.len())?;
            rest = &rest[at + from.len()..];
            if which != Which::All {
                break;
            }
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    /// What is put in place of nothing: before the text, or, of all places, also after every character.
    fn insert(&self, value: &[u8], which: Which, text: &[u8]) -> Result<Vec<u8>, ExpandError> {
        let mut out = text.to_vec();
        let mut rest = value;
        while which == Which::All
            && let Some((_, width)) = glob::decode(rest)
        {
            out.extend_from_slice(&rest[..width]);
            out.extend_from_slice(text);
            self.check_size(out.len())?;
            rest = &rest[width..];
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    fn check_size(&self, bytes: usize) -> Result<(), ExpandError> {
        let limit = self.limits.bytes;
        if bytes > limit { Err(ExpandError::Limit { what: "the substituted text in bytes", limit }) } else { Ok(()) }
    }
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    match (std::str::from_utf8(text), std::str::from_utf8(what)) {
        (Ok(text), Ok(what)) => text.find(what),
        _ => text.windows(what.len()).position(|window| window == what),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What is not a number leaves the value as it is; `None` for a length that leads before the offset.
fn substring(value: &[u8], offset: Option<i64>, length: Option<Option<i64>>) -> Option<&[u8]> {
    let (Some(offset), Some(length)) = (offset, length.map_or(Some(i64::MAX), |length| length)) else {
        return Some(value);
    };
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let start = if offset < 0 { (size + offset).max(0) } else { offset };
    let end = start.saturating_add(length);
    let at = |index: i64| usize::try_from(index).ok();
    if end >= size {
        return Some(if start < size { &value[at(start)?..] } else { b"" });
    }
    if end < start { None } else { value.get(at(start)?..at(end)?) }
}

fn change_case(value: &[u8], Case { upper, all }: Case) -> Vec<u8> {
    let change = if upper { to_upper } else { to_lower };
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((c, width)) = glob::decode(rest) {
        out.extend_from_slice(change(c).encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[width..];
        if !all {
            break;
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The one character that Unicode's simple mapping gives; Go knows no others.
fn to_upper(c: char) -> char {
    let mut full = c.to_uppercase();
    match (full.next(), full.next()) {
        (Some(upper), None) => upper,
        // Greek with a iota below: the full mapping spells it out, the simple one has a character for it.
        _ => match c {
            '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => {
                char::from_u32(u32::from(c) + 8).unwrap_or(c)
            }
            '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => char::from_u32(u32::from(c) + 9).unwrap_or(c),
            _ => c,
        },
    }
}

fn to_lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn reversed(text: &[u8]) -> Vec<u8> {
    let mut chars = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, width)) = glob::decode(rest) {
        chars.push(c);
        rest = &rest[width..];
    }
    chars.into_iter().rev().collect::<String>().into_bytes()
}
