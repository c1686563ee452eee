//! The object model: one Kubernetes object as ordered JSON.

mod field;
mod id;
mod managers;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::manifests::canonical;

pub use field::{FieldPath, InvalidFieldPath, Step};
pub use id::{Gvk, InvalidId, ObjectId, ObjectRef};
pub use managers::{FieldManager, managers_of};

/// One Kubernetes object: ordered JSON with typed access to what every object has.
///
/// A clone shares the content; the first change to a shared object copies it. `Debug` and `Display` show which object
/// it is and never its content, which may be secret.
///
/// ```
/// use flux_core::Object;
/// let object = Object::from_value(serde_json::json!({
///     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}},
/// }))?;
/// assert_eq!(object.gvk().group, "apps");
/// assert_eq!(object.label("app"), Some("web"));
/// assert_eq!(object.to_string(), "Deployment/web");
/// # Ok::<(), flux_core::object::InvalidObject>(())
/// ```
#[derive(Clone)]
pub struct Object(Arc<Map<String, Value>>);

/// A value that is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidObject {
    /// The field that is missing or wrong.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Object {
    /// An object from JSON. It must be a map with a non-empty `apiVersion` and `kind`; where there are `metadata`,
    /// names, labels and annotations, they must be of the type that the API gives them.
    ///
    /// # Errors
    /// Names the first field that is missing or of the wrong type.
    pub fn from_value(value: Value) -> Result<Self, InvalidObject> {
        let Value::Object(map) = value else {
            return Err(InvalidObject { field: "object", problem: "must be a map" });
        };
        Self::from_map(map)
    }

    /// As [`from_value`](Self::from_value), from a map.
    ///
    /// # Errors
    /// Names the first field that is missing or of the wrong type.
    pub fn from_map(map: Map<String, Value>) -> Result<Self, InvalidObject> {
        check(&map)?;
        Ok(Self(Arc::new(map)))
    }

    /// As [`from_map`](Self::from_map), sharing the content.
    ///
    /// # Errors
    /// Names the first field that is missing or of the wrong type.
    pub fn from_shared(map: Arc<Map<String, Value>>) -> Result<Self, InvalidObject> {
        check(&map)?;
        Ok(Self(map))
    }

    /// The whole content, to share.
    pub fn shared(&self) -> Arc<Map<String, Value>> {
        Arc::clone(&self.0)
    }

    /// The whole content.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The whole content, to change. A shared object is copied first. `apiVersion`, `kind` and the types inside
    /// `metadata` must stay what they are in an object.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        Arc::make_mut(&mut self.0)
    }

    /// The whole content as a JSON value; copies only where the object is shared.
    pub fn into_value(self) -> Value {
        Value::Object(Arc::try_unwrap(self.0).unwrap_or_else(|shared| (*shared).clone()))
    }

    /// Whether both are the same shared content: equal without looking.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// `apiVersion` as written.
    pub fn api_version(&self) -> &str {
        self.text("apiVersion")
    }

    /// `kind` as written.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::from_api_version(self.api_version(), self.kind())
    }

    /// `metadata.name`, empty when there is none.
    pub fn name(&self) -> &str {
        self.metadata_text("name").unwrap_or_default()
    }

    /// `metadata.namespace`, if there is a non-empty one.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata_text("namespace").filter(|namespace| !namespace.is_empty())
    }

    /// `metadata.uid`, on objects that a server has stored.
    pub fn uid(&self) -> Option<&str> {
        self.metadata_text("uid")
    }

    /// `metadata.resourceVersion`, on objects that a server has stored.
    pub fn resource_version(&self) -> Option<&str> {
        self.metadata_text("resourceVersion")
    }

    /// `metadata.deletionTimestamp`, on objects that are being deleted.
    pub fn deletion_timestamp(&self) -> Option<&str> {
        self.metadata_text("deletionTimestamp")
    }

    /// `metadata.generation`, on objects that a server has stored.
    pub fn generation(&self) -> Option<i64> {
        self.metadata()?.get("generation")?.as_i64()
    }

    /// `metadata`, if there is one.
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.0.get("metadata")?.as_object()
    }

    /// `metadata`, to change; made if there is none.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        child_map(self.as_map_mut(), "metadata")
    }

    /// One label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata()?.get("labels")?.get(key)?.as_str()
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata()?.get("annotations")?.get(key)?.as_str()
    }

    /// All labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text_map("labels")
    }

    /// All annotations.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text_map("annotations")
    }

    /// Sets one label.
    pub fn set_label(&mut self, key: impl Into<String>, value: impl Into<String>) {
        child_map(self.metadata_mut(), "labels").insert(key.into(), Value::String(value.into()));
    }

    /// Sets one annotation.
    pub fn set_annotation(&mut self, key: impl Into<String>, value: impl Into<String>) {
        child_map(self.metadata_mut(), "annotations").insert(key.into(), Value::String(value.into()));
    }

    /// Sets `metadata.namespace`.
    pub fn set_namespace(&mut self, namespace: impl Into<String>) {
        self.metadata_mut().insert("namespace".into(), Value::String(namespace.into()));
    }

    /// A value by JSON pointer (RFC 6901), such as `/spec/replicas`.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        let mut parts = pointer.strip_prefix('/')?.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
        let mut value = self.0.get(&parts.next()?)?;
        for part in parts {
            value = match value {
                Value::Object(map) => map.get(&part)?,
                Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The ownership key.
    pub fn id(&self) -> ObjectId {
        let gvk = self.gvk();
        ObjectId::new(gvk.group, gvk.kind, self.namespace().unwrap_or_default(), self.name())
    }

    /// The address of this object at its own API version.
    pub fn object_ref(&self) -> ObjectRef {
        let gvk = self.gvk();
        ObjectId::new(gvk.group, gvk.kind, self.namespace().unwrap_or_default(), self.name()).at(gvk.version)
    }

    /// Whether this is a core `v1` Secret, whose content is masked wherever it is shown.
    pub fn is_secret(&self) -> bool {
        self.kind() == "Secret" && self.api_version() == "v1"
    }

    /// The SHA-256 over the content in canonical form: keys sorted.
    pub fn digest(&self) -> Digest {
        Digest::sha256(&canonical(self))
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn metadata_text(&self, field: &str) -> Option<&str> {
        self.metadata()?.get(field)?.as_str()
    }

    fn text_map(&self, field: &str) -> impl Iterator<Item = (&str, &str)> {
        self.metadata()
            .and_then(|metadata| metadata.get(field)?.as_object())
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }
}

/// The map under `key`, made when there is none or when it is something else.
fn child_map<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(child) => child,
        _ => unreachable!("the slot was just made a map"),
    }
}

