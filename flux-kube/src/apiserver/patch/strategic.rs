//! Strategic merge patch: a merge patch whose lists merge by key, with directives.

use serde_json::{Map as JsonMap, Value};

use crate::apiserver::gotext::go_value;
use crate::apiserver::schema::{PatchStrategy, Schema, Type, TypeId};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Why a strategic merge patch failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StrategicPatchError(String);

fn fail<T>(message: impl Into<String>) -> Result<T, StrategicPatchError> {
    Err(StrategicPatchError(message.into()))
}

type Fields = JsonMap<String, Value>;

/// Applies a strategic merge patch to an object of that type.
///
/// # Errors
/// A directive that is wrong, a list element without its merge key, lists of mixed elements, or a map or list under a
/// field that the type does not have.
pub(crate) fn apply(
    schema: &Schema,
    ty: TypeId,
    original: &Value,
    patch: &Value,
) -> Result<Value, StrategicPatchError> {
    let original = match original {
        Value::Object(map) => map.clone(),
        Value::Null => Fields::new(),
        _ => return fail("Invalid JSON Document"),
    };
    let patch = match patch {
        Value::Object(map) => map.clone(),
        Value::Null => return Ok(Value::Object(original)),
        _ => return fail("Invalid JSON document"),
    };
    Strategic { schema }.map(original, patch, Some(ty)).map(Value::Object)
}

struct Strategic<'a> {
    schema: &'a Schema,
}

impl Strategic<'_> {
    /// The type and strategy of a field.
    fn field(&self, ty: Option<TypeId>, key: &str) -> Result<(Option<TypeId>, PatchStrategy), StrategicPatchError> {
        let Some(ty) = ty else { return Ok((None, PatchStrategy::default())) };
        match self.schema.get(ty) {
            Type::Map(map) => match map.field(key) {
                Some(field) => Ok((Some(field.ty), field.patch.clone())),
                None if map.element.is_some() => Ok((map.element, PatchStrategy::default())),
                None => {
                    let name = map.name.rsplit('.').next().unwrap_or("");
                    fail(format!("unable to find api field in struct {name} for the json field {key:?}"))
                }
            },
            _ => Ok((None, PatchStrategy::default())),
        }
    }

    fn element(&self, ty: Option<TypeId>) -> Option<TypeId> {
        match ty.map(|t| self.schema.get(t)) {
            Some(Type::List(list)) => Some(list.element),
            _ => None,
        }
    }

    fn map(&self, mut original: Fields, mut patch: Fields, ty: Option<TypeId>) -> Result<Fields, StrategicPatchError> {
        if let Some(directive) = patch.get(DIRECTIVE) {
            return match directive.as_str() {
                Some("replace") => {
                    patch.shift_remove(DIRECTIVE);
                    Ok(patch)
                }
                Some("delete") => Ok(Fields::new()),
                _ => bad_patch_type(directive, &patch),
            };
        }
        retain_keys(&mut original, &mut patch)?;
        self.ordered_lists(&mut original, &mut patch, ty)?;
        for (key, mut change) in patch {
            let (key, delete_list) = match key.strip_prefix(DELETE_FROM) {
                Some(rest) => match rest.strip_prefix('/') {
                    Some(field) => (field.to_owned(), true),
                    None => return fail("invalid patch format of primitive list"),
                },
                None => (key, false),
            };
            if change.is_null() {
                original.shift_remove(&key);
                continue;
            }
            let same_form = original.get(&key).map(|o| std::mem::discriminant(o) == std::mem::discriminant(&change));
            if same_form != Some(true) {
                if !delete_list {
                    discard_nulls(&mut change);
                    set_or_drop(&mut original, key, change);
                }
                continue;
            }
            match (original.get_mut(&key).map(std::mem::take), change) {
                (Some(Value::Object(old)), Value::Object(change)) => {
                    let (below, _) = self.field(ty, &key)?;
                    let new = self.map(old, change, below)?;
                    original.insert(key, Value::Object(new));
                }
                (Some(Value::Array(old)), Value::Array(change)) => {
                    let (list, strategy) = self.field(ty, &key)?;
                    let new = if strategy.merge || delete_list {
                        let merge_key = strategy.key.as_deref().unwrap_or("");
                        self.list(old, change, self.element(list), merge_key, delete_list)?
                    } else {
                        change
                    };
                    original.insert(key, Value::Array(new));
                }
                (_, change) => set_or_drop(&mut original, key, change),
            }
        }
        Ok(original)
    }

    /// `$setElementOrder/field`: merges that list and puts it in the given order.
    fn ordered_lists(
        &self,
        original: &mut Fields,
        patch: &mut Fields,
        ty: Option<TypeId>,
    ) -> Result<(), StrategicPatchError> {
        let keys: Vec<String> = patch.keys().filter(|k| k.starts_with(SET_ORDER)).cloned().collect();
        for key in keys {
            let order = match patch.shift_remove(&key) {
                Some(Value::Array(order)) => order,
                other => return bad_type("[]interface {}", &other.unwrap_or(Value::Null)),
            };
            let Some(field) = key.strip_prefix(SET_ORDER).and_then(|r| r.strip_prefix('/')) else {
                return fail("invalid patch format of setElementOrder list");
            };
            let list = |side: Option<&Value>| match side {
                None => Ok(None),
                Some(Value::Array(items)) => Ok(Some(items.clone())),
                Some(other) => bad_type("[]interface {}", other),
            };
            let (old, change) = (list(original.get(field))?, list(patch.get(field))?);
            let (ty, strategy) = self.field(ty, field)?;
            let merge_key = strategy.key.as_deref().unwrap_or("");
            validate_order(change.as_deref().unwrap_or(&[]), &order, merge_key)?;
            let kind = element_kind(old.iter().flatten().chain(change.iter().flatten()));
            let merged = match (old.clone(), change) {
                (None, None) => continue,
                (Some(old), None) => old,
                (None, Some(change)) => match without_directives(Value::Array(change)) {
                    Some(Value::Array(change)) => change,
                    _ => continue,
                },
                (Some(old), Some(change)) if strategy.merge => {
                    self.list(old, change, self.element(ty), merge_key, false)?
                }
                (Some(_), Some(change)) => change,
            };
            let (mine, others) = partition(merged, &order, merge_key)?;
            let maps = kind? == Kind::Map;
            let sorted = arrange(mine, others, &order, old.as_deref().unwrap_or(&[]), merge_key, maps)?;
            original.insert(field.to_owned(), Value::Array(sorted));
            patch.shift_remove(field);
        }
        Ok(())
    }

    fn list(
        &self,
        mut original: Vec<Value>,
        mut patch: Vec<Value>,
        element: Option<TypeId>,
        merge_key: &str,
        delete_list: bool,
    ) -> Result<Vec<Value>, StrategicPatchError> {
        if original.is_empty() && patch.is_empty() {
            return Ok(original);
        }
        let maps = element_kind(original.iter().chain(&patch))? == Kind::Map;
        let merged = if maps {
            if merge_key.is_empty() {
                return fail("cannot merge lists without merge key");
            }
            (original, patch) = special_elements(original, patch, merge_key)?;
            let mut merged = original.clone();
            for change in &patch {
                let Value::Object(change) = change else { return bad_type("map[string]interface {}", change) };
                let Some(key) = change.get(merge_key) else { return no_merge_key(change, merge_key) };
                match find(&merged, merge_key, key)? {
                    Some(at) => {
                        let old = match merged.get_mut(at).map(std::mem::take) {
                            Some(Value::Object(old)) => old,
                            _ => Fields::new(),
                        };
                        let new = self.map(old, change.clone(), element)?;
                        if let Some(slot) = merged.get_mut(at) {
                            *slot = Value::Object(new);
                        }
                    }
                    None => merged.push(Value::Object(change.clone())),
                }
            }
            merged
        } else {
            if delete_list {
                original.retain(|v| !patch.contains(v));
                return Ok(original);
            }
            let mut merged: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
            for v in original.iter().chain(&patch) {
                if !merged.contains(v) {
                    merged.push(v.clone());
                }
            }
            merged
        };
        let (mine, others) = partition(merged, &patch, merge_key)?;
        arrange(mine, others, &patch, &original, merge_key, maps)
    }
}

