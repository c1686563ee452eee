//! Merging an applied configuration into an object, and taking fields out of an object.

use serde_json::Value;

use super::compare::{fields, items};
use super::element::PathElement;
use super::set::FieldSet;
use super::typed::{Atom, Fields, MapOf, TypeErrors, atom, check_scalar, item_element, root};
use crate::apiserver::schema::{List, Schema, TypeId};

/// Merges `config` into `live`: what both have is taken from `config`, nothing is removed.
///
/// # Errors
/// A value of a form its type does not allow, or an element twice in `config`.
pub(crate) fn merge(schema: &Schema, ty: TypeId, live: &Fields, config: &Fields) -> Result<Fields, TypeErrors> {
    let map = root(schema, ty);
    let mut out = Fields::with_capacity(live.len().max(config.len()));
    for (key, l) in live {
        let merged = match (config.get(key), map.type_of(key)) {
            // Who owns what is kept beside the object and not part of what is merged.
            (r, Some(ty)) if key == "metadata" => metadata(schema, ty, l, r)?,
            (None, _) => Some(l.clone()),
            (Some(r), Some(ty)) => walk(schema, ty, Some(l), Some(r)).map_err(|e| e.below(&map.element(key)))?,
            (Some(r), None) => Some(r.clone()),
        };
        if let Some(value) = merged {
            out.insert(key.clone(), value);
        }
    }
    for (key, r) in config {
        if !live.contains_key(key) {
            out.insert(key.clone(), r.clone());
        }
    }
    Ok(out)
}

fn metadata(schema: &Schema, ty: TypeId, live: &Value, config: Option<&Value>) -> Result<Option<Value>, TypeErrors> {
    let (Value::Object(l), MapOf::Typed(map)) = (live, root(schema, ty)) else {
        return walk(schema, ty, Some(live), config);
    };
    let empty = Fields::new();
    let r = config.and_then(Value::as_object).unwrap_or(&empty);
    let map = MapOf::Typed(map);
    let mut out = Fields::with_capacity(l.len() + r.len());
    for (key, l) in l.iter().filter(|(k, _)| *k != "managedFields") {
        let merged = match (r.get(key), map.type_of(key)) {
            (None, _) => Some(l.clone()),
            (Some(r), Some(ty)) => walk(schema, ty, Some(l), Some(r))
                .map_err(|e| e.below(&map.element(key)).below(&PathElement::Field("metadata".into())))?,
            (Some(r), None) => Some(r.clone()),
        };
        if let Some(value) = merged {
            out.insert(key.clone(), value);
        }
    }
    for (key, r) in r {
        if !l.contains_key(key) {
            out.insert(key.clone(), r.clone());
        }
    }
    Ok(Some(Value::Object(out)))
}

fn walk(schema: &Schema, ty: TypeId, lhs: Option<&Value>, rhs: Option<&Value>) -> Result<Option<Value>, TypeErrors> {
    let Some(form) = rhs.or(lhs) else { return Ok(None) };
    // Only one side has something: that stays. The configuration was checked before.
    if rhs.is_none() || lhs.is_none() {
        return Ok(Some(form.clone()));
    }
    let leaf = || Ok(rhs.or(lhs).cloned());
    match atom(schema, ty, form) {
        Atom::Scalar(scalar) => {
            let wrong = |v: Option<&Value>| v.and_then(|v| check_scalar(scalar, v));
            if let (Some(l), Some(r)) = (wrong(lhs), wrong(rhs)) {
                return Err(TypeErrors::one(format!("lhs: {l}, rhs: {r}")));
            }
            leaf()
        }
        Atom::List(list) => match list.associative() {
            Some(list) if !(items(lhs).is_empty() && items(rhs).is_empty()) => {
                lists(schema, list, items(lhs), items(rhs))
            }
            _ => leaf(),
        },
        Atom::Map(map) => {
            let (l, r) = (fields(lhs), fields(rhs));
            if map.atomic() || (l.is_none_or(Fields::is_empty) && r.is_none_or(Fields::is_empty)) {
                return leaf();
            }
            let out = maps(schema, map, l, r)?;
            Ok((!out.is_empty()).then_some(Value::Object(out)))
        }
    }
}

fn maps(schema: &Schema, map: MapOf<'_>, lhs: Option<&Fields>, rhs: Option<&Fields>) -> Result<Fields, TypeErrors> {
    let capacity = lhs.map_or(0, Fields::len).max(rhs.map_or(0, Fields::len));
    let mut out = Fields::with_capacity(capacity);
    let one = |key: &str, l: Option<&Value>, r: Option<&Value>| match map.type_of(key) {
        Some(ty) => walk(schema, ty, l, r).map_err(|e| e.below(&map.element(key))),
        None => Ok(r.or(l).cloned()),
    };
    for (key, l) in lhs.into_iter().flatten() {
        if let Some(value) = one(key, Some(l), rhs.and_then(|m| m.get(key)))? {
            out.insert(key.clone(), value);
        }
    }
    for (key, r) in rhs.into_iter().flatten() {
        if lhs.is_none_or(|m| !m.contains_key(key))
            && let Some(value) = one(key, None, Some(r))?
        {
            out.insert(key.clone(), value);
        }
    }
    Ok(out)
}

/// The items of one side with their elements, and each element's item: `None` if it occurs more than once.
struct Indexed<'a> {
    order: Vec<(PathElement, &'a Value)>,
    sorted: Vec<usize>,
}

