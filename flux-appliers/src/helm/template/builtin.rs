//! The functions that Go's template language has of itself.

use std::cmp::Ordering;

use super::error::CallError;
use super::exec::Runtime;
use super::function::{Function, Functions, Type};
use super::gofmt::{TooLong, is_printable, shown, sprint, sprintf, sprintln};
use super::text::Str;
use super::value::{List, Value};

/// The builtins.
pub(crate) struct Builtins;

impl Functions for Builtins {
    fn find(&self, name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }
}

const ANY: &[Type] = &[Type::Any];
const ANY2: &[Type] = &[Type::Any, Type::Any];

static FUNCTIONS: &[Function] = &[
    // The executor runs these two itself, as they need not evaluate all their arguments.
    Function::variadic("and", ANY, Type::Any, |_, args| Ok(args.last().cloned().unwrap_or_default())),
    Function::variadic("or", ANY, Type::Any, |_, args| Ok(args.last().cloned().unwrap_or_default())),
    Function::variadic("call", ANY, Type::Any, |_, args| Err(call(args))),
    Function::variadic("html", &[], Type::Any, |_, args| Ok(Value::text(html(&plain_text(args))))).unfolding(),
    Function::variadic("index", ANY, Type::Any, |_, args| index(args)),
    Function::variadic("js", &[], Type::Any, |_, args| Ok(Value::text(js(&plain_text(args))))).unfolding(),
    Function::new("len", ANY, |_, args| len(args)),
    Function::new("not", ANY, |_, args| Ok(Value::Bool(!args.first().is_some_and(Value::is_true)))),
    Function::variadic("print", &[], Type::Any, |_, args| Ok(Value::text(sprint(args)))).unfolding(),
    Function::variadic("printf", &[Type::Str], Type::Any, printf).unfolding(),
    Function::variadic("println", &[], Type::Any, |_, args| Ok(Value::text(sprintln(args)))).unfolding(),
    Function::variadic("slice", ANY, Type::Any, |_, args| slice(args)),
    Function::variadic("urlquery", &[], Type::Any, |_, args| Ok(Value::text(url_query(&plain_text(args))))).unfolding(),
    Function::variadic("eq", ANY, Type::Any, |_, args| eq(args).map(Value::Bool)).unfolding(),
    Function::new("ne", ANY2, |_, args| eq(args).map(|equal| Value::Bool(!equal))).unfolding(),
    Function::new("lt", ANY2, |_, args| Ok(Value::Bool(order(args)? == Some(Ordering::Less)))),
    Function::new("le", ANY2, |_, args| {
        Ok(Value::Bool(matches!(order(args)?, Some(Ordering::Less | Ordering::Equal))))
    }),
    // Go takes these as the negations of `le` and `lt`, which shows with NaN.
    Function::new("gt", ANY2, |_, args| {
        Ok(Value::Bool(!matches!(order(args)?, Some(Ordering::Less | Ordering::Equal))))
    }),
    Function::new("ge", ANY2, |_, args| Ok(Value::Bool(order(args)? != Some(Ordering::Less)))),
];

fn printf(rt: &mut Runtime<'_>, args: &[Value]) -> Result<Value, CallError> {
    let [Value::Str(format), args @ ..] = args else {
        return Err(CallError::nil_pointer());
    };
    let limit = rt.budget.bytes_left();
    match sprintf(format.as_bytes(), args, limit) {
        Ok(text) => Ok(Value::text(text)),
        Err(TooLong) => {
            rt.budget.charge(limit.saturating_add(1))?;
            Ok(Value::Nil)
        }
    }
}

/// The text of arguments as if printed by an action.
fn plain_text(args: &[Value]) -> Vec<u8> {
    let args: Vec<_> =
        args.iter().map(|v| if v.is_nothing() { Value::text("<no value>") } else { v.clone() }).collect();
    sprint(&args)
}

fn call(args: &[Value]) -> CallError {
    match args {
        [_, function, ..] if function.is_nothing() => "call of nil".into(),
        [Value::Str(name), function, ..] => {
            format!("non-function {} of type {}", name.to_str(), function.type_name()).into()
        }
        _ => "call of nil".into(),
    }
}

fn len(args: &[Value]) -> Result<Value, CallError> {
    let value = args.first().unwrap_or(&Value::Nil);
    let length = match value.plain().as_ref() {
        Value::Invalid | Value::Nil => return Err("len of nil pointer".into()),
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        _ => return Err(format!("len of type {}", value.type_name().trim_start_matches('*')).into()),
    };
    Ok(Value::Int(length as i64))
}

/// An index argument as a number within `limit`.
fn position(index: &Value, limit: usize) -> Result<usize, CallError> {
    if index.is_nothing() {
        return Err("cannot index slice/array with nil".into());
    }
    let Some(number) = index.as_integer() else {
        return Err(format!("cannot index slice/array with type {}", index.type_name()).into());
    };
    usize::try_from(number).ok().filter(|n| *n <= limit).ok_or_else(|| format!("index out of range: {number}").into())
}

