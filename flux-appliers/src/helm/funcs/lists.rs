//! Lists.

use super::args::{Args, Outcome};
use super::cast::{is_empty, to_int, to_text};
use super::reflect::deep_equal;
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Elements, Function, List, Str, Type, Value};

const ANY: &[Type] = &[Type::Any];
const ANY2: &[Type] = &[Type::Any, Type::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[], Type::Any, list),
    Function::variadic("tuple", &[], Type::Any, list),
    Function::new("append", ANY2, append),
    Function::new("mustAppend", ANY2, append),
    Function::new("push", ANY2, append),
    Function::new("mustPush", ANY2, append),
    Function::new("prepend", ANY2, prepend),
    Function::new("mustPrepend", ANY2, prepend),
    Function::new("first", ANY, |_, a| {
        Ok(items(&Args(a).any(0), "find first on")?.first().cloned().unwrap_or_default())
    }),
    Function::new("mustFirst", ANY, |_, a| {
        Ok(items(&Args(a).any(0), "find first on")?.first().cloned().unwrap_or_default())
    }),
    Function::new("last", ANY, |_, a| Ok(items(&Args(a).any(0), "find last on")?.last().cloned().unwrap_or_default())),
    Function::new("mustLast", ANY, |_, a| {
        Ok(items(&Args(a).any(0), "find last on")?.last().cloned().unwrap_or_default())
    }),
    Function::new("rest", ANY, rest),
    Function::new("mustRest", ANY, rest),
    Function::new("initial", ANY, initial),
    Function::new("mustInitial", ANY, initial),
    Function::new("reverse", ANY, reverse),
    Function::new("mustReverse", ANY, reverse),
    Function::new("uniq", ANY, uniq).unfolding(),
    Function::new("mustUniq", ANY, uniq).unfolding(),
    Function::new("compact", ANY, compact),
    Function::new("mustCompact", ANY, compact),
    Function::variadic("without", ANY, Type::Any, without).unfolding(),
    Function::variadic("mustWithout", ANY, Type::Any, without).unfolding(),
    Function::new("has", ANY2, has).unfolding(),
    Function::new("mustHas", ANY2, has).unfolding(),
    Function::variadic("slice", ANY, Type::Any, slice),
    Function::variadic("mustSlice", ANY, Type::Any, slice),
    Function::variadic("concat", &[], Type::Any, concat),
    Function::new("chunk", &[Type::Int, Type::Any], chunk),
    Function::new("mustChunk", &[Type::Int, Type::Any], chunk),
    Function::new("sortAlpha", ANY, |_, args| {
        let value = Args(args).any(0);
        if value.is_nothing() {
            return Ok(Value::strings(["<nil>"]));
        }
        let mut texts = strings_of(&value);
        texts.sort();
        Ok(Value::strings(texts))
    })
    .unfolding(),
    Function::new("join", &[Type::Str, Type::Any], |rt, args| {
        let args = Args(args);
        let parts = strings_of(&args.any(1));
        let size: usize = parts.iter().map(Str::len).sum();
        rt.budget.admits(size.saturating_add(parts.len().saturating_mul(args.bytes(0).len())))?;
        Ok(Value::text(parts.iter().map(Str::as_bytes).collect::<Vec<_>>().join(args.bytes(0))))
    })
    .unfolding(),
    Function::new("toStrings", ANY, |_, args| Ok(Value::strings(strings_of(&Args(args).any(0))))).unfolding(),
];

/// The elements of anything list-like.
fn items(value: &Value, action: &str) -> Result<Vec<Value>, CallError> {
    match value.plain().as_ref() {
        Value::List(list) => Ok(list.items().to_vec()),
        Value::Bytes(bytes) => Ok(bytes.as_bytes().iter().map(|b| Value::Uint8(*b)).collect()),
        Value::Nil | Value::Invalid => Err(CallError::nil_pointer()),
        other => Err(format!("Cannot {action} type {}", other.kind()).into()),
    }
}

/// Sprig's `strslice`: anything as a list of strings, without nils.
pub(super) fn strings_of(value: &Value) -> Vec<Str> {
    match value.plain().as_ref() {
        Value::List(list) => list
            .items()
            .iter()
            .filter(|item| !item.is_nothing())
            .map(|item| match item {
                Value::Str(text) => text.clone(),
                other => Str::from(to_text(other)),
            })
            .collect(),
        Value::Bytes(bytes) => bytes.as_bytes().iter().map(|byte| Str::from(byte.to_string())).collect(),
        Value::Nil | Value::Invalid => Vec::new(),
        _ => vec![Str::from(to_text(value))],
    }
}

