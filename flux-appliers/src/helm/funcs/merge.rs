//! Merging dicts, as the Go package `mergo` does it.

use super::args::Outcome;
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Entries, Map, MapKind, Value};

/// Dicts nested deeper than this are refused: a dict can be made to hold itself.
const MAX_DEPTH: usize = 500;

/// Merges the second and later dicts into the first and gives it back.
pub(super) fn merge(rt: &mut Runtime<'_>, args: &[Value], overwrite: bool) -> Outcome {
    let [first, sources @ ..] = args else {
        return Err(CallError::nil_pointer());
    };
    let target = match first {
        Value::Map(map) if !map.is_nil() => map.clone(),
        _ => Map::new(MapKind::Any, Entries::new()),
    };
    for source in sources {
        if let Value::Map(source) = source {
            merge_into(rt, &target, source, overwrite, 0)?;
        }
    }
    Ok(Value::Map(target))
}

/// Keys of `source` go into `target` where `target` has none or an empty one, or, with `overwrite`, wherever the two
/// are not both dicts. Dicts merge. Lists are taken whole.
fn merge_into(
    rt: &mut Runtime<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: usize,
) -> Result<(), CallError> {
    if depth > MAX_DEPTH {
        return Err("dicts are nested too deeply to merge".into());
    }
    if target.is_same(source) {
        return Ok(());
    }
    if target.kind == MapKind::Strings && source.kind != MapKind::Strings && !source.is_empty() {
        return Err("reflect.Value.SetMapIndex: value of type interface {} is not assignable to type string".into());
    }
    for (key, value) in source.entries() {
        rt.budget.step()?;
        let old = target.get(key.as_bytes());
        let take = match (&old, &value) {
            (_, Value::Nil | Value::Invalid) => overwrite,
            (Some(Value::Map(old)), Value::Map(new)) => {
                merge_into(rt, old, new, overwrite, depth + 1)?;
                old.is_empty()
            }
            (Some(old), _) => overwrite || !old.is_true(),
            (None, _) => true,
        };
        if take {
            rt.tie(target, &value);
            target.insert(key, value);
        }
    }
    Ok(())
}