fn check(map: &Map<String, Value>) -> Result<(), InvalidObject> {
    for field in ["apiVersion", "kind"] {
        match map.get(field) {
            None | Some(Value::Null) => return Err(InvalidObject { field, problem: "is missing" }),
            Some(Value::String(text)) if text.is_empty() => return Err(InvalidObject { field, problem: "is empty" }),
            Some(Value::String(_)) => {}
            Some(_) => return Err(InvalidObject { field, problem: "must be a string" }),
        }
    }
    let metadata = match map.get("metadata") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err(InvalidObject { field: "metadata", problem: "must be a map" }),
    };
    for (field, key) in [
        ("metadata.name", "name"),
        ("metadata.namespace", "namespace"),
        ("metadata.uid", "uid"),
        ("metadata.resourceVersion", "resourceVersion"),
    ] {
        if !matches!(metadata.get(key), None | Some(Value::Null | Value::String(_))) {
            return Err(InvalidObject { field, problem: "must be a string" });
        }
    }
    for (field, key) in [("metadata.labels", "labels"), ("metadata.annotations", "annotations")] {
        match metadata.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) if entries.values().all(|v| v.is_string() || v.is_null()) => {}
            Some(_) => return Err(InvalidObject { field, problem: "must be a map of strings" }),
        }
    }
    Ok(())
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.ptr_eq(other) || self.0 == other.0
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} {})", self.api_version(), self.id())
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_map(Map::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_an_object_is_refused_by_field() {
        for (value, field) in [
            (json!([]), "object"),
            (json!({"kind": "A"}), "apiVersion"),
            (json!({"apiVersion": "v1", "kind": ""}), "kind"),
            (json!({"apiVersion": "v1", "kind": 1}), "kind"),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": []}), "metadata"),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": 1}}), "metadata.name"),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": {"labels": {"a": true}}}), "metadata.labels"),
        ] {
            assert_eq!(Object::from_value(value).map_err(|e| e.field), Err(field));
        }
    }

    #[test]
    fn a_change_to_a_clone_leaves_the_original() {
        let one =
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).unwrap();
        let mut two = one.clone();
        two.set_label("x", "y");
        assert_eq!(one.label("x"), None);
        assert_eq!(two.label("x"), Some("y"));
        assert_ne!(one, two);
    }

    #[test]
    fn debug_never_shows_content() {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "Y2FuYXJ5"}});
        let shown = format!("{0:?} {0}", Object::from_value(secret).unwrap());
        assert_eq!(shown, "Object(v1 Secret/a) Secret/a");
    }
}
