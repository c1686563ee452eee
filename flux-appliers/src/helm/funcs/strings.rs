//! Strings.

use super::args::{Args, Outcome};
use super::cast::to_text;
use super::{case, words};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::gofmt::{quote, write_value};
use crate::helm::template::{Entries, Function, Map, MapKind, Str, Type, Value};

const STR: &[Type] = &[Type::Str];
const STR2: &[Type] = &[Type::Str, Type::Str];
const STR3: &[Type] = &[Type::Str, Type::Str, Type::Str];
/// What one part of a split text takes besides its bytes.
const PART: usize = 64;

const INT_STR: &[Type] = &[Type::Int, Type::Str];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("trim", STR, |_, args| Ok(Value::text(trim(Args(args).bytes(0))))),
    Function::new("upper", STR, |_, args| on_text(args, 0, |s| s.chars().map(case::upper).collect())),
    Function::new("lower", STR, |_, args| on_text(args, 0, |s| s.chars().map(case::lower).collect())),
    Function::new("title", STR, |_, args| on_text(args, 0, words::title)),
    Function::new("untitle", STR, |_, args| on_text(args, 0, words::untitle)),
    Function::new("swapcase", STR, |_, args| on_text(args, 0, words::swap_case)),
    Function::new("snakecase", STR, |_, args| on_text(args, 0, |s| words::delimited(s, '_'))),
    Function::new("kebabcase", STR, |_, args| on_text(args, 0, |s| words::delimited(s, '-'))),
    Function::new("camelcase", STR, |_, args| on_text(args, 0, words::pascal_case)),
    Function::new("initials", STR, |_, args| on_text(args, 0, words::initials)),
    Function::new("nospace", STR, |_, args| Ok(Value::text(words::without_space(Args(args).bytes(0))))),
    Function::new("substr", &[Type::Int, Type::Int, Type::Str], substr),
    Function::new("trunc", INT_STR, trunc),
    Function::new("abbrev", INT_STR, |_, args| {
        let args = Args(args);
        Ok(Value::text(words::abbreviate(args.bytes(1), 0, args.int(0))))
    }),
    Function::new("abbrevboth", &[Type::Int, Type::Int, Type::Str], |_, args| {
        let args = Args(args);
        Ok(Value::text(words::abbreviate(args.bytes(2), args.int(0), args.int(1))))
    }),
    Function::new("repeat", INT_STR, repeat),
    Function::new("trimAll", STR2, trim_all),
    Function::new("trimall", STR2, trim_all),
    Function::new("trimSuffix", STR2, |_, args| {
        let (cut, text) = two(args);
        Ok(Value::text(text.strip_suffix(cut).unwrap_or(text)))
    }),
    Function::new("trimPrefix", STR2, |_, args| {
        let (cut, text) = two(args);
        Ok(Value::text(text.strip_prefix(cut).unwrap_or(text)))
    }),
    Function::new("contains", STR2, |_, args| {
        let (part, text) = two(args);
        Ok(Value::Bool(find(text, part).is_some()))
    }),
    Function::new("hasPrefix", STR2, |_, args| Ok(Value::Bool(two(args).1.starts_with(two(args).0)))),
    Function::new("hasSuffix", STR2, |_, args| Ok(Value::Bool(two(args).1.ends_with(two(args).0)))),
    Function::variadic("quote", &[], Type::Any, |_, args| {
        let quoted = args.iter().filter(|value| !value.is_nothing()).map(|value| match value {
            Value::Str(text) => quote(text.as_bytes()),
            other => quote(&to_text(other)),
        });
        Ok(Value::text(quoted.collect::<Vec<_>>().join(" ")))
    })
    .unfolding(),
    Function::variadic("squote", &[], Type::Any, |_, args| {
        let mut out = Vec::new();
        for value in args.iter().filter(|value| !value.is_nothing()) {
            if !out.is_empty() {
                out.push(b' ');
            }
            out.push(b'\'');
            write_value(&mut out, value);
            out.push(b'\'');
        }
        Ok(Value::text(out))
    })
    .unfolding(),
    Function::variadic("cat", &[], Type::Any, |_, args| {
        let mut out = Vec::new();
        for (i, value) in args.iter().filter(|value| !value.is_nothing()).enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            write_value(&mut out, value);
        }
        Ok(Value::text(out))
    })
    .unfolding(),
    Function::new("indent", INT_STR, |rt, args| indented(rt, args, b"")),
    Function::new("nindent", INT_STR, |rt, args| indented(rt, args, b"\n")),
    Function::new("replace", STR3, replace),
    Function::new("plural", &[Type::Str, Type::Str, Type::Int], |_, args| {
        let args = Args(args);
        Ok(args.any(usize::from(args.int(2) != 1)))
    }),
    Function::new("split", STR2, |rt, args| {
        let (separator, text) = two(args);
        charge_parts(rt, text, separator)?;
        Ok(numbered(split(text, separator, -1)))
    }),
    Function::new("splitn", &[Type::Str, Type::Int, Type::Str], |rt, args| {
        let args = Args(args);
        charge_parts(rt, args.bytes(2), args.bytes(0))?;
        Ok(numbered(split(args.bytes(2), args.bytes(0), args.int(1))))
    }),
    Function::new("splitList", STR2, |rt, args| {
        let (separator, text) = two(args);
        charge_parts(rt, text, separator)?;
        Ok(Value::strings(split(text, separator, -1)))
    }),
    Function::new("wrap", INT_STR, |_, args| {
        let args = Args(args);
        Ok(Value::text(words::wrap(&args.text(1), args.int(0), "\n", false)))
    }),
    Function::new("wrapWith", &[Type::Int, Type::Str, Type::Str], |rt, args| {
        let args = Args(args);
        // Each character may be followed by the separator.
        rt.budget.charge(args.bytes(1).len().saturating_mul(args.bytes(2).len()))?;
        Ok(Value::text(words::wrap(&args.text(2), args.int(0), &args.text(1), true)))
    }),
];

