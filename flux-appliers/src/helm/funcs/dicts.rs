//! Dicts.

use super::args::{Args, Outcome};
use super::cast::to_text;
use super::merge::merge;
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::measure::measure;
use crate::helm::template::{Elements, Entries, Function, List, Map, Str, Type, Value};

const MAP: &[Type] = &[Type::Map];
const MAP_STR: &[Type] = &[Type::Map, Type::Str];

/// Copies deeper than this are refused: a dict can be made to hold itself.
const MAX_DEPTH: usize = 500;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[], Type::Any, dict),
    Function::new("get", MAP_STR, |_, args| {
        let args = Args(args);
        Ok(args.map(0).and_then(|map| map.get(args.bytes(1))).unwrap_or_else(|| Value::text("")))
    }),
    Function::new("set", &[Type::Map, Type::Str, Type::Any], set),
    Function::new("unset", MAP_STR, |_, args| {
        let args = Args(args);
        if let Some(map) = args.map(0) {
            map.remove(args.bytes(1));
        }
        Ok(args.any(0))
    }),
    Function::new("hasKey", MAP_STR, |_, args| {
        let args = Args(args);
        Ok(Value::Bool(args.map(0).is_some_and(|map| map.contains(args.bytes(1)))))
    }),
    Function::variadic("pluck", &[Type::Str], Type::Map, |_, args| {
        let args = Args(args);
        let maps = args.rest(1).iter().filter_map(as_map);
        Ok(Value::list(maps.filter_map(|map| map.get(args.bytes(0))).collect()))
    }),
    Function::variadic("keys", &[], Type::Map, |_, args| {
        let keys = args.iter().filter_map(as_map).flat_map(Map::entries).map(|(key, _)| Value::Str(key));
        Ok(Value::List(List::new(Elements::Str, keys.collect())))
    }),
    Function::new("values", MAP, |_, args| {
        let entries = Args(args).map(0).map(Map::entries).unwrap_or_default();
        Ok(Value::list(entries.into_iter().map(|(_, value)| value).collect()))
    }),
    Function::variadic("pick", MAP, Type::Str, |_, args| {
        let args = Args(args);
        let wanted = args.rest(1).iter().filter_map(as_text);
        let found = wanted.filter_map(|key| args.map(0)?.get(key.as_bytes()).map(|value| (key.clone(), value)));
        Ok(Value::map(found.collect()))
    }),
    Function::variadic("omit", MAP, Type::Str, |_, args| {
        let args = Args(args);
        let mut entries: Entries = args.map(0).map(Map::entries).unwrap_or_default().into_iter().collect();
        for key in args.rest(1).iter().filter_map(as_text) {
            entries.remove(key.as_bytes());
        }
        Ok(Value::map(entries))
    }),
    Function::variadic("merge", MAP, Type::Map, |rt, args| merge(rt, args, false)),
    Function::variadic("mustMerge", MAP, Type::Map, |rt, args| merge(rt, args, false)),
    Function::variadic("mergeOverwrite", MAP, Type::Map, |rt, args| merge(rt, args, true)),
    Function::variadic("mustMergeOverwrite", MAP, Type::Map, |rt, args| merge(rt, args, true)),
    Function::new("deepCopy", &[Type::Any], |rt, args| deep_copy(rt, &Args(args).any(0), 0)).unfolding(),
    Function::new("mustDeepCopy", &[Type::Any], |rt, args| deep_copy(rt, &Args(args).any(0), 0)).unfolding(),
    Function::variadic("dig", &[], Type::Any, |_, args| dig(args)),
];

fn as_map(value: &Value) -> Option<&Map> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

fn as_text(value: &Value) -> Option<&Str> {
    match value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn dict(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    for key in args.iter().step_by(2) {
        measure(&mut rt.budget, key)?;
    }
    let pairs = args.chunks(2).map(|pair| match pair {
        [Value::Str(key), value] => (key.clone(), value.clone()),
        [key, value] => (Str::from(to_text(key)), value.clone()),
        [key] => (Str::from(to_text(key)), Value::text("")),
        _ => (Str::default(), Value::Nil),
    });
    Ok(Value::map(pairs.collect()))
}

fn set(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let [map, Value::Str(key), value] = args else {
        return Err(CallError::nil_pointer());
    };
    let Some(target) = as_map(map).filter(|target| !target.is_nil()) else {
        return Err("assignment to entry in nil map".into());
    };
    rt.tie(target, value);
    target.insert(key.clone(), value.clone());
    Ok(map.clone())
}

fn deep_copy(rt: &mut Runtime<'_>, value: &Value, depth: usize) -> Outcome {
    if depth > MAX_DEPTH {
        return Err("value is nested too deeply to copy".into());
    }
    rt.budget.step()?;
    Ok(match value {
        Value::Nil | Value::Invalid => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        // Unexported fields do not come along.
        Value::Native(native) => native.copied().unwrap_or_else(|| value.clone()),
        Value::List(list) if list.is_nil() => value.clone(),
        Value::List(list) => {
            let items: Result<Vec<_>, _> = list.items().iter().map(|item| copy_element(rt, item, depth + 1)).collect();
            Value::List(List::new(list.elements, items?))
        }
        Value::Map(map) => {
            let mut entries = Entries::new();
            for (key, item) in map.entries() {
                let item = copy_element(rt, &item, depth + 1)?;
                entries.insert(key, item);
            }
            Value::Map(Map::new(map.kind, entries))
        }
        other => other.clone(),
    })
}

fn copy_element(rt: &mut Runtime<'_>, value: &Value, depth: usize) -> Outcome {
    if value.is_nothing() { Ok(Value::Nil) } else { deep_copy(rt, value, depth) }
}

fn dig(args: &[Value]) -> Outcome {
    let [path @ .., default, dict] = args else {
        return Err("dig needs at least three arguments".into());
    };
    if path.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let conversion = |value: &Value, wanted: &str| -> CallError {
        if value.is_nothing() {
            return format!("interface conversion: interface {{}} is nil, not {wanted}").into();
        }
        format!("interface conversion: interface {{}} is {}, not {wanted}", value.type_name()).into()
    };
    let mut current = dict.clone();
    let mut keys = Vec::with_capacity(path.len());
    for key in path {
        keys.push(as_text(key).ok_or_else(|| conversion(key, "string"))?);
    }
    for key in keys {
        // A type assertion, unlike an argument, does not take a named map type for its plain one.
        let map = as_map(&current).filter(|map| map.kind == crate::helm::template::MapKind::Any);
        let map = map.ok_or_else(|| conversion(&current, "map[string]interface {}"))?;
        match map.get(key.as_bytes()) {
            Some(value) => current = value,
            None => return Ok(default.clone()),
        }
    }
    Ok(current)
}
