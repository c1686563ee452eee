//! Schema knowledge: which lists are merged and by which keys, and which kinds have no namespace.
//!
//! The built-in kinds come from a generated table of Kubernetes 1.21, the version that kustomize v5.8.1 carries; a
//! kustomization's `openapi` field replaces it with definitions of its own.

mod builtin;
mod custom;
mod table;

use std::borrow::Cow;
use std::sync::Arc;

use builtin::Field;
use custom::Definitions;

/// The schema of one build.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    custom: Option<Arc<Definitions>>,
}

/// The schema of one node.
#[derive(Debug, Clone)]
pub(super) enum NodeSchema<'s> {
    /// An object of a built-in definition.
    Object(u16),
    /// A map of objects of a built-in definition.
    Map(u16),
    /// A built-in list that patches replace.
    Atomic(u16),
    /// A built-in list that patches merge.
    Merged(&'static [&'static str], Option<u16>),
    /// A node of a custom definition.
    Custom(&'s Definitions, &'s serde_json::Value),
}

impl Schema {
    /// The schema of an OpenAPI document, JSON or YAML.
    pub(super) fn custom(text: &[u8]) -> Result<Self, String> {
        Ok(Self { custom: Some(Arc::new(Definitions::read(text)?)) })
    }

    /// The schema of a kind.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<NodeSchema<'_>> {
        match &self.custom {
            Some(custom) => custom.of_kind(api_version, kind).map(|schema| NodeSchema::Custom(custom, schema)),
            None => builtin::definition(api_version, kind).map(NodeSchema::Object),
        }
    }

    /// True for a kind that is known to have no namespace.
    pub(super) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        if builtin::is_cluster_scoped(api_version, kind) {
            return true;
        }
        self.custom.as_ref().is_some_and(|custom| custom.is_cluster_scoped(api_version, kind))
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
                    Field::Map(definition) => NodeSchema::Map(definition),
                    Field::List(definition) => NodeSchema::Atomic(definition),
                    Field::Merged(keys, items) => NodeSchema::Merged(keys, items),
                })
            }
            NodeSchema::Map(definition) => Some(NodeSchema::Object(*definition)),
            NodeSchema::Custom(custom, schema) => {
                custom.field(schema, name).map(|schema| NodeSchema::Custom(custom, schema))
            }
            NodeSchema::Atomic(_) | NodeSchema::Merged(..) => None,
        }
    }

    /// The schema of the items of a list.
    pub(super) fn items(&self) -> Option<NodeSchema<'s>> {
        match self {
            NodeSchema::Atomic(definition) | NodeSchema::Merged(_, Some(definition)) => {
                Some(NodeSchema::Object(*definition))
            }
            NodeSchema::Custom(custom, schema) => custom.items(schema).map(|schema| NodeSchema::Custom(custom, schema)),
            _ => None,
        }
    }

    /// The keys that a list is merged by, none for scalars; `None` where a patch replaces the list.
    pub(super) fn merge_keys(&self) -> Option<Vec<Cow<'s, str>>> {
        match self {
            NodeSchema::Merged(keys, _) => Some(keys.iter().map(|key| Cow::Borrowed(*key)).collect()),
            NodeSchema::Custom(_, schema) => custom::merge_keys(schema),
            _ => None,
        }
    }
}
