//! Values seen through a schema: checking them, and the set of fields they mention.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::element::PathElement;
use super::set::FieldSet;
use crate::apiserver::gotext::{go_syntax, go_type, go_value};
use crate::apiserver::schema::{Field, List, ListKind, Map, Scalar, Schema, Type, TypeId};

/// A value does not have the type it should have, with the path of each offence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TypeErrors(Vec<(String, String)>);

impl TypeErrors {
    pub(crate) fn one(message: impl Into<String>) -> Self {
        TypeErrors(vec![(String::new(), message.into())])
    }

    fn push(&mut self, path: String, message: impl Into<String>) {
        self.0.push((path, message.into()));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn below(mut self, element: &PathElement) -> Self {
        for (path, _) in &mut self.0 {
            path.insert_str(0, &element.to_string());
        }
        self
    }
}

impl fmt::Display for TypeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() != 1 {
            f.write_str("errors:")?;
        }
        for (path, message) in &self.0 {
            if self.0.len() != 1 {
                f.write_str("\n  ")?;
            }
            if !path.is_empty() {
                write!(f, "{path}: ")?;
            }
            f.write_str(message)?;
        }
        Ok(())
    }
}

/// Which part of a type a value of this form is: what a union of scalar, list and map narrows down to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Atom<'a> {
    Scalar(Option<Scalar>),
    List(ListOf<'a>),
    Map(MapOf<'a>),
}

/// A list with a declared type, or one inside untyped data (atomic).
#[derive(Debug, Clone, Copy)]
pub(super) enum ListOf<'a> {
    Typed(&'a List),
    Atomic,
}

/// A map with a declared type, or one inside untyped data.
#[derive(Debug, Clone, Copy)]
pub(super) enum MapOf<'a> {
    Typed(&'a Map),
    Deduced(TypeId),
    Atomic,
}

impl<'a> MapOf<'a> {
    pub(super) fn atomic(self) -> bool {
        match self {
            MapOf::Typed(m) => m.atomic,
            MapOf::Deduced(_) => false,
            MapOf::Atomic => true,
        }
    }

    pub(super) fn type_of(self, key: &str) -> Option<TypeId> {
        match self {
            MapOf::Typed(m) => m.type_of(key),
            MapOf::Deduced(id) => Some(id),
            MapOf::Atomic => None,
        }
    }

    pub(super) fn has_field(self, key: &str) -> bool {
        matches!(self, MapOf::Typed(m) if m.field(key).is_some())
    }

    /// The element for a key, sharing the schema's string where it can.
    pub(super) fn element(self, key: &str) -> PathElement {
        if let MapOf::Typed(m) = self
            && let Some(field) = m.field(key)
        {
            return PathElement::Field(field.name.clone());
        }
        PathElement::Field(Arc::from(key))
    }
}

impl<'a> ListOf<'a> {
    /// The list if its elements are told apart.
    pub(super) fn associative(self) -> Option<&'a List> {
        match self {
            ListOf::Typed(l) if !matches!(l.kind, ListKind::Atomic) => Some(l),
            _ => None,
        }
    }
}

/// The fields of an object.
pub(crate) type Fields = serde_json::Map<String, Value>;

/// The type of a whole object, which is always a map.
pub(super) fn root(schema: &Schema, ty: TypeId) -> MapOf<'_> {
    match schema.get(ty) {
        Type::Map(m) => MapOf::Typed(m),
        Type::Deduced => MapOf::Deduced(ty),
        _ => MapOf::Atomic,
    }
}

pub(super) fn atom<'a>(schema: &'a Schema, ty: TypeId, value: &Value) -> Atom<'a> {
    match schema.get(ty) {
        Type::Scalar(s) => Atom::Scalar(Some(*s)),
        Type::List(l) => Atom::List(ListOf::Typed(l)),
        Type::Map(m) => Atom::Map(MapOf::Typed(m)),
        Type::Any => match value {
            Value::Array(_) => Atom::List(ListOf::Atomic),
            Value::Object(_) | Value::Null => Atom::Map(MapOf::Atomic),
            _ => Atom::Scalar(None),
        },
        Type::Deduced => match value {
            Value::Array(_) => Atom::List(ListOf::Atomic),
            Value::Object(_) | Value::Null => Atom::Map(MapOf::Deduced(ty)),
            _ => Atom::Scalar(None),
        },
    }
}