fn bad_patch_type<T>(directive: &Value, patch: &Fields) -> Result<T, StrategicPatchError> {
    let shown = match directive {
        Value::String(s) => s.clone(),
        other => format!("%!s(int64={})", go_value(other)),
    };
    fail(format!("unknown patch type: {shown} in map: {}", go_value(&Value::Object(patch.clone()))))
}

fn bad_type<T>(expected: &str, got: &Value) -> Result<T, StrategicPatchError> {
    fail(format!("expected a {expected}, but received a {}", go_value(got)))
}

fn no_merge_key<T>(map: &Fields, key: &str) -> Result<T, StrategicPatchError> {
    let map = go_value(&Value::Object(map.clone()));
    fail(format!("map: {map} does not contain declared merge key: {key}"))
}

fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), StrategicPatchError> {
    let Some(keys) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return fail("invalid patch format of retainKeys") };
    let keeps = |key: &str| keys.iter().any(|k| k.as_str() == Some(key));
    let stray = |(key, value): (&String, &Value)| {
        !value.is_null() && !key.starts_with(DELETE_FROM) && !key.starts_with(SET_ORDER) && !keeps(key)
    };
    if patch.iter().any(stray) {
        return fail("invalid patch format of retainKeys");
    }
    original.retain(|key, _| keeps(key));
    Ok(())
}

fn set_or_drop(original: &mut Fields, key: String, change: Value) {
    match without_directives(change) {
        Some(change) => {
            original.insert(key, change);
        }
        None => {
            original.shift_remove(&key);
        }
    }
}

