//! Regular expressions with the syntax and meaning of Go's (RE2).

use std::borrow::Cow;
use std::rc::Rc;

use flux_core::re2::Pattern;
use regex::Captures;

use super::args::{Args, Outcome};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::gofmt::{can_backquote, quote};
use crate::helm::template::{Abort, Elements, Function, List, Str, Type, Value};

const STR: &[Type] = &[Type::Str];
const STR2: &[Type] = &[Type::Str, Type::Str];
const STR3: &[Type] = &[Type::Str, Type::Str, Type::Str];
const STR2_INT: &[Type] = &[Type::Str, Type::Str, Type::Int];

/// How many patterns one render keeps compiled.
const MAX_KEPT: usize = 64;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", STR2, |rt, args| {
        // Sprig ignores the error here, and a broken pattern matches nothing.
        Ok(Value::Bool(pattern(rt, args).is_ok_and(|pattern| pattern.is_match(&subject(args)))))
    }),
    Function::new("mustRegexMatch", STR2, |rt, args| Ok(Value::Bool(pattern(rt, args)?.is_match(&subject(args))))),
    Function::new("regexFindAll", STR2_INT, |rt, args| Ok(find_all(must(rt, args)?.as_ref(), args))),
    Function::new("mustRegexFindAll", STR2_INT, |rt, args| Ok(find_all(pattern(rt, args)?.as_ref(), args))),
    Function::new("regexFind", STR2, |rt, args| Ok(find(must(rt, args)?.as_ref(), args))),
    Function::new("mustRegexFind", STR2, |rt, args| Ok(find(pattern(rt, args)?.as_ref(), args))),
    Function::new("regexReplaceAll", STR3, |rt, args| {
        let pattern = must(rt, args)?;
        replace(rt, &pattern, args, false)
    }),
    Function::new("mustRegexReplaceAll", STR3, |rt, args| {
        let pattern = pattern(rt, args)?;
        replace(rt, &pattern, args, false)
    }),
    Function::new("regexReplaceAllLiteral", STR3, |rt, args| {
        let pattern = must(rt, args)?;
        replace(rt, &pattern, args, true)
    }),
    Function::new("mustRegexReplaceAllLiteral", STR3, |rt, args| {
        let pattern = pattern(rt, args)?;
        replace(rt, &pattern, args, true)
    }),
    Function::new("regexSplit", STR2_INT, |rt, args| Ok(split(must(rt, args)?.as_ref(), args))),
    Function::new("mustRegexSplit", STR2_INT, |rt, args| Ok(split(pattern(rt, args)?.as_ref(), args))),
    Function::new("regexQuoteMeta", STR, |_, args| {
        let mut out = Vec::new();
        for byte in Args(args).bytes(0) {
            if br"\.+*?()|[]{}^$".contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        Ok(Value::text(out))
    }),
];

/// The pattern that is the first argument, compiled at most once a render.
fn pattern(rt: &mut Runtime<'_>, args: &[Value]) -> Result<Rc<Pattern>, CallError> {
    let Some(Value::Str(source)) = args.first() else {
        return Err(CallError::nil_pointer());
    };
    // Matching takes time in proportion to the text.
    rt.budget.steps(Args(args).bytes(1).len() as u64 / 64)?;
    if let Some(known) = rt.patterns.get(source) {
        return Ok(Rc::clone(known));
    }
    rt.budget.steps(100 + source.len() as u64 * 4)?;
    let pattern = Rc::new(Pattern::compile(source.as_bytes()).map_err(|error| error.to_string())?);
    if rt.patterns.len() >= MAX_KEPT {
        rt.patterns.clear();
    }
    rt.patterns.insert(source.clone(), Rc::clone(&pattern));
    Ok(pattern)
}

/// As [`pattern`], but fails in the words of Go's `regexp.MustCompile`.
fn must(rt: &mut Runtime<'_>, args: &[Value]) -> Result<Rc<Pattern>, CallError> {
    pattern(rt, args).map_err(|error| match error {
        CallError::Message(message) => {
            let source = Args(args).bytes(0);
            let shown =
                if can_backquote(source) { format!("`{}`", String::from_utf8_lossy(source)) } else { quote(source) };
            format!("regexp: Compile({shown}): {message}").into()
        }
        other => other,
    })
}

/// The text to match, each byte that is not UTF-8 as a replacement character, as which Go matches it.
fn subject<'a>(args: &'a [Value]) -> Cow<'a, str> {
    let bytes = Args(args).bytes(1);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len() + 16);
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            Cow::Owned(text)
        }
    }
}

/// Where places in the subject are in the bytes that were given.
struct Places<'a> {
    given: &'a [u8],
    /// For each byte of the subject, and for its end, the byte that was given; nothing where they are the same.
    map: Option<Vec<usize>>,
}

impl<'a> Places<'a> {
    fn new(args: &'a [Value]) -> Self {
        let given = Args(args).bytes(1);
        if std::str::from_utf8(given).is_ok() {
            return Self { given, map: None };
        }
        let (mut map, mut at) = (Vec::with_capacity(given.len() + 16), 0);
        for chunk in given.utf8_chunks() {
            map.extend(at..at + chunk.valid().len());
            at += chunk.valid().len();
            for _ in chunk.invalid() {
                map.extend([at; 3]);
                at += 1;
            }
        }
        map.push(at);
        Self { given, map: Some(map) }
    }

    fn of(&self, at: usize) -> usize {
        self.map.as_ref().map_or(at, |map| map.get(at).copied().unwrap_or(self.given.len()))
    }