fn on_text(args: &[Value], index: usize, change: impl Fn(&str) -> String) -> Outcome {
    Ok(Value::text(change(&Args(args).text(index))))
}

fn two(args: &[Value]) -> (&[u8], &[u8]) {
    (Args(args).bytes(0), Args(args).bytes(1))
}

/// The first place of `part` in `text`.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

/// Allows for the parts that a text will be split into.
fn charge_parts(rt: &mut Runtime<'_>, text: &[u8], separator: &[u8]) -> Result<(), CallError> {
    let count = if separator.is_empty() { text.len() } else { memchr::memmem::find_iter(text, separator).count() };
    Ok(rt.budget.charge(count.saturating_mul(PART))?)
}

/// Go's `strings.SplitN`; an empty separator splits into characters, a negative limit is none.
pub(super) fn split(text: &[u8], separator: &[u8], limit: i64) -> Vec<Str> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() + 1 < limit {
        let (at, skip) = if separator.is_empty() {
            let width =
                rest.utf8_chunks().next().map_or(0, |chunk| chunk.valid().chars().next().map_or(1, char::len_utf8));
            if rest.len() <= width {
                break;
            }
            (width, 0)
        } else {
            match find(rest, separator) {
                Some(at) => (at, separator.len()),
                None => break,
            }
        };
        parts.push(Str::from(rest.get(..at).unwrap_or_default()));
        rest = rest.get(at + skip..).unwrap_or_default();
    }
    if !(separator.is_empty() && rest.is_empty()) {
        parts.push(Str::from(rest));
    }
    parts
}

/// Sprig's `split` gives a map with the keys `_0`, `_1` and so on.
fn numbered(parts: Vec<Str>) -> Value {
    let entries: Entries =
        parts.into_iter().enumerate().map(|(i, part)| (Str::from(format!("_{i}")), Value::Str(part))).collect();
    Value::Map(Map::new(MapKind::Strings, entries))
}

fn substr(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    let (start, end, text) = (args.int(0), args.int(1), args.bytes(2));
    let length = text.len() as i64;
    let (from, to) = match (start, end) {
        (start, end) if start < 0 => (0, end),
        (start, end) if end < 0 || end > length => (start, length),
        both => both,
    };
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match range.and_then(|(from, to)| text.get(from..to)) {
        Some(part) => Ok(Value::text(part)),
        None => {
            let shown = match (start < 0, to > length) {
                (true, true) => format!("[:{to}] with length {length}"),
                (true, false) => format!("[:{to}]"),
                _ => format!("[{from}:{to}]"),
            };
            Err(format!("runtime error: slice bounds out of range {shown}").into())
        }
    }
}

fn trunc(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let Args([_, Value::Str(whole)]) = Args(args) else {
        return Err(CallError::nil_pointer());
    };
    let (count, text) = (Args(args).int(0), whole.as_bytes());
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        return Ok(Value::Str(whole.clone()));
    }
    let part = if count < 0 { text.get(text.len() - size..) } else { text.get(..size) };
    Ok(Value::text(part.unwrap_or(text)))
}

fn repeat(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    let count = args.int(0);
    let Ok(count) = usize::try_from(count) else {
        return Err("strings: negative Repeat count".into());
    };
    rt.budget.charge(count.saturating_mul(args.bytes(1).len()))?;
    Ok(Value::text(args.bytes(1).repeat(count)))
}

/// Space at both ends, where the text is UTF-8.
fn trim(text: &[u8]) -> &[u8] {
    let start = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let rest = text.get(start.len() - start.trim_start().len()..).unwrap_or_default();
    let end = match rest.utf8_chunks().last() {
        Some(chunk) if chunk.invalid().is_empty() => chunk.valid(),
        _ => "",
    };
    rest.get(..rest.len() - (end.len() - end.trim_end().len())).unwrap_or_default()
}

fn trim_all(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let cut = Args(args).text(0);
    on_text(args, 1, |s| s.trim_matches(|c| cut.contains(c)).to_owned())
}

fn indented(rt: &mut Runtime<'_>, args: &[Value], before: &[u8]) -> Outcome {
    let args = Args(args);
    let Ok(spaces) = usize::try_from(args.int(0)) else {
        return Err("strings: negative Repeat count".into());
    };
    let text = args.bytes(1);
    let lines = text.iter().filter(|b| **b == b'\n').count() + 1;
    let size = lines.saturating_mul(spaces).saturating_add(text.len() + before.len());
    rt.budget.charge(size)?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(before);
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    Ok(Value::text(out))
}

fn replace(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    let (old, new, text) = (args.bytes(0), args.bytes(1), args.bytes(2));
    if old.is_empty() {
        // Go puts the new text around every character.
        let parts = split(text, old, -1);
        let size = (parts.len() + 1).saturating_mul(new.len()).saturating_add(text.len());
        rt.budget.admits(size)?;
        let mut out = new.to_vec();
        for part in parts {
            out.extend_from_slice(part.as_bytes());
            out.extend_from_slice(new);
        }
        return Ok(Value::text(out));
    }
    let places: Vec<usize> = memchr::memmem::find_iter(text, old).collect();
    let size = text.len().saturating_add(places.len().saturating_mul(new.len()));
    rt.budget.admits(size)?;
    let mut out = Vec::with_capacity(size.saturating_sub(places.len() * old.len()));
    let mut at = 0;
    for place in places {
        out.extend_from_slice(text.get(at..place).unwrap_or_default());
        out.extend_from_slice(new);
        at = place + old.len();
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(Value::text(out))
}
