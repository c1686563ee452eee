//! Coalescing: what the user gives over what the chart gives, for a chart and its dependencies.
//!
//! Works on shared maps, because Helm's does, and some of its results come from that.

use crate::helm::render::Instance;
use crate::helm::template::gofmt::{quote, shown};
use crate::helm::template::{Entries, Map, MapKind, Str, Value};
use crate::helm::warning::{Level, Warning};

const GLOBAL: &[u8] = b"global";

/// Tables deeper than this are cut off.
const MAX_DEPTH: usize = 500;

/// Whether nulls that the user gives take keys away or are kept for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A null over a default removes the key; null defaults vanish.
    Coalesce,
    /// Nulls stay.
    Merge,
}

/// The values of a chart and its dependencies under what the user gives (`CoalesceValues`, `MergeValues`).
///
/// # Errors
/// If a dependency's values are not a table.
pub(crate) fn coalesce_values(
    chart: &Instance<'_>,
    user: &Map,
    mode: Mode,
    warnings: &mut Vec<Warning>,
) -> Result<Map, String> {
    let values = copy_map(user, 0);
    Coalescer { warnings }.chart(chart, &values, "", mode)?;
    Ok(values)
}

/// Puts `under` beneath `over` (`CoalesceTables`, `MergeTables`).
pub(crate) fn coalesce_tables(over: &Map, under: &Map, mode: Mode, warnings: &mut Vec<Warning>) {
    Coalescer { warnings }.tables(over, under, "", mode, 0);
}

struct Coalescer<'w> {
    warnings: &'w mut Vec<Warning>,
}