fn discard_nulls(v: &mut Value) {
    match v {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// The value without the maps that carry a directive; `None` if it is one itself.
fn without_directives(v: Value) -> Option<Value> {
    match v {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(k, v)| Some((k, without_directives(v)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Map,
    Scalar,
}

fn element_kind<'a>(items: impl Iterator<Item = &'a Value> + Clone) -> Result<Kind, StrategicPatchError> {
    let mut first: Option<&Value> = None;
    for item in items.clone() {
        match first {
            None if item.is_array() => return fail("lists of lists are not supported"),
            None => first = Some(item),
            Some(f) if std::mem::discriminant(f) != std::mem::discriminant(item) => {
                let all: Vec<String> = items.clone().map(go_value).collect();
                return fail(format!("list element types are not identical: [{}]", all.join(" ")));
            }
            Some(_) => {}
        }
    }
    match first {
        Some(Value::Object(_)) => Ok(Kind::Map),
        Some(Value::Null) | None => fail("no elements in any of the given slices"),
        Some(_) => Ok(Kind::Scalar),
    }
}

fn find(items: &[Value], merge_key: &str, key: &Value) -> Result<Option<usize>, StrategicPatchError> {
    for (i, item) in items.iter().enumerate() {
        let Value::Object(map) = item else { return fail(format!("value for key {i} is not a map")) };
        if map.get(merge_key) == Some(key) {
            return Ok(Some(i));
        }
    }
    Ok(None)
}

/// Carries out the elements that are directives: `delete` of one element, `replace` of the whole list.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicPatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Value::Object(map) = &item else { return bad_type("map[string]interface {}", &item) };
        let Some(directive) = map.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let Some(key) = map.get(merge_key) else { return no_merge_key(map, merge_key) };
                while let Some(at) = find(&original, merge_key, key)? {
                    original.remove(at);
                }
            }
            Some("replace") => replace = true,
            Some("merge") => return fail("merging lists cannot yet be specified in the patch"),
            _ => return bad_patch_type(directive, map),
        }
    }
    Ok(if replace { (plain, Vec::new()) } else { (original, plain) })
}

/// Splits a merged list into what `by` mentions and what only the server has.
fn partition(
    merged: Vec<Value>,
    by: &[Value],
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicPatchError> {
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let mentioned = if merge_key.is_empty() {
            by.contains(&item)
        } else {
            let Value::Object(map) = &item else { return bad_type("map[string]interface {}", &item) };
            let Some(key) = map.get(merge_key) else { return no_merge_key(map, merge_key) };
            find(by, merge_key, key)?.is_some()
        };
        if mentioned { mine.push(item) } else { others.push(item) }
    }
    Ok((mine, others))
}

fn position(order: &[Value], item: &Value, merge_key: &str, maps: bool) -> Option<usize> {
    if maps {
        let key = item.get(merge_key)?;
        order.iter().position(|o| o.get(merge_key) == Some(key))
    } else {
        order.iter().position(|o| o == item)
    }
}

/// The patch's items in the patch's order, the server's in theirs, woven together by the server's order.
fn arrange(
    mut mine: Vec<Value>,
    mut others: Vec<Value>,
    order: &[Value],
    server_order: &[Value],
    merge_key: &str,
    maps: bool,
) -> Result<Vec<Value>, StrategicPatchError> {
    if maps {
        for item in mine.iter().chain(order).chain(&others).chain(server_order) {
            match item {
                Value::Object(map) if !map.contains_key(merge_key) => return no_merge_key(map, merge_key),
                Value::Object(_) => {}
                other => return bad_type("map[string]interface {}", other),
            }
        }
    }
    let at = |order: &[Value], item: &Value| position(order, item, merge_key, maps);
    mine.sort_by_key(|i| at(order, i));
    others.sort_by_key(|i| at(server_order, i));
    let mut out = Vec::with_capacity(mine.len() + others.len());
    let (mut mine, mut others) = (mine.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let next = match (others.peek(), mine.peek()) {
            (None, None) => break,
            (Some(_), None) => others.next(),
            (None, Some(_)) => mine.next(),
            (Some(other), Some(own)) => match (at(server_order, other), at(server_order, own)) {
                (Some(o), Some(m)) if o < m => others.next(),
                _ => mine.next(),
            },
        };
        out.extend(next);
    }
    Ok(out)
}

fn validate_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<(), StrategicPatchError> {
    if order.is_empty() || patch.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for item in patch {
        if item.get(DIRECTIVE).is_some() {
            continue;
        }
        let same = |o: &Value| {
            if merge_key.is_empty() {
                o == item
            } else {
                o.get(merge_key).is_some() && o.get(merge_key) == item.get(merge_key)
            }
        };
        if !merge_key.is_empty()
            && let Value::Object(map) = item
            && !map.contains_key(merge_key)
        {
            return no_merge_key(map, merge_key);
        }
        if !wanted.any(same) {
            return fail(format!(
                "The order in patch list:\n{}\n doesn't match {SET_ORDER} list:\n{}\n",
                go_value(&Value::Array(patch.to_vec())),
                go_value(&Value::Array(order.to_vec()))
            ));
        }
    }
    Ok(())
}