fn list(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    Ok(Value::list(args.to_vec()))
}

fn append(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut items = items(&Args(args).any(0), "push on")?;
    items.push(Args(args).any(1));
    Ok(Value::list(items))
}

fn prepend(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut items = items(&Args(args).any(0), "prepend on")?;
    items.insert(0, Args(args).any(1));
    Ok(Value::list(items))
}

fn nil_or(items: Vec<Value>, keep: impl FnOnce(Vec<Value>) -> Vec<Value>) -> Outcome {
    if items.is_empty() {
        return Ok(Value::List(List::nil(Elements::Any)));
    }
    Ok(Value::list(keep(items)))
}

fn rest(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    nil_or(items(&Args(args).any(0), "find rest on")?, |mut items| {
        items.remove(0);
        items
    })
}

fn initial(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    nil_or(items(&Args(args).any(0), "find initial on")?, |mut items| {
        items.pop();
        items
    })
}

fn reverse(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut items = items(&Args(args).any(0), "find reverse on")?;
    items.reverse();
    Ok(Value::list(items))
}

fn uniq(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(&Args(args).any(0), "find uniq on")? {
        let mut seen = false;
        for old in &kept {
            rt.budget.step()?;
            if deep_equal(&item, old) {
                seen = true;
                break;
            }
        }
        if !seen {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn compact(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut items = items(&Args(args).any(0), "compact on")?;
    items.retain(|item| !is_empty(item));
    Ok(Value::list(items))
}

fn without(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut items = items(&Args(args).any(0), "find without on")?;
    items.retain(|item| !args.iter().skip(1).any(|omitted| deep_equal(omitted, item)));
    Ok(Value::list(items))
}

fn has(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    if Args(args).any(1).is_nothing() {
        return Ok(Value::Bool(false));
    }
    let items = items(&Args(args).any(1), "find has on")?;
    Ok(Value::Bool(items.iter().any(|item| deep_equal(&Args(args).any(0), item))))
}

fn slice(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let list = match Args(args).any(0).plain().as_ref() {
        Value::List(list) => list.clone(),
        Value::Bytes(bytes) => {
            List::new(Elements::Bytes, bytes.as_bytes().iter().map(|byte| Value::Uint8(*byte)).collect())
        }
        Value::Nil | Value::Invalid => return Err(CallError::nil_pointer()),
        other => return Err(format!("list should be type of slice or array but {}", other.kind()).into()),
    };
    let length = list.items().len();
    if length == 0 {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int);
    let end = args.get(2).map_or(length as i64, to_int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match range.and_then(|(start, end)| list.items().get(start..end)) {
        Some(items) => Ok(Value::List(List::new(list.elements, items.to_vec()))),
        None => Err("reflect.Value.Slice: slice index out of bounds".into()),
    }
}

fn concat(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let mut all = Vec::new();
    for list in args {
        rt.budget.charge(size_of_val(all.as_slice()))?;
        match list.plain().as_ref() {
            Value::List(list) => all.extend_from_slice(list.items()),
            Value::Bytes(bytes) => all.extend(bytes.as_bytes().iter().map(|byte| Value::Uint8(*byte))),
            Value::Nil | Value::Invalid => return Err(CallError::nil_pointer()),
            other => return Err(format!("Cannot concat type {} as list", other.kind()).into()),
        }
    }
    nil_or(all, |all| all)
}

fn chunk(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let items = items(&Args(args).any(1), "chunk")?;
    let (length, size) = (items.len() as i64, Args(args).int(0));
    let fault = || CallError::from("runtime error: makeslice: len out of range");
    if size > 0 {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let chunks = items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect();
        return Ok(Value::List(List::new(Elements::Lists, chunks)));
    }
    // Sprig counts the chunks with floats and does not look at the sign.
    let count = ((length - 1) as f64 / size as f64).floor() + 1.0;
    let chunks = match (count, length % size.min(-1)) {
        _ if size == 0 => return Err(fault()),
        (count, _) if count < 1.0 => Vec::new(),
        (_, 0) => return Err(fault()),
        _ => vec![Value::list(items)],
    };
    Ok(Value::List(List::new(Elements::Lists, chunks)))
}