pub(super) fn check_scalar(scalar: Option<Scalar>, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match scalar {
        Some(Scalar::Int32 | Scalar::Int64 | Scalar::Number) => {
            (!value.is_number()).then(|| format!("expected numeric (int or float), got {}", go_type(value)))
        }
        Some(Scalar::String | Scalar::Bytes) => (!value.is_string())
            .then(|| format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value))),
        Some(Scalar::Boolean) => {
            (!value.is_boolean()).then(|| format!("expected boolean, got &{{{}}}", go_value(value)))
        }
        Some(Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime) | None => (value.is_array()
            || value.is_object())
        .then(|| format!("expected any scalar, got &{{{}}}", go_value(value))),
    }
}

/// The element that stands for an item of a set or list map.
pub(super) fn item_element(schema: &Schema, list: &List, item: &Value) -> Result<PathElement, String> {
    let keys = match &list.kind {
        ListKind::Atomic => return Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => {
            return match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(PathElement::Value(scalar.clone())),
            };
        }
        ListKind::Map(keys) => keys,
    };
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let fields = match schema.get(list.element) {
        Type::Map(m) => Some(m),
        _ => None,
    };
    let mut found: Vec<(Arc<str>, Value)> = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(value) = map.get(&**key) {
            found.push((key.clone(), value.clone()));
        } else if let Some(default) = fields.and_then(|m| m.field(key)).and_then(|f| key_default(schema, f)) {
            found.push((key.clone(), default));
        }
    }
    if found.is_empty() {
        let names: Vec<String> = keys.iter().map(|k| format!("{k:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(PathElement::Key(found.into()))
}

/// What a missing key counts as: its default, or the zero value of a field that is always written.
pub(super) fn key_default(schema: &Schema, field: &Field) -> Option<Value> {
    if field.default.is_some() {
        return field.default.clone();
    }
    match schema.get(field.ty) {
        Type::Scalar(Scalar::String) if field.always => Some(Value::from("")),
        Type::Scalar(Scalar::Int32 | Scalar::Int64) if field.always => Some(Value::from(0)),
        Type::Scalar(Scalar::Boolean) if field.always => Some(Value::from(false)),
        _ => None,
    }
}

/// Checks that a value conforms to its type.
///
/// # Errors
/// Every offence with its path. `duplicates` allows list maps and sets to have the same element twice.
pub(crate) fn check(schema: &Schema, ty: TypeId, object: &Fields, duplicates: bool) -> Result<(), TypeErrors> {
    let mut errors = TypeErrors::default();
    check_map(schema, root(schema, ty), object, duplicates, &mut Vec::new(), &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn path_text(path: &[PathElement]) -> String {
    path.iter().map(ToString::to_string).collect()
}

fn check_into(
    schema: &Schema,
    ty: TypeId,
    value: &Value,
    duplicates: bool,
    path: &mut Vec<PathElement>,
    errors: &mut TypeErrors,
) {
    match atom(schema, ty, value) {
        Atom::Scalar(scalar) => {
            if let Some(message) = check_scalar(scalar, value) {
                errors.push(path_text(path), message);
            }
        }
        Atom::List(list) => {
            let items = match value {
                Value::Array(items) => items,
                Value::Null => return,
                other => return errors.push(path_text(path), format!("expected list, got &{{{}}}", go_value(other))),
            };
            let ListOf::Typed(list) = list else { return };
            let associative = !matches!(list.kind, ListKind::Atomic);
            let mut seen = BTreeSet::new();
            for (i, item) in items.iter().enumerate() {
                let element = if associative {
                    match item_element(schema, list, item) {
                        Ok(element) => element,
                        Err(message) => {
                            return errors.push(path_text(path), format!("element {i}: {message}"));
                        }
                    }
                } else {
                    PathElement::Index(i as i64)
                };
                if associative && !duplicates && !seen.insert(element.clone()) {
                    errors.push(path_text(path), format!("duplicate entries for key {element}"));
                }
                path.push(element);
                check_into(schema, list.element, item, duplicates, path, errors);
                path.pop();
            }
        }
        Atom::Map(map) => {
            let fields = match value {
                Value::Object(fields) => fields,
                Value::Null => return,
                other => return errors.push(path_text(path), format!("expected map, got &{{{}}}", go_value(other))),
            };
            check_map(schema, map, fields, duplicates, path, errors);
        }
    }
}

fn check_map(
    schema: &Schema,
    map: MapOf<'_>,
    fields: &Fields,
    duplicates: bool,
    path: &mut Vec<PathElement>,
    errors: &mut TypeErrors,
) {
    if matches!(map, MapOf::Atomic | MapOf::Deduced(_)) {
        return;
    }
    for (key, field) in fields {
        let Some(ty) = map.type_of(key) else {
            path.push(map.element(key));
            errors.push(path_text(path), "field not declared in schema");
            path.pop();
            return;
        };
        // Scalars are most of what there is: look before building a path.
        if let (Type::Scalar(scalar), true) = (schema.get(ty), field.is_string() || field.is_number())
            && check_scalar(Some(*scalar), field).is_none()
        {
            continue;
        }
        path.push(map.element(key));
        check_into(schema, ty, field, duplicates, path, errors);
        path.pop();
    }
}

/// The fields a value mentions: every leaf, and every element of a list map, set or map.
///
/// # Errors
/// A list element without its keys.
pub(crate) fn field_set(schema: &Schema, ty: TypeId, object: &Fields) -> Result<FieldSet, TypeErrors> {
    let mut set = FieldSet::default();
    map_fields(schema, root(schema, ty), object, &mut set)?;
    Ok(set)
}

/// Fills `set` with what is below the value; returns whether the value itself is a leaf.
fn fields_into(schema: &Schema, ty: TypeId, value: &Value, set: &mut FieldSet) -> Result<bool, TypeErrors> {
    match atom(schema, ty, value) {
        Atom::Scalar(_) => Ok(true),
        Atom::List(list) => {
            let Some(list) = list.associative() else { return Ok(true) };
            let Value::Array(items) = value else { return Ok(false) };
            let mut elements = Vec::with_capacity(items.len());
            for (i, item) in items.iter().enumerate() {
                let element = item_element(schema, list, item)
                    .map_err(|message| TypeErrors::one(format!("element {i}: {message}")))?;
                elements.push(element);
            }
            let twice = repeated(&elements);
            let mut items: Vec<(PathElement, &Value)> = elements.into_iter().zip(items).collect();
            if items.len() > FEW {
                items.sort_by(|a, b| a.0.cmp(&b.0));
            }
            for (element, item) in items {
                if twice.contains(&element) {
                    set.add(element, true, FieldSet::default());
                    continue;
                }
                let mut below = FieldSet::default();
                fields_into(schema, list.element, item, &mut below).map_err(|e| e.below(&element))?;
                set.add(element, true, below);
            }
            Ok(false)
        }
        Atom::Map(map) => {
            if map.atomic() {
                return Ok(true);
            }
            let Value::Object(fields) = value else { return Ok(false) };
            map_fields(schema, map, fields, set)?;
            Ok(false)
        }
    }
}

fn map_fields(schema: &Schema, map: MapOf<'_>, fields: &Fields, set: &mut FieldSet) -> Result<(), TypeErrors> {
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    if fields.len() > FEW {
        fields.sort_by_key(|(key, _)| *key);
    }
    for (key, field) in fields {
        let element = map.element(key);
        let mut below = FieldSet::default();
        let leaf = match map.type_of(key) {
            Some(ty) => fields_into(schema, ty, field, &mut below).map_err(|e| e.below(&element))?,
            None => true,
        };
        let empty = field.is_null() || field.as_object().is_some_and(Fields::is_empty);
        set.add(element, leaf || empty || !map.has_field(key), below);
    }
    Ok(())
}

/// More members than these are put in order before they go into a set, which moves what comes after a new one.
const FEW: usize = 64;

/// The elements that occur more than once.
fn repeated(elements: &[PathElement]) -> BTreeSet<PathElement> {
    if elements.len() < 2 {
        return BTreeSet::new();
    }
    let mut sorted: Vec<&PathElement> = elements.iter().collect();
    sorted.sort();
    sorted.windows(2).filter(|w| matches!(w, [a, b] if a == b)).map(|w| w[0].clone()).collect()
}
