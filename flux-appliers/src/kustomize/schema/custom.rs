//! An OpenAPI document given by a kustomization.

use std::borrow::Cow;
use std::collections::HashMap;

use flux_core::yaml::{self, ReadOptions};
use serde_json::Value;

const KIND: &str = "x-kubernetes-group-version-kind";

/// The definitions of a document, by name, with the kinds they describe.
#[derive(Debug)]
pub(super) struct Definitions {
    definitions: serde_json::Map<String, Value>,
    kinds: HashMap<(String, String), String>,
    namespaced: HashMap<(String, String), bool>,
}

impl Definitions {
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let mut document = yaml::read(text, &ReadOptions::default()).map_err(|error| error.to_string())?;
        let definitions = match document.get_mut("definitions").map(Value::take) {
            Some(Value::Object(definitions)) => definitions,
            _ => serde_json::Map::new(),
        };
        let mut kinds = HashMap::new();
        for (name, definition) in &definitions {
            for kind in definition.get(KIND).and_then(Value::as_array).into_iter().flatten() {
                if let Some(id) = type_meta(kind) {
                    kinds.insert(id, name.clone());
                }
            }
        }
        Ok(Self { definitions, kinds, namespaced: scopes(&document) })
    }

    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Value> {
        self.definitions.get(self.kinds.get(&(api_version.to_owned(), kind.to_owned()))?)
    }

    pub(super) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        self.namespaced.get(&(api_version.to_owned(), kind.to_owned())) == Some(&false)
    }

    pub(super) fn field<'s>(&'s self, schema: &'s Value, name: &str) -> Option<&'s Value> {
        let named = schema.get("properties").and_then(|properties| properties.get(name));
        self.resolve(named.or_else(|| schema.get("additionalProperties").filter(|extra| extra.is_object()))?)
    }

    pub(super) fn items<'s>(&'s self, schema: &'s Value) -> Option<&'s Value> {
        if schema.get("type").and_then(Value::as_str) != Some("array") {
            return None;
        }
        self.resolve(schema.get("items")?)
    }

    /// Follows references, as long as a chain of them can be without a cycle.
    fn resolve<'s>(&'s self, mut schema: &'s Value) -> Option<&'s Value> {
        for _ in 0..=self.definitions.len() {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Some(schema) };
            schema = self.definitions.get(reference.strip_prefix("#/definitions/")?)?;
        }
        None
    }
}

/// The keys that a list is merged by; `None` where a patch replaces the list.
pub(super) fn merge_keys(schema: &Value) -> Option<Vec<Cow<'_, str>>> {
    let strategy = schema.get("x-kubernetes-patch-strategy")?.as_str()?;
    if !strategy.split(',').any(|one| one == "merge") {
        return None;
    }
    if let Some(keys) = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array) {
        return Some(keys.iter().filter_map(Value::as_str).map(Cow::Borrowed).collect());
    }
    let key = schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
    Some(key.into_iter().filter(|key| !key.is_empty()).map(Cow::Borrowed).collect())
}

fn type_meta(kind: &Value) -> Option<(String, String)> {
    let version = kind.get("version")?.as_str()?;
    let group = kind.get("group").and_then(Value::as_str).unwrap_or_default();
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some((api_version, kind.get("kind")?.as_str()?.to_owned()))
}

/// Whether each kind that can be read has a namespace in its path.
fn scopes(document: &Value) -> HashMap<(String, String), bool> {
    let mut scopes = HashMap::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        let Some(id) = item.get("get").and_then(|get| get.get(KIND)).and_then(type_meta) else { continue };
        let namespaced = path.contains("namespaces/{namespace}");
        scopes.entry(id).and_modify(|known| *known |= namespaced).or_insert(namespaced);
    }
    scopes
}
