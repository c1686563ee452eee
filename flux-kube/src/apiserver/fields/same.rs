//! Whether a value mentions exactly the fields of a set, found out without making its own set: most applies mention the
//! fields that they mentioned the last time.

use serde_json::Value;

use super::element::{PathElement, equal_values};
use super::set::{FieldSet, Node};
use super::typed::{Atom, Fields, MapOf, atom, item_element, key_default, root};
use crate::apiserver::schema::{List, ListKind, Schema, Type, TypeId};

/// Whether the fields that `object` mentions, less those that are never owned, are those of `set`.
pub(super) fn mentions_exactly(schema: &Schema, ty: TypeId, object: &Fields, set: &FieldSet, never: &FieldSet) -> bool {
    map(schema, root(schema, ty), object, set, Some(never)).is_some()
}

/// What a value that fits the set is in it: a leaf, and whether anything below it is in the set.
struct Fit {
    leaf: bool,
    below: bool,
}

fn value(schema: &Schema, ty: TypeId, v: &Value, set: &FieldSet, never: Option<&FieldSet>) -> Option<Fit> {
    let leaf = || set.is_empty().then_some(Fit { leaf: true, below: false });
    let nothing = || set.is_empty().then_some(Fit { leaf: false, below: false });
    match (atom(schema, ty, v), v) {
        (Atom::Scalar(_), _) => leaf(),
        (Atom::List(list), v) => {
            let Some(list) = list.associative() else { return leaf() };
            let Value::Array(items) = v else { return nothing() };
            // What occurs twice is somebody else's to refuse.
            if items.len() != set.nodes().len() {
                return None;
            }
            for item in items {
                let node = node_of(schema, list, item, set)?;
                value(schema, list.element, item, &node.children, None)?;
                if !node.member {
                    return None;
                }
            }
            Some(Fit { leaf: false, below: !items.is_empty() })
        }
        (Atom::Map(of), _) if of.atomic() => leaf(),
        (Atom::Map(of), Value::Object(fields)) => {
            map(schema, of, fields, set, never).map(|below| Fit { leaf: false, below })
        }
        (Atom::Map(_), _) => nothing(),
    }
}

/// `Some` if the map fits, with whether anything of it is in the set.
fn map(schema: &Schema, of: MapOf<'_>, fields: &Fields, set: &FieldSet, never: Option<&FieldSet>) -> Option<bool> {
    static EMPTY: FieldSet = FieldSet::EMPTY;
    let mut found = 0;
    for (key, v) in fields {
        let node = set.field(key);
        let children = node.map_or(&EMPTY, |n| &n.children);
        let unowned = never.and_then(|n| n.field(key));
        let fit = match of.type_of(key) {
            Some(ty) => value(schema, ty, v, children, unowned.map(|n| &n.children))?,
            None if children.is_empty() => Fit { leaf: true, below: false },
            None => return None,
        };
        let empty = v.is_null() || v.as_object().is_some_and(Fields::is_empty);
        let member = (fit.leaf || empty || !of.has_field(key)) && !unowned.is_some_and(|n| n.member);
        match node {
            Some(node) if node.member == member => found += 1,
            None if !member && !fit.below => {}
            _ => return None,
        }
    }
    (found == set.nodes().len()).then_some(found > 0)
}

/// The node that stands for a list's item.
fn node_of<'s>(schema: &Schema, list: &List, item: &Value, set: &'s FieldSet) -> Option<&'s Node> {
    const FEW: usize = 16;
    if set.nodes().len() > FEW {
        return set.get(&item_element(schema, list, item).ok()?);
    }
    set.nodes().iter().find(|node| is_element(schema, list, item, &node.element))
}

fn is_element(schema: &Schema, list: &List, item: &Value, element: &PathElement) -> bool {
    match (&list.kind, element) {
        (ListKind::Set, PathElement::Value(v)) => equal_values(v, item),
        (ListKind::Map(keys), PathElement::Key(found)) => {
            let fields = match schema.get(list.element) {
                Type::Map(m) => Some(m),
                _ => None,
            };
            let mut known = 0;
            for key in keys {
                let default;
                let value = match item.get(&**key) {
                    Some(v) => Some(v),
                    None => {
                        default = fields.and_then(|m| m.field(key)).and_then(|f| key_default(schema, f));
                        default.as_ref()
                    }
                };
                let Some(value) = value else { continue };
                if !found.iter().any(|(name, v)| name == key && equal_values(v, value)) {
                    return false;
                }
                known += 1;
            }
            known == found.len() && known > 0
        }
        _ => false,
    }
}
