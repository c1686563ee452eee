//! The types of objects: what fields they have, how lists and maps merge, and what is written when empty.
//!
//! Built-in types come from `types.txt`, a compact table that `generate.py` writes from registry data; the types of
//! custom resources are made from their OpenAPI schema (see [`crate::apiserver::crd`]). Both end up in a [`Schema`],
//! an arena of [`Type`]s that server-side apply, strategic merge, defaulting and decoding all walk.

mod load;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

/// The index of a [`Type`] in its [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TypeId(u32);

/// An arena of types; types refer to each other by [`TypeId`], so they may be recursive.
#[derive(Debug)]
pub(crate) struct Schema {
    types: Vec<Type>,
    names: HashMap<Box<str>, TypeId>,
}

/// What a value may be.
#[derive(Debug, Clone)]
pub(crate) enum Type {
    /// A string, number or boolean.
    Scalar(Scalar),
    /// A list.
    List(List),
    /// A map or a struct.
    Map(Map),
    /// Any value; lists and maps in it are atomic.
    Any,
    /// Any value; lists in it are atomic, maps merge key by key.
    Deduced,
}

/// The scalar types that differ in how they are checked or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Int32,
    Int64,
    Number,
    Boolean,
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    Bytes,
}

/// A list and how its elements are told apart.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) element: TypeId,
    pub(crate) kind: ListKind,
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone)]
pub(crate) enum ListKind {
    Atomic,
    Set,
    Map(Box<[Arc<str>]>),
}

/// A struct (named fields), a map (an element type) or both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    pub(crate) name: Box<str>,
    pub(crate) atomic: bool,
    /// Sorted by name.
    pub(crate) fields: Vec<Field>,
    /// Which of them are written even when they are empty.
    always: Vec<u16>,
    pub(crate) element: Option<TypeId>,
}

/// One field of a struct.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) ty: TypeId,
    /// A pointer in Go: a zero value is kept, only null is dropped.
    pub(crate) pointer: bool,
    /// Written even when it is empty.
    pub(crate) always: bool,
    pub(crate) required: bool,
    pub(crate) default: Option<Value>,
    pub(crate) patch: PatchStrategy,
    /// The number in protocol buffers, after those of the messages it is inlined from.
    pub(crate) proto: Box<[u32]>,
}

/// `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PatchStrategy {
    pub(crate) merge: bool,
    pub(crate) retain_keys: bool,
    pub(crate) key: Option<Box<str>>,
}

static BUILT_IN: LazyLock<Schema> = LazyLock::new(load::built_in);

impl Schema {
    /// The built-in types of Kubernetes.
    pub(crate) fn built_in() -> &'static Schema {
        &BUILT_IN
    }

    /// A schema that has the types every custom resource needs: metadata, and the types it is made of.
    pub(crate) fn with_metadata() -> Schema {
        let mut out = Schema { types: Vec::new(), names: HashMap::new() };
        let mut seen = HashMap::new();
        for name in ["meta.v1.ObjectMeta", "autoscaling.v1.Scale"] {
            if let Some(id) = BUILT_IN.named(name) {
                let id = out.import(&BUILT_IN, id, &mut seen);
                out.names.insert(name.into(), id);
            }
        }
        out
    }

    fn import(&mut self, from: &Schema, id: TypeId, seen: &mut HashMap<TypeId, TypeId>) -> TypeId {
        if let Some(done) = seen.get(&id) {
            return *done;
        }
        let new = self.add(Type::Any);
        seen.insert(id, new);
        let ty = match from.get(id) {
            Type::List(l) => Type::List(List { element: self.import(from, l.element, seen), kind: l.kind.clone() }),
            Type::Map(m) => {
                let mut m = m.clone();
                for f in &mut m.fields {
                    f.ty = self.import(from, f.ty, seen);
                }
                m.element = m.element.map(|e| self.import(from, e, seen));
                Type::Map(m)
            }
            other => other.clone(),
        };
        self.set(new, ty);
        new
    }

    /// The type of that short name, such as `apps.v1.Deployment`.
    pub(crate) fn named(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).unwrap_or(&Type::Any)
    }

    pub(crate) fn add(&mut self, ty: Type) -> TypeId {
        self.types.push(ty);
        TypeId(self.types.len() as u32 - 1)
    }

    pub(crate) fn set(&mut self, id: TypeId, ty: Type) {
        if let Some(slot) = self.types.get_mut(id.0 as usize) {
            *slot = ty;
        }
    }

    fn name(&mut self, name: &str, id: TypeId) {
        self.names.insert(name.into(), id);
    }

    /// The names of all types, in no order.
    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, TypeId)> {
        self.names.iter().map(|(n, id)| (&**n, *id))
    }
}

impl Map {
    /// A map of elements of one type.
    pub(crate) fn of(element: Option<TypeId>, atomic: bool) -> Self {
        Map { element, atomic, ..Map::default() }
    }

    /// A struct with these fields.
    pub(crate) fn with_fields(mut self, mut fields: Vec<Field>) -> Self {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let always = fields.iter().enumerate().filter(|(_, f)| f.always);
        self.always = always.filter_map(|(i, _)| u16::try_from(i).ok()).collect();
        self.fields = fields;
        self
    }

    /// The fields that are written even when they are empty.
    pub(crate) fn always(&self) -> impl Iterator<Item = &Field> {
        self.always.iter().filter_map(|i| self.fields.get(usize::from(*i)))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|f| (*f.name).cmp(name)).ok().and_then(|i| self.fields.get(i))
    }

    /// The type of the value under `key`, if the map may have it.
    pub(crate) fn type_of(&self, key: &str) -> Option<TypeId> {
        self.field(key).map(|f| f.ty).or(self.element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_loads_and_refers_only_to_known_types() {
        let schema = Schema::built_in();
        let Some(Type::Map(port)) = schema.named("core.v1.ServicePort").map(|id| schema.get(id)) else { panic!() };
        let protocol = port.field("protocol").unwrap();
        assert_eq!(protocol.default, Some(Value::from("TCP")));
        assert!(!protocol.pointer && !protocol.always);
        let Some(Type::Map(spec)) = schema.named("core.v1.ServiceSpec").map(|id| schema.get(id)) else { panic!() };
        let Type::List(ports) = schema.get(spec.field("ports").unwrap().ty) else { panic!() };
        assert!(matches!(&ports.kind, ListKind::Map(keys) if keys.len() == 2));
        assert!(schema.names().count() > 400);
    }
}
