//! Regular expressions with the syntax and meaning of Go's (RE2).

use regex::bytes::{Regex, RegexBuilder};

use super::args::{Args, Outcome};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Elements, Function, List, Str, Type, Value};

const STR: &[Type] = &[Type::Str];
const STR2: &[Type] = &[Type::Str, Type::Str];
const STR3: &[Type] = &[Type::Str, Type::Str, Type::Str];
const STR2_INT: &[Type] = &[Type::Str, Type::Str, Type::Int];

/// The largest program a pattern may compile to, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Go refuses repetitions beyond this.
const MAX_REPEAT: u32 = 1000;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", STR2, |_, args| {
        // Sprig ignores the error here, and a broken pattern matches nothing.
        Ok(Value::Bool(compile(args).is_ok_and(|regex| regex.is_match(Args(args).bytes(1)))))
    }),
    Function::new("mustRegexMatch", STR2, |_, args| Ok(Value::Bool(compile(args)?.is_match(Args(args).bytes(1))))),
    Function::new("regexFindAll", STR2_INT, |_, args| find_all(&must(args)?, args)),
    Function::new("mustRegexFindAll", STR2_INT, |_, args| find_all(&compile(args)?, args)),
    Function::new("regexFind", STR2, |_, args| Ok(find(&must(args)?, args))),
    Function::new("mustRegexFind", STR2, |_, args| Ok(find(&compile(args)?, args))),
    Function::new("regexReplaceAll", STR3, |rt, args| replace(rt, &must(args)?, args, false)),
    Function::new("mustRegexReplaceAll", STR3, |rt, args| replace(rt, &compile(args)?, args, false)),
    Function::new("regexReplaceAllLiteral", STR3, |rt, args| replace(rt, &must(args)?, args, true)),
    Function::new("mustRegexReplaceAllLiteral", STR3, |rt, args| replace(rt, &compile(args)?, args, true)),
    Function::new("regexSplit", STR2_INT, |_, args| Ok(split(&must(args)?, args))),
    Function::new("mustRegexSplit", STR2_INT, |_, args| Ok(split(&compile(args)?, args))),
    Function::new("regexQuoteMeta", STR, |_, args| {
        let mut out = String::new();
        for c in Args(args).text(0).chars() {
            if r"\.+*?()|[]{}^$".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        Ok(Value::text(out))
    }),
];

fn compile(args: &[Value]) -> Result<Regex, CallError> {
    let pattern = Args(args).text(0);
    let translated = translate(&pattern).map_err(|message| format!("error parsing regexp: {message}"))?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|_| CallError::from(format!("error parsing regexp: {}", fault(&pattern))))
}

/// What is wrong with a regular expression, in Go's words.
pub(crate) fn pattern_fault(pattern: &str) -> Option<String> {
    compile(&[Value::text(pattern)]).err().map(|error| error.to_string())
}

/// As [`compile`], but fails in the words of Go's `regexp.MustCompile`.
fn must(args: &[Value]) -> Result<Regex, CallError> {
    compile(args).map_err(|error| {
        let pattern = Args(args).text(0);
        let shown = if pattern.contains('`') {
            crate::helm::template::gofmt::quote(pattern.as_bytes())
        } else {
            format!("`{pattern}`")
        };
        format!("regexp: Compile({shown}): {error}").into()
    })
}

/// Go's name for a fault that the translation did not see.
fn fault(pattern: &str) -> String {
    let bytes = pattern.as_bytes();
    let (mut depth, mut i) = (0i32, 0);
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'\\' => i += 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth < 0 {
                    return format!("unexpected ): `{pattern}`");
                }
            }
            _ => {}
        }
        i += 1;
    }
    if depth > 0 {
        return format!("missing closing ): `{pattern}`");
    }
    if let Some(first) = bytes.first().filter(|b| b"*+?".contains(b)) {
        return format!("missing argument to repetition operator: `{}`", char::from(*first));
    }
    format!("invalid or unsupported Perl syntax: `{pattern}`")
}