impl Coalescer<'_> {
    fn warn(&mut self, message: String) {
        self.warnings.push(Warning::new(Level::Info, message));
    }

    fn chart(&mut self, chart: &Instance<'_>, values: &Map, prefix: &str, mode: Mode) -> Result<(), String> {
        let prefix = join(prefix, &chart.name);
        self.own_values(chart, values, &prefix, mode);
        for dependency in &chart.dependencies {
            let key = dependency.name.as_bytes();
            let own = match values.get(key) {
                Some(Value::Map(map)) => map,
                None => {
                    let map = empty();
                    values.insert(Str::from(key), Value::Map(map.clone()));
                    map
                }
                Some(other) => {
                    let shown = shown('t', &other);
                    return Err(format!("type mismatch on {}: {shown}", dependency.name));
                }
            };
            self.globals(&own, values, &prefix);
            self.chart(dependency, &own, &prefix, mode)?;
        }
        Ok(())
    }

    /// Puts the parent's globals under the child's own.
    fn globals(&mut self, child: &Map, parent: &Map, prefix: &str) {
        let own = match child.get(GLOBAL) {
            None => empty(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                return self.warn("warning: skipping globals because destination global is not a table.".to_owned());
            }
        };
        let given = match parent.get(GLOBAL) {
            None => empty(),
            Some(Value::Map(map)) => map,
            Some(_) => return self.warn("warning: skipping globals because source global is not a table.".to_owned()),
        };
        for (key, value) in given.entries() {
            match (value, own.get(key.as_bytes())) {
                (Value::Map(given), None) => own.insert(key, Value::Map(shallow_copy(&given))),
                (Value::Map(given), Some(Value::Map(old))) => {
                    let merged = shallow_copy(&given);
                    self.tables(&merged, &old, &join(prefix, &key.to_str()), Mode::Merge, 0);
                    own.insert(key, Value::Map(merged));
                }
                (Value::Map(_), Some(_)) => {
                    let key = quote(key.as_bytes());
                    self.warn(format!("Conflict: cannot merge map onto non-map for {key}. Skipping."));
                }
                (_, Some(Value::Map(_))) => self.warn(format!("key {} is table. Skipping", key.to_str())),
                (value, _) => own.insert(key, value),
            }
        }
        child.insert(Str::from(GLOBAL), Value::Map(own));
    }

    fn own_values(&mut self, chart: &Instance<'_>, values: &Map, prefix: &str, mode: Mode) {
        for (key, default) in copy_map(&chart.values, 0).entries() {
            match (values.get(key.as_bytes()), default) {
                (Some(Value::Nil), _) if mode == Mode::Coalesce => values.remove(key.as_bytes()),
                (Some(Value::Map(given)), Value::Map(default)) => {
                    let is_child = chart.dependencies.iter().any(|child| child.name.as_bytes() == key.as_bytes());
                    let mode = if is_child { Mode::Merge } else { mode };
                    if mode == Mode::Coalesce {
                        remove_nils(&default, 0);
                    }
                    self.tables(&given, &default, &join(prefix, &key.to_str()), mode, 0);
                }
                (Some(Value::Map(_)), default) if !default.is_nothing() => {
                    let path = join(prefix, &key.to_str());
                    self.warn(format!("warning: skipped value for {path}: Not a table."));
                }
                (Some(_), _) => {}
                (None, Value::Nil) if mode == Mode::Coalesce => {}
                (None, default) => {
                    if let (Value::Map(map), Mode::Coalesce) = (&default, mode) {
                        remove_nils(map, 0);
                    }
                    values.insert(key, default);
                }
            }
        }
    }

    fn tables(&mut self, over: &Map, under: &Map, prefix: &str, mode: Mode, depth: usize) {
        if depth > MAX_DEPTH || over.is_same(under) {
            return;
        }
        let under_entries = under.entries();
        let had_value = |key: &Str| under_entries.iter().any(|(k, v)| k == key && !v.is_nothing());
        for (key, value) in over.entries() {
            if value.is_nothing() {
                let removes = mode == Mode::Coalesce && had_value(&key);
                under.insert(key.clone(), Value::Nil);
                if removes {
                    over.remove(key.as_bytes());
                }
            }
        }
        for (key, value) in under_entries {
            // What was null above has been dealt with; the table below it is null now as well.
            if matches!(under.get(key.as_bytes()), Some(Value::Nil)) && !value.is_nothing() {
                continue;
            }
            match (over.get(key.as_bytes()), value) {
                (None, value) => over.insert(key, value),
                (Some(Value::Map(over)), Value::Map(under)) => {
                    self.tables(&over, &under, &join(prefix, &key.to_str()), mode, depth + 1);
                }
                (Some(_), under @ Value::Map(_)) => {
                    let path = join(prefix, &key.to_str());
                    let message = format!("warning: cannot overwrite table with non table for {path}");
                    self.warnings.push(Warning::new(Level::Info, message).value(shown('v', &under)));
                }
                (Some(Value::Map(_)), under) if !under.is_nothing() => {
                    let path = join(prefix, &key.to_str());
                    let message = format!("warning: destination for {path} is a table. Ignoring non-table value");
                    self.warnings.push(Warning::new(Level::Info, message).value(shown('v', &under)));
                }
                _ => {}
            }
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn remove_nils(map: &Map, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for (key, value) in map.entries() {
        match value {
            Value::Nil => map.remove(key.as_bytes()),
            Value::Map(inner) => remove_nils(&inner, depth + 1),
            _ => {}
        }
    }
}

fn empty() -> Map {
    Map::new(MapKind::Any, Entries::new())
}

fn shallow_copy(map: &Map) -> Map {
    Map::new(MapKind::Any, map.entries().into_iter().collect())
}

/// A copy that shares nothing with the original.
pub(crate) fn deep_copy(map: &Map) -> Map {
    copy_map(map, 0)
}

fn copy_map(map: &Map, depth: usize) -> Map {
    let mut entries = Entries::new();
    map.for_each(|key, value| {
        entries.insert(key.clone(), copy(value, depth));
    });
    Map::new(MapKind::Any, entries)
}

fn copy(value: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Nil;
    }
    match value {
        Value::Map(map) => Value::Map(copy_map(map, depth + 1)),
        Value::List(list) if list.items().iter().any(|item| matches!(item, Value::Map(_) | Value::List(_))) => {
            Value::list(list.items().iter().map(|item| copy(item, depth + 1)).collect())
        }
        other => other.clone(),
    }
}

/// The table at a dotted path; or the first part of the path that is none.
pub(crate) fn table(values: &Map, path: &str) -> Result<Map, String> {
    let mut current = values.clone();
    for key in path.split('.') {
        match current.get(key.as_bytes()) {
            Some(Value::Map(map)) => current = map,
            _ => return Err(key.to_owned()),
        }
    }
    Ok(current)
}

/// The value at a dotted path; a table is none.
pub(crate) fn path_value(values: &Map, path: &str) -> Option<Value> {
    let found = match path.rsplit_once('.') {
        Some((parent, key)) => table(values, parent).ok()?.get(key.as_bytes()),
        None => values.get(path.as_bytes()),
    };
    found.filter(|value| !matches!(value, Value::Map(_)))
}