fn index(args: &[Value]) -> Result<Value, CallError> {
    let [item, indices @ ..] = args else {
        return Err("index of untyped nil".into());
    };
    if item.is_nothing() {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indices {
        // Go's own check lets the length itself pass.
        let within = |length: usize, kind: &str| match position(index, length)? {
            n if n < length => Ok(n),
            _ => Err(CallError::from(format!("reflect: {kind} index out of range"))),
        };
        let next = match item.plain().as_ref() {
            Value::Invalid | Value::Nil => return Err("index of nil pointer".into()),
            Value::Str(text) | Value::Bytes(text) => Value::Uint8(
                text.as_bytes()
                    .get(within(text.len(), if matches!(item, Value::Str(_)) { "string" } else { "slice" })?)
                    .copied()
                    .unwrap_or_default(),
            ),
            Value::List(list) => list.items().get(within(list.items().len(), "slice")?).cloned().unwrap_or_default(),
            Value::Map(map) => match index {
                Value::Str(key) => map.get(key.as_bytes()).unwrap_or_else(|| match map.kind {
                    super::value::MapKind::Strings => Value::text(""),
                    _ => Value::Nil,
                }),
                index if index.is_nothing() => return Err("value is nil; should be of type string".into()),
                index => {
                    return Err(format!("value has type {}; should be string", index.type_name()).into());
                }
            },
            _ => {
                let name = item.type_name().trim_start_matches('*');
                return Err(format!("can't index item of type {name}").into());
            }
        };
        item = next;
    }
    Ok(item)
}

fn slice(args: &[Value]) -> Result<Value, CallError> {
    let [item, indices @ ..] = args else {
        return Err("slice of untyped nil".into());
    };
    if indices.len() > 3 {
        return Err(format!("too many slice indexes: {}", indices.len()).into());
    }
    let length = match item {
        Value::Str(_) if indices.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.items().len(),
        item if item.is_nothing() => return Err("slice of untyped nil".into()),
        other => return Err(format!("can't slice item of type {}", other.type_name()).into()),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indices) {
        *bound = position(index, length)?;
    }
    let [start, end, _] = bounds;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}").into());
    }
    Ok(match item {
        Value::Str(text) => Value::Str(Str::from(text.as_bytes().get(start..end).unwrap_or_default())),
        Value::Bytes(text) => Value::Bytes(Str::from(text.as_bytes().get(start..end).unwrap_or_default())),
        Value::List(list) => {
            Value::List(List::new(list.elements, list.items().get(start..end).unwrap_or_default().to_vec()))
        }
        _ => Value::Nil,
    })
}

/// The kinds that compare.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    Bool,
    Integer,
    Float,
    Text,
}

fn basic(value: &Value) -> Option<Basic> {
    Some(match value {
        Value::Bool(_) => Basic::Bool,
        Value::Float(_) => Basic::Float,
        Value::Str(_) => Basic::Text,
        value if value.as_integer().is_some() => Basic::Integer,
        _ => return None,
    })
}

fn incompatible(a: &Value, b: &Value) -> CallError {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()).into()
}

fn eq(args: &[Value]) -> Result<bool, CallError> {
    let [first, others @ ..] = args else {
        return Err("missing argument for comparison".into());
    };
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        let equal = match (basic(first), basic(other)) {
            (Some(a), Some(b)) if a == b => compare_equal(first, other),
            (None, None) if let Some(equal) = natives_equal(first, other) => equal,
            (None, None) => match (first.is_nothing(), other.is_nothing()) {
                (false, false) if first.kind() == other.kind() => {
                    let text = shown('s', other);
                    return Err(format!("non-comparable type {text}: {}", other.type_name()).into());
                }
                (false, false) => {
                    let (text, more) = (shown('s', first), shown('v', other));
                    let (a, b) = (first.type_name(), other.type_name());
                    return Err(format!("non-comparable types {text}: {a}, {b}: {more}").into());
                }
                (a, b) => a == b,
            },
            _ if first.is_nothing() || other.is_nothing() => false,
            _ => return Err(incompatible(first, other)),
        };
        if equal {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Equality of two values of one type that has it: pointers to one thing, and some structs.
fn natives_equal(a: &Value, b: &Value) -> Option<bool> {
    let (Value::Native(a), Value::Native(b)) = (a, b) else { return None };
    if a.type_name() != b.type_name() {
        return None;
    }
    if a.kind() == "ptr" {
        return Some(std::rc::Rc::ptr_eq(a, b));
    }
    a.equals(b.as_ref())
}

/// Equality of two values of one basic kind.
fn compare_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        _ => a.as_integer().is_some() && a.as_integer() == b.as_integer(),
    }
}

fn order(args: &[Value]) -> Result<Option<Ordering>, CallError> {
    let [a, b] = args else {
        return Err("missing argument for comparison".into());
    };
    match (basic(a), basic(b)) {
        (None, _) | (_, None) => Err("invalid type for comparison".into()),
        (Some(x), Some(y)) if x != y => Err(incompatible(a, b)),
        (Some(Basic::Bool), _) => Err("invalid type for comparison".into()),
        _ => Ok(match (a, b) {
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
            _ => a.as_integer().partial_cmp(&b.as_integer()),
        }),
    }
}

fn html(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            byte => out.push(*byte),
        }
    }
    out
}

fn js(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            c if c < ' ' || (!c.is_ascii() && !is_printable(c)) => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

fn url_query(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(*byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