    fn slice(&self, range: std::ops::Range<usize>) -> &'a [u8] {
        self.given.get(self.of(range.start)..self.of(range.end)).unwrap_or_default()
    }
}

fn find(pattern: &Pattern, args: &[Value]) -> Value {
    let places = Places::new(args);
    Value::text(pattern.regex().find(&subject(args)).map_or(&[][..], |found| places.slice(found.range())))
}

fn find_all(pattern: &Pattern, args: &[Value]) -> Value {
    let (text, places) = (subject(args), Places::new(args));
    let limit = usize::try_from(Args(args).int(2)).unwrap_or(usize::MAX);
    let found = pattern.regex().find_iter(&text).take(limit);
    let found: Vec<_> = found.map(|found| Str::from(places.slice(found.range()))).collect();
    if found.is_empty() {
        return Value::List(List::nil(Elements::Str));
    }
    Value::strings(found)
}

fn replace(rt: &mut Runtime<'_>, pattern: &Pattern, args: &[Value], literal: bool) -> Outcome {
    let (text, places) = (subject(args), Places::new(args));
    let replacement = Args(args).bytes(2);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in pattern.regex().captures_iter(&text) {
        let Some(whole) = found.get(0) else { continue };
        out.extend_from_slice(places.slice(at..whole.start()));
        if literal {
            rt.budget.charge(replacement.len())?;
            out.extend_from_slice(replacement);
        } else {
            expand(rt, &mut out, replacement, &found, pattern, &places)?;
        }
        at = whole.end();
    }
    out.extend_from_slice(places.slice(at..text.len()));
    Ok(Value::text(out))
}

/// Go's `Regexp.Expand`: `$1`, `${1}`, `$name` and `$$`; a dollar before anything else is a dollar.
/// Each part is charged before it is copied.
fn expand(
    rt: &mut Runtime<'_>,
    out: &mut Vec<u8>,
    template: &[u8],
    found: &Captures<'_>,
    pattern: &Pattern,
    places: &Places<'_>,
) -> Result<(), Abort> {
    rt.budget.charge(template.len())?;
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|b| *b == b'$') {
        let (before, after) = rest.split_at(dollar);
        out.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
        if rest.first() == Some(&b'$') {
            out.push(b'$');
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let Some((name, length)) = reference(rest) else {
            out.push(b'$');
            continue;
        };
        rest = rest.get(length..).unwrap_or_default();
        let group = match name.parse::<usize>() {
            Ok(number) if name.len() == 1 || !name.starts_with('0') => found.get(number),
            // The first group of that name that took part.
            _ => {
                let named = pattern.group_names().iter().enumerate().filter(|(_, known)| **known == name);
                named.filter_map(|(number, _)| found.get(number)).next()
            }
        };
        if let Some(group) = group {
            let text = places.slice(group.range());
            rt.budget.charge(text.len())?;
            out.extend_from_slice(text);
        }
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The name that follows a dollar, and how long it is with its braces.
fn reference(text: &[u8]) -> Option<(String, usize)> {
    let braced = text.first() == Some(&b'{');
    let body = text.get(usize::from(braced)..)?;
    // What stands before the first ASCII byte that no name has, so that a long text is not looked at for each dollar.
    let ends = body.iter().position(|b| b.is_ascii() && !b.is_ascii_alphanumeric() && *b != b'_');
    let word = body.get(..ends.unwrap_or(body.len()))?;
    let valid = word.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let end = valid.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(valid.len());
    let name = valid.get(..end).filter(|name| !name.is_empty())?;
    if !braced {
        return Some((name.to_owned(), end));
    }
    (body.get(end) == Some(&b'}')).then(|| (name.to_owned(), end + 2))
}

/// Go's `Regexp.Split`: at most `n` parts, none for 0, all for a negative number.
fn split(pattern: &Pattern, args: &[Value]) -> Value {
    let (text, places, limit) = (subject(args), Places::new(args), Args(args).int(2));
    if limit == 0 {
        return Value::List(List::nil(Elements::Str));
    }
    if !Args(args).bytes(0).is_empty() && text.is_empty() {
        return Value::strings([""]);
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in pattern.regex().find_iter(&text) {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(Str::from(places.slice(begin..end)));
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(Str::from(places.slice(begin..text.len())));
    }
    Value::strings(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern).unwrap().is_match(text)
    }

    #[test]
    fn perl_classes_are_ascii() {
        assert!(!is_match(r"^\d$", "٣"));
        assert!(is_match(r"^\D$", "٣"));
        assert!(!is_match(r"^\w$", "é"));
        assert!(is_match(r"^[^\s\d]$", "é"));
        assert!(is_match(r"^\pL$", "é"));
    }

    #[test]
    fn punctuation_that_is_plain_in_go() {
        assert!(is_match(r"^[a&&b]+$", "a&b"));
        assert!(is_match(r"^a{,2}$", "a{,2}"));
        assert!(is_match(r"^[[]$", "["));
        assert!(is_match(r"^[^-A-Za-z0-9_.]$", "/"));
        assert!(is_match(r"^\Qa.b\E$", "a.b"));
    }

    #[test]
    fn h20_a_pattern_cannot_grow_without_bound() {
        let error = |pattern: &str| Pattern::compile(pattern).err().map(|error| error.to_string());
        assert!(error("((a{100}){10}){10}").is_some());
        assert!(error(&r"\pL{1000}".repeat(1000)).is_some());
        assert!(error(&"(".repeat(100_000)).is_some());
    }
}