impl<'a> Indexed<'a> {
    fn new(schema: &Schema, list: &List, items: &'a [Value], duplicates: bool) -> Result<Self, TypeErrors> {
        let mut order = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let element = item_element(schema, list, item).map_err(|m| TypeErrors::one(format!("element {i}: {m}")))?;
            order.push((element, item));
        }
        let mut sorted: Vec<usize> = (0..order.len()).collect();
        sorted.sort_by(|a, b| order[*a].0.cmp(&order[*b].0));
        let indexed = Indexed { order, sorted };
        if !duplicates {
            for pair in indexed.sorted.windows(2) {
                if let [a, b] = pair
                    && indexed.order[*a].0 == indexed.order[*b].0
                {
                    let message = format!("duplicate entries for key {}", indexed.order[*a].0);
                    return Err(TypeErrors::one(message));
                }
            }
        }
        Ok(indexed)
    }

    /// `None`: not there. `Some(null)`: there more than once.
    fn get(&self, element: &PathElement) -> Option<&'a Value> {
        const TWICE: &Value = &Value::Null;
        let at = self.sorted.binary_search_by(|i| self.order[*i].0.cmp(element)).ok()?;
        let near = |i: Option<usize>| i.and_then(|i| self.sorted.get(i)).is_some_and(|i| self.order[*i].0 == *element);
        if near(at.checked_sub(1)) || near(at.checked_add(1)) {
            return Some(TWICE);
        }
        self.sorted.get(at).and_then(|i| self.order.get(*i)).map(|e| e.1)
    }
}

/// The applied items in their order, with the other live items kept near the neighbours they had.
fn lists(schema: &Schema, list: &List, lhs: &[Value], rhs: &[Value]) -> Result<Option<Value>, TypeErrors> {
    let right = Indexed::new(schema, list, rhs, false)?;
    let left = Indexed::new(schema, list, lhs, true)?;
    let mut shared = right.order.iter().filter(|(e, _)| left.get(e).is_some()).map(|(e, _)| e).peekable();
    let mut merged = FieldSet::default();
    let mut out = Vec::with_capacity(lhs.len().max(rhs.len()));
    let mut put = |element: &PathElement, l: Option<&Value>, r: Option<&Value>| -> Result<(), TypeErrors> {
        if let Some(value) = walk(schema, list.element, l, r).map_err(|e| e.below(element))? {
            out.push(value);
        }
        Ok(())
    };
    let (mut li, mut ri) = (0, 0);
    while li < left.order.len() || ri < right.order.len() {
        let (l, r) = (left.order.get(li), right.order.get(ri));
        if let (Some((le, _)), Some((re, _))) = (l, r) {
            if le == re {
                put(le, left.get(le), right.get(le))?;
                merged.add(le.clone(), true, FieldSet::default());
                li += 1;
                ri += 1;
                shared.next();
                continue;
            }
            // An item both have, but not the one whose turn it is.
            if right.get(le).is_some() && shared.peek().is_some_and(|next| *next != le) {
                li += 1;
                continue;
            }
        }
        if let Some((le, item)) = l {
            if right.get(le).is_none() {
                put(le, Some(*item), None)?;
                li += 1;
                continue;
            } else if merged.get(le).is_some() {
                li += 1;
            }
        }
        if let Some((re, _)) = r {
            put(re, left.get(re), right.get(re))?;
            merged.add(re.clone(), true, FieldSet::default());
            ri += 1;
            if shared.peek().is_some_and(|next| *next == re) {
                shared.next();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

/// The value without the fields and items of `set`.
pub(crate) fn remove(schema: &Schema, ty: TypeId, object: &Fields, set: &FieldSet) -> Fields {
    if set.is_empty() {
        return object.clone();
    }
    map_without(schema, root(schema, ty), object, set)
}

fn without(schema: &Schema, ty: TypeId, value: &Value, set: &FieldSet) -> Value {
    if set.is_empty() {
        return value.clone();
    }
    match (atom(schema, ty, value), value) {
        (Atom::Scalar(_), _) => value.clone(),
        (Atom::List(list), Value::Array(items)) => {
            let Some(list) = list.associative() else { return Value::Null };
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                let node = item_element(schema, list, item).ok().and_then(|e| set.get(&e));
                match node {
                    Some(node) if node.member => {}
                    Some(node) if !node.children.is_empty() => {
                        out.push(emptied(item, without(schema, list.element, item, &node.children)));
                    }
                    _ => out.push(item.clone()),
                }
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
        (Atom::Map(map), Value::Object(entries)) => {
            if map.atomic() {
                return Value::Null;
            }
            let out = map_without(schema, map, entries, set);
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        _ => Value::Null,
    }
}

/// A container that lost all it held stays, empty.
fn emptied(before: &Value, after: Value) -> Value {
    match (after, before) {
        (Value::Null, Value::Object(_)) => Value::Object(Fields::new()),
        (Value::Null, Value::Array(_)) => Value::Array(Vec::new()),
        (after, _) => after,
    }
}

fn map_without(schema: &Schema, map: MapOf<'_>, entries: &Fields, set: &FieldSet) -> Fields {
    let mut out = Fields::with_capacity(entries.len());
    for (key, item) in entries {
        match set.field(key) {
            Some(node) if node.member => {}
            Some(node) if !node.children.is_empty() => {
                let item = match map.type_of(key) {
                    Some(ty) => emptied(item, without(schema, ty, item, &node.children)),
                    None => item.clone(),
                };
                out.insert(key.clone(), item);
            }
            _ => {
                out.insert(key.clone(), item.clone());
            }
        }
    }
    out
}
