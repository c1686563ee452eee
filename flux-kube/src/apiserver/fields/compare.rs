//! What changed between two values of one type, as sets of fields.

use serde_json::Value;

use super::element::{PathElement, equal_values};
use super::set::FieldSet;
use super::typed::{Atom, Fields, MapOf, TypeErrors, atom, check_scalar, item_element, root};
use crate::apiserver::schema::{List, Schema, TypeId};

/// The difference between two values. No field is in more than one of the sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparison {
    pub(crate) removed: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) added: FieldSet,
}

impl Comparison {
    pub(crate) fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// The comparison without these fields and all below them.
    pub(crate) fn without(self, fields: &FieldSet) -> Comparison {
        if fields.is_empty() || self.is_same() {
            return self;
        }
        Comparison {
            removed: self.removed.difference_below(fields),
            modified: self.modified.difference_below(fields),
            added: self.added.difference_below(fields),
        }
    }

    fn add(&mut self, element: PathElement, change: Option<Change>, below: Comparison) {
        if change.is_none() && below.is_same() {
            return;
        }
        self.removed.add(element.clone(), change == Some(Change::Removed), below.removed);
        self.modified.add(element.clone(), change == Some(Change::Modified), below.modified);
        self.added.add(element, change == Some(Change::Added), below.added);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Removed,
    Modified,
    Added,
}

/// Compares two values of one type.
///
/// # Errors
/// A value of a form its type does not allow.
pub(crate) fn compare(schema: &Schema, ty: TypeId, old: &Fields, new: &Fields) -> Result<Comparison, TypeErrors> {
    let mut out = Comparison::default();
    maps(schema, root(schema, ty), Some(old), Some(new), &mut out)?;
    Ok(out)
}

/// Compares what is below; returns the change of the value itself.
fn walk(
    schema: &Schema,
    ty: TypeId,
    old: Option<&Value>,
    new: Option<&Value>,
    out: &mut Comparison,
) -> Result<Option<Change>, TypeErrors> {
    let Some(form) = new.or(old) else { return Ok(None) };
    let mut leaf = false;
    if let (Some(o), Some(n)) = (old, new) {
        // Untyped data may change its form, say from scalar to map: then both forms are compared.
        let (a, b) = (atom(schema, ty, o), atom(schema, ty, n));
        if std::mem::discriminant(&a) != std::mem::discriminant(&b) {
            let first = handle(schema, a, old, new, out, &mut leaf)?;
            let mut leaf = false;
            let second = handle(schema, b, old, new, out, &mut leaf)?;
            return Ok(first.or(second));
        }
    }
    let change = handle(schema, atom(schema, ty, form), old, new, out, &mut leaf)?;
    Ok(match (leaf, old, new) {
        (false, None, _) => Some(Change::Added),
        (false, _, None) => Some(Change::Removed),
        _ => change,
    })
}

fn leaf_change(old: Option<&Value>, new: Option<&Value>) -> Option<Change> {
    match (old, new) {
        (None, _) => Some(Change::Added),
        (_, None) => Some(Change::Removed),
        (Some(o), Some(n)) => (!equal_values(o, n)).then_some(Change::Modified),
    }
}

fn handle(
    schema: &Schema,
    atom: Atom<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    out: &mut Comparison,
    leaf: &mut bool,
) -> Result<Option<Change>, TypeErrors> {
    match atom {
        Atom::Scalar(scalar) => {
            let wrong = |v: Option<&Value>| v.and_then(|v| check_scalar(scalar, v));
            if let (Some(l), Some(r)) = (wrong(old), wrong(new)) {
                return Err(TypeErrors::one(format!("lhs: {l}, rhs: {r}")));
            }
            *leaf = true;
            Ok(leaf_change(old, new))
        }
        Atom::List(list) => {
            let (o, n) = (items(old), items(new));
            match list.associative() {
                Some(typed) if !(o.is_empty() && n.is_empty()) => {
                    lists(schema, typed, o, n, out)?;
                    Ok(None)
                }
                _ => {
                    *leaf = true;
                    Ok(leaf_change(old, new))
                }
            }
        }
        Atom::Map(map) => {
            let (o, n) = (fields(old), fields(new));
            let empty = |m: Option<&Fields>| m.is_none_or(Fields::is_empty);
            if map.atomic() || (empty(o) && empty(n)) {
                *leaf = true;
                return Ok(leaf_change(old, new));
            }
            maps(schema, map, o, n, out)?;
            Ok(None)
        }
    }
}

pub(super) fn items(v: Option<&Value>) -> &[Value] {
    match v {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

pub(super) fn fields(v: Option<&Value>) -> Option<&Fields> {
    v.and_then(Value::as_object)
}

fn maps(
    schema: &Schema,
    map: MapOf<'_>,
    old: Option<&Fields>,
    new: Option<&Fields>,
    out: &mut Comparison,
) -> Result<(), TypeErrors> {
    let mut one = |key: &str, o: Option<&Value>, n: Option<&Value>| -> Result<(), TypeErrors> {
        let Some(ty) = map.type_of(key) else {
            return Err(TypeErrors::one("field not declared in schema").below(&map.element(key)));
        };
        let mut below = Comparison::default();
        let change = walk(schema, ty, o, n, &mut below).map_err(|e| e.below(&map.element(key)))?;
        if change.is_some() || !below.is_same() {
            out.add(map.element(key), change, below);
        }
        Ok(())
    };
    for (key, o) in old.into_iter().flatten() {
        let n = new.and_then(|m| m.get(key));
        // Equal scalars, the common case, need no further look.
        if matches!((o, n), (Value::String(a), Some(Value::String(b))) if a == b) {
            continue;
        }
        one(key, Some(o), n)?;
    }
    for (key, n) in new.into_iter().flatten() {
        if old.is_none_or(|m| !m.contains_key(key)) {
            one(key, None, Some(n))?;
        }
    }
    Ok(())
}

fn lists(schema: &Schema, list: &List, old: &[Value], new: &[Value], out: &mut Comparison) -> Result<(), TypeErrors> {
    let mut entries: Vec<(PathElement, bool, &Value)> = Vec::with_capacity(old.len() + new.len());
    for (is_new, items) in [(false, old), (true, new)] {
        for (i, item) in items.iter().enumerate() {
            let element = item_element(schema, list, item).map_err(|m| TypeErrors::one(format!("element {i}: {m}")))?;
            entries.push((element, is_new, item));
        }
    }
    // Stable: within one element, old items come before new ones, each in their order.
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for group in entries.chunk_by(|a, b| a.0 == b.0) {
        let split = group.partition_point(|e| !e.1);
        let (o, n) = group.split_at(split);
        let Some((element, ..)) = group.first() else { continue };
        let mut below = Comparison::default();
        let one = |o: Option<&Value>, n: Option<&Value>, below: &mut Comparison| {
            walk(schema, list.element, o, n, below).map_err(|e| e.below(element))
        };
        let change = match (o, n) {
            ([] | [_], [] | [_]) => one(o.first().map(|e| e.2), n.first().map(|e| e.2), &mut below)?,
            // An element that occurs more than once is compared as a whole.
            ([_, _, ..], [_, _, ..]) => {
                let same = o.len() == n.len() && o.iter().zip(n).all(|(a, b)| equal_values(a.2, b.2));
                (!same).then_some(Change::Modified)
            }
            ([_, _, ..], _) => {
                if let [first] = n {
                    let change = one(None, Some(first.2), &mut below)?;
                    out.add(element.clone(), change, std::mem::take(&mut below));
                }
                Some(Change::Removed)
            }
            (_, _) => {
                if let [first] = o {
                    let change = one(Some(first.2), None, &mut below)?;
                    out.add(element.clone(), change, std::mem::take(&mut below));
                }
                Some(Change::Added)
            }
        };
        out.add(element.clone(), change, below);
    }
    Ok(())
}
