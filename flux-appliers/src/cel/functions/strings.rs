//! Texts: the standard functions, `ext.Strings` and `ext.Encoders`.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use flux_core::re2::Pattern;

use crate::cel::error::EvalError;
use crate::cel::eval::Scope;
use crate::cel::value::Value;

use super::format::format;
use super::operators::{size, texts};

/// Standard alphabet, with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn call<'a>(
    scope: &mut Scope<'_, 'a>,
    name: &str,
    method: bool,
    arguments: &[Value<'a>],
) -> Result<Option<Value<'a>>, EvalError> {
    let [first, rest @ ..] = arguments else { return Ok(None) };
    if name == "size" && rest.is_empty() {
        if let Value::String(text) = first {
            scope.spend(text.len() / 64)?;
        }
        return Ok(size(first));
    }
    match (name, first, rest) {
        ("base64.encode", Value::Bytes(bytes), []) => {
            scope.spend(bytes.len() / 8)?;
            return Ok(Some(Value::text(STANDARD.encode(bytes))));
        }
        ("base64.decode", Value::String(text), []) => {
            scope.spend(text.len() / 8)?;
            let bytes = LENIENT.decode(text.as_bytes());
            let problem = || EvalError::Argument { function: "base64.decode", problem: "illegal base64 data" };
            return bytes.map(|bytes| Some(Value::Bytes(bytes.into()))).map_err(|_| problem());
        }
        ("strings.quote", Value::String(text), []) => return Ok(Some(Value::text(quote(text)))),
        ("matches", Value::String(text), [Value::String(pattern)]) => {
            scope.spend((text.len() + 8 * pattern.len()) / 8)?;
            return Ok(Some(Value::Bool(regex(pattern)?.is_match(text))));
        }
        ("join", Value::List(list), separator) if method => {
            let separator = match separator {
                [] => "",
                [Value::String(separator)] => &**separator,
                _ => return Ok(None),
            };
            let mut out = String::new();
            for (i, item) in list.iter().enumerate() {
                let Value::String(item) = item else { return Ok(None) };
                if i > 0 {
                    out.push_str(separator);
                }
                scope.spend(1 + (item.len() + separator.len()) / 8)?;
                out.push_str(&item);
            }
            return Ok(Some(Value::text(out)));
        }
        _ => {}
    }
    let Value::String(text) = first else { return Ok(None) };
    if !method {
        return Ok(None);
    }
    scope.spend(text.len() / 8)?;
    let value = match (name, rest) {
        ("contains", [Value::String(part)]) => Value::Bool(text.contains(&**part)),
        ("startsWith", [Value::String(part)]) => Value::Bool(text.starts_with(&**part)),
        ("endsWith", [Value::String(part)]) => Value::Bool(text.ends_with(&**part)),
        ("lowerAscii", []) => Value::text(text.to_ascii_lowercase()),
        ("upperAscii", []) => Value::text(text.to_ascii_uppercase()),
        ("trim", []) => Value::text(text.trim()),
        ("reverse", []) => Value::text(text.chars().rev().collect::<String>()),
        ("charAt", [Value::Int(at)]) => {
            let at = position(text, *at)?;
            Value::text(text.chars().nth(at).map(String::from).unwrap_or_default())
        }
        ("indexOf", [Value::String(part)]) => find(text, part, 0),
        ("indexOf", [Value::String(part), Value::Int(from)]) => match usize::try_from(*from) {
            Ok(from) if from <= text.chars().count() => find(text, part, from),
            Ok(_) => Value::Int(-1),
            Err(_) => return Err(out_of_range("indexOf")),
        },
        ("lastIndexOf", [Value::String(part)]) => find_last(text, part, usize::MAX),
        ("lastIndexOf", [Value::String(part), Value::Int(from)]) => {
            find_last(text, part, usize::try_from(*from).map_err(|_| out_of_range("lastIndexOf"))?)
        }
        ("replace", [Value::String(from), Value::String(to)]) => replace(scope, text, from, to, usize::MAX)?,
        ("replace", [Value::String(from), Value::String(to), Value::Int(count)]) => {
            replace(scope, text, from, to, usize::try_from(*count).unwrap_or(usize::MAX))?
        }
        ("split", [Value::String(separator)]) => split(scope, text, separator, usize::MAX)?,
        ("split", [Value::String(separator), Value::Int(count)]) => {
            split(scope, text, separator, usize::try_from(*count).unwrap_or(usize::MAX))?
        }
        ("substring", [Value::Int(from)]) => {
            let from = position(text, *from)?;
            Value::text(text.chars().skip(from).collect::<String>())
        }
        ("substring", [Value::Int(from), Value::Int(to)]) => {
            let (from, to) = (position(text, *from)?, position(text, *to)?);
            let length = to.checked_sub(from).ok_or_else(|| out_of_range("substring"))?;
            Value::text(text.chars().skip(from).take(length).collect::<String>())
        }
        ("format", [Value::List(list)]) => Value::text(format(scope, text, list)?),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn out_of_range(function: &'static str) -> EvalError {
    EvalError::Argument { function, problem: "index out of range" }
}

/// An index into the characters of a text; its end is one too.
fn position(text: &str, at: i64) -> Result<usize, EvalError> {
    let size = text.chars().count();
    usize::try_from(at).ok().filter(|at| *at <= size).ok_or_else(|| out_of_range("a text"))
}

/// The first place of a part, counted in characters.
fn find<'a>(text: &str, part: &str, from: usize) -> Value<'a> {
    let start = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let found = text[start..].find(part).map(|at| text[..start + at].chars().count());
    Value::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

fn find_last<'a>(text: &str, part: &str, from: usize) -> Value<'a> {
    let end = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let end = (end.saturating_add(part.len())).min(text.len());
    let found = (0..=end).rev().find_map(|end| text.get(..end)).and_then(|head| head.rfind(part));
    let found = found.map(|at| text[..at].chars().count());
    Value::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

fn replace<'a>(
    scope: &mut Scope<'_, 'a>,
    text: &str,
    from: &str,
    to: &str,
    count: usize,
) -> Result<Value<'a>, EvalError> {
    let places = if from.is_empty() { text.len() + 1 } else { text.len() / from.len() };
    scope.spend(places.min(count).saturating_mul(to.len()) / 8)?;
    Ok(Value::text(text.replacen(from, to, count)))
}

fn split<'a>(scope: &mut Scope<'_, 'a>, text: &str, separator: &str, count: usize) -> Result<Value<'a>, EvalError> {
    scope.spend(text.len())?;
    if count == 0 {
        return Ok(Value::list(Vec::new()));
    }
    if !separator.is_empty() {
        return Ok(texts(text.splitn(count, separator).map(str::to_owned)));
    }
    let mut parts: Vec<String> = text.chars().take(count.saturating_sub(1)).map(String::from).collect();
    let rest: String = text.chars().skip(count.saturating_sub(1)).collect();
    if !rest.is_empty() {
        parts.push(rest);
    }
    Ok(texts(parts.into_iter()))
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A regular expression, compiled within bounds.
pub(in crate::cel) fn regex(pattern: &str) -> Result<Pattern, EvalError> {
    Pattern::compile(pattern)
        .map_err(|_| EvalError::Argument { function: "matches", problem: "not a regular expression" })
}
