//! Schema knowledge: which lists are merged and by which keys, and which kinds have no namespace.
//!
//! The built-in kinds come from a generated table of Kubernetes 1.21, the version that kustomize v5.8.1 carries; a
//! kustomization's `openapi` field replaces it with definitions of its own.

mod builtin;
mod custom;
mod table;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use smol_str::SmolStr;

use builtin::Field;
use custom::{CustomSchema, Definitions};

/// How many kinds are kept whose scope is known.
const KINDS: usize = 64;

/// The schema of one build.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    custom: Option<Arc<Definitions>>,
    /// A kind was asked for that the built-in schema does not have. Kustomize then reads that schema besides a custom
    /// one, and otherwise reads the custom one alone.
    asked_for_unknown: Cell<bool>,
    /// The kinds that were asked for, with whether they are known to have no namespace: a build has few kinds and many
    /// objects.
    scopes: RefCell<Vec<(SmolStr, SmolStr, bool)>>,
}

/// The schema of one node.
#[derive(Debug, Clone)]
pub(super) enum NodeSchema<'s> {
    /// An object of a built-in definition.
    Object(u16),
    /// A built-in list that patches replace.
    Atomic(u16),
    /// A built-in list that patches merge.
    Merged(&'static [&'static str], Option<u16>),
    /// A node of a custom definition.
    Custom(CustomSchema<'s>),
}

impl Schema {
    /// The schema of an OpenAPI document, JSON or YAML, in place of this one.
    pub(super) fn with_custom(&self, text: &[u8]) -> Result<Self, String> {
        let custom = Definitions::read(text, self.asked_for_unknown.get())?;
        let asked_for_unknown = self.asked_for_unknown.clone();
        Ok(Self { custom: Some(Arc::new(custom)), asked_for_unknown, scopes: RefCell::default() })
    }

    /// The schema of a kind.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<NodeSchema<'_>> {
        match &self.custom {
            Some(custom) => custom.of_kind(api_version, kind),
            None => {
                self.asked_for_unknown.set(true);
                builtin::definition(api_version, kind).map(NodeSchema::Object)
            }
        }
    }

    /// True for a kind that is known to have no namespace.
    pub(super) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        let mut scopes = self.scopes.borrow_mut();
        if let Some((.., known)) = scopes.iter().find(|(v, k, _)| k == kind && v == api_version) {
            return *known;
        }
        let found = self.look_up_scope(api_version, kind);
        if scopes.len() < KINDS {
            scopes.push((api_version.into(), kind.into(), found));
        }
        found
    }

    fn look_up_scope(&self, api_version: &str, kind: &str) -> bool {
        if builtin::is_cluster_scoped(api_version, kind) {
            return true;
        }
        match &self.custom {
            Some(custom) => custom.is_cluster_scoped(api_version, kind),
            None => {
                if !self.asked_for_unknown.get() && builtin::definition(api_version, kind).is_none() {
                    self.asked_for_unknown.set(true);
                }
                false
            }
        }
    }
}

impl<'s> NodeSchema<'s> {
    /// The schema of a field.
    pub(super) fn field(&self, name: &str) -> Option<NodeSchema<'s>> {
        match self {
            NodeSchema::Object(definition) => {
                let fields = builtin::fields(*definition);
                let found = fields.binary_search_by(|(field, _)| (*field).cmp(name)).ok()?;
                Some(match fields.get(found)?.1 {
                    Field::Object(definition) => NodeSchema::Object(definition),
                    Field::List(definition) => NodeSchema::Atomic(definition),
                    Field::Merged(keys, items) => NodeSchema::Merged(keys, items),
                })
            }
            NodeSchema::Custom(schema) => schema.field(name),
            NodeSchema::Atomic(_) | NodeSchema::Merged(..) => None,
        }
    }

    /// The schema of the items of a list.
    pub(super) fn items(&self) -> Option<NodeSchema<'s>> {
        match self {
            NodeSchema::Atomic(definition) | NodeSchema::Merged(_, Some(definition)) => {
                Some(NodeSchema::Object(*definition))
            }
            NodeSchema::Custom(schema) => schema.items(),
            _ => None,
        }
    }

    /// The keys that a list is merged by, none for scalars; `None` where a patch replaces the list.
    pub(super) fn merge_keys(&self) -> Option<Vec<Cow<'s, str>>> {
        match self {
            NodeSchema::Merged(keys, _) => Some(keys.iter().map(|key| Cow::Borrowed(*key)).collect()),
            NodeSchema::Custom(schema) => schema.merge_keys(),
            _ => None,
        }
    }
}
