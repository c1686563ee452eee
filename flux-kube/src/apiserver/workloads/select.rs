//! Which objects are meant.

use serde_json::Value;

use crate::apiserver::fields::Fields;
use crate::apiserver::verbs::meta_str;

/// Some of the objects that are simulated.
#[derive(Debug, Clone)]
#[must_use]
pub struct Objects {
    kind: String,
    namespace: Option<String>,
    name: Option<String>,
    label: Option<(String, String)>,
    image: Option<String>,
}

impl Objects {
    /// All of this kind.
    pub fn of(kind: &str) -> Self {
        Objects { kind: kind.to_owned(), namespace: None, name: None, label: None, image: None }
    }

    /// Of these, those in this namespace.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Of these, the one of this name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Of these, those with this label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.label = Some((key.to_owned(), value.to_owned()));
        self
    }

    /// Of these, the pods with a container of this image.
    pub fn image(mut self, image: &str) -> Self {
        self.image = Some(image.to_owned());
        self
    }

    pub(super) fn include(&self, object: &Fields) -> bool {
        let is = |wanted: &Option<String>, key: &str| wanted.as_deref().is_none_or(|w| w == meta_str(object, key));
        let label = |(key, value): &(String, String)| {
            let labels = object.get("metadata").and_then(|m| m.get("labels"));
            labels.and_then(|l| l.get(key)).and_then(Value::as_str) == Some(value)
        };
        let image = |image: &String| {
            let containers = object.get("spec").and_then(|s| s.get("containers")).and_then(Value::as_array);
            containers.into_iter().flatten().any(|c| c.get("image").and_then(Value::as_str) == Some(image))
        };
        object.get("kind").and_then(Value::as_str) == Some(&self.kind)
            && is(&self.namespace, "namespace")
            && is(&self.name, "name")
            && self.label.as_ref().is_none_or(label)
            && self.image.as_ref().is_none_or(image)
    }
}