/// Rewrites Go's syntax as that of the `regex` crate: Perl's classes are ASCII in Go, `\Q…\E` quotes, and much
/// punctuation that means something here is plain there.
fn translate(pattern: &str) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut i = 0;
    while let Some(c) = chars.get(i).copied() {
        match c {
            '\\' => i = escape(&chars, i, &mut out, false)?,
            '[' => i = class(&chars, i, &mut out)?,
            '{' => match repetition(&chars, i)? {
                Some(end) => {
                    out.extend(chars.get(i..end).unwrap_or_default());
                    i = end;
                }
                None => {
                    out.push_str("\\{");
                    i += 1;
                }
            },
            '}' | ']' | '#' | '&' | '~' | '-' => {
                // Plain in Go; escaping keeps them so.
                out.push('\\');
                out.push(c);
                i += 1;
            }
            '(' if chars.get(i + 1) == Some(&'?') => {
                let text: String = chars.iter().skip(i).take(4).collect();
                if text.starts_with("(?=")
                    || text.starts_with("(?!")
                    || text.starts_with("(?<=")
                    || text.starts_with("(?<!")
                {
                    let shown = if text.starts_with("(?<") { &text[..] } else { text.get(..3).unwrap_or(&text) };
                    return Err(format!("invalid or unsupported Perl syntax: `{shown}`"));
                }
                out.push_str("(?");
                i += 2;
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    Ok(out)
}

/// The end of a repetition like `{2,5}` at `start`, if it is one.
fn repetition(chars: &[char], start: usize) -> Result<Option<usize>, String> {
    let Some(length) = chars.iter().skip(start).position(|c| *c == '}') else {
        return Ok(None);
    };
    let body: String = chars.get(start + 1..start + length).unwrap_or_default().iter().collect();
    let (low, high) = body.split_once(',').unwrap_or((&body, &body));
    let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !is_number(low) || !(high.is_empty() || is_number(high)) {
        return Ok(None);
    }
    let value = |s: &str| s.parse::<u32>().unwrap_or(u32::MAX);
    if value(low) > MAX_REPEAT || (!high.is_empty() && (value(high) > MAX_REPEAT || value(high) < value(low))) {
        return Err(format!("invalid repeat count: `{{{body}}}`"));
    }
    Ok(Some(start + length + 1))
}

/// Copies the escape at `start` and gives the index after it.
fn escape(chars: &[char], start: usize, out: &mut String, in_class: bool) -> Result<usize, String> {
    let Some(c) = chars.get(start + 1).copied() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let class = |inner: &str, negated: bool| match (in_class, negated) {
        (true, false) => inner.to_owned(),
        (_, true) => format!("[^{inner}]"),
        (false, false) => format!("[{inner}]"),
    };
    match c {
        'd' | 'D' => out.push_str(&class("0-9", c == 'D')),
        'w' | 'W' => out.push_str(&class("0-9A-Za-z_", c == 'W')),
        's' | 'S' => out.push_str(&class(r"\t\n\f\r ", c == 'S')),
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        'B' if !in_class => out.push_str("(?-u:\\B)"),
        'Q' if !in_class => {
            let mut i = start + 2;
            while let Some(c) = chars.get(i).copied() {
                if c == '\\' && chars.get(i + 1) == Some(&'E') {
                    return Ok(i + 2);
                }
                out.push_str(&regex::escape(&c.to_string()));
                i += 1;
            }
            return Ok(i);
        }
        'A' | 'z' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
            out.push('\\');
            out.push(c);
        }
        'p' | 'P' | 'x' => {
            out.push('\\');
            out.push(c);
            if chars.get(start + 2) == Some(&'{') {
                let end = chars.iter().skip(start).position(|c| *c == '}').map(|length| start + length + 1);
                let Some(end) = end else {
                    return Err(format!("invalid escape sequence: `\\{c}`"));
                };
                out.extend(chars.get(start + 2..end).unwrap_or_default());
                return Ok(end);
            }
            let length = if c == 'x' { 2 } else { 1 };
            out.extend(chars.get(start + 2..start + 2 + length).unwrap_or_default());
            return Ok(start + 2 + length);
        }
        '0'..='7' => {
            let digits: String =
                chars.iter().skip(start + 1).take(3).take_while(|c| ('0'..='7').contains(*c)).collect();
            if c != '0' && digits.len() < 2 {
                return Err(format!("invalid escape sequence: `\\{c}`"));
            }
            let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
            out.push_str(&format!("\\x{{{code:x}}}"));
            return Ok(start + 1 + digits.len());
        }
        c if c.is_ascii_punctuation() => {
            out.push('\\');
            out.push(c);
        }
        c => return Err(format!("invalid escape sequence: `\\{c}`")),
    }
    Ok(start + 2)
}

/// Copies the class at `start` and gives the index after it.
fn class(chars: &[char], start: usize, out: &mut String) -> Result<usize, String> {
    out.push('[');
    let mut i = start + 1;
    if chars.get(i) == Some(&'^') {
        out.push('^');
        i += 1;
    }
    let first = i;
    while let Some(c) = chars.get(i).copied() {
        match c {
            ']' if i > first => {
                out.push(']');
                return Ok(i + 1);
            }
            '[' if chars.get(i + 1) == Some(&':') => {
                let end = chars.iter().skip(i + 2).position(|c| *c == ']').map(|length| i + 3 + length);
                match end {
                    Some(end) => {
                        out.extend(chars.get(i..end).unwrap_or_default());
                        i = end;
                    }
                    None => break,
                }
            }
            '\\' => i = escape(chars, i, out, true)?,
            '-' => {
                // A range only between two members.
                let is_range = i > first && chars.get(i + 1).is_some_and(|next| *next != ']');
                out.push_str(if is_range { "-" } else { "\\-" });
                i += 1;
            }
            c => {
                if "[]&~^#".contains(c) {
                    out.push('\\');
                }
                out.push(c);
                i += 1;
            }
        }
    }
    let rest: String = chars.get(start..).unwrap_or_default().iter().collect();
    Err(format!("missing closing ]: `{rest}`"))
}

fn find(regex: &Regex, args: &[Value]) -> Value {
    Value::text(regex.find(Args(args).bytes(1)).map_or(&[][..], |found| found.as_bytes()))
}

fn find_all(regex: &Regex, args: &[Value]) -> Outcome {
    let limit = usize::try_from(Args(args).int(2)).unwrap_or(usize::MAX);
    let found: Vec<_> =
        regex.find_iter(Args(args).bytes(1)).take(limit).map(|found| Str::from(found.as_bytes())).collect();
    if found.is_empty() {
        return Ok(Value::List(List::nil(Elements::Str)));
    }
    Ok(Value::strings(found))
}

fn replace(rt: &mut Runtime<'_>, regex: &Regex, args: &[Value], literal: bool) -> Outcome {
    let args = Args(args);
    let (text, replacement) = (args.bytes(1), args.bytes(2));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        out.extend_from_slice(text.get(at..whole.start()).unwrap_or_default());
        let before = out.len();
        if literal {
            out.extend_from_slice(replacement);
        } else {
            found.expand(replacement, &mut out);
        }
        rt.budget.charge(out.len() - before)?;
        at = whole.end();
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(Value::text(out))
}

/// Go's `Regexp.Split`: at most `n` parts, none for 0, all for a negative number.
fn split(regex: &Regex, args: &[Value]) -> Value {
    let args = Args(args);
    let (text, limit) = (args.bytes(1), args.int(2));
    if limit == 0 {
        return Value::List(List::nil(Elements::Str));
    }
    if !args.bytes(0).is_empty() && text.is_empty() {
        return Value::strings([""]);
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_iter(text) {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(Str::from(text.get(begin..end).unwrap_or_default()));
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(Str::from(text.get(begin..).unwrap_or_default()));
    }
    Value::strings(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        let args = [Value::text(pattern), Value::text(text)];
        compile(&args).unwrap().is_match(text.as_bytes())
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
    fn faults_in_go_s_words() {
        let error = |pattern: &str| compile(&[Value::text(pattern)]).unwrap_err().to_string();
        assert_eq!(error("("), "error parsing regexp: missing closing ): `(`");
        assert_eq!(error("[a"), "error parsing regexp: missing closing ]: `[a`");
        assert_eq!(error("*"), "error parsing regexp: missing argument to repetition operator: `*`");
        assert_eq!(error("a{1001}"), "error parsing regexp: invalid repeat count: `{1001}`");
        assert_eq!(error("a(?=b)"), "error parsing regexp: invalid or unsupported Perl syntax: `(?=`");
    }
}
