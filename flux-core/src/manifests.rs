//! Rendered objects and where each came from.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::{Digest, Hasher};
use crate::object::{Object, ObjectId};

/// Where an object came from: the file and line that a person would open to change it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Path in the source's tree.
    pub file: Arc<str>,
    /// Line on which the object starts, from 1; 0 when only the file is known.
    pub line: usize,
    /// What led there, outermost first: overlays, generators, charts. Empty when the file was read directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Arc<str>>,
}

impl Origin {
    /// A place in a file that was read directly.
    pub fn new(file: impl Into<Arc<str>>, line: usize) -> Self {
        Self { file: file.into(), line, chain: Vec::new() }
    }
}

/// `file:line`, and what led there.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.chain.is_empty() {
            write!(f, " (through {})", self.chain.join(" → "))?;
        }
        Ok(())
    }
}

/// One rendered object and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The object.
    pub object: Object,
    /// Where it came from.
    pub origin: Origin,
}

/// The same object rendered twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{second}: {id} is already defined at {first}; an object may be there once")]
pub struct DuplicateObject {
    /// Which object.
    pub id: ObjectId,
    /// Where it stands first.
    pub first: Origin,
    /// Where it stands again.
    pub second: Origin,
}

/// An ordered set of rendered objects. A clone is free.
#[derive(Clone, Debug, Default)]
pub struct Manifests(Arc<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    items: Vec<Manifest>,
    digest: OnceLock<Digest>,
}

impl Manifests {
    /// Objects in the order given.
    pub fn new(items: Vec<Manifest>) -> Self {
        Self(Arc::new(Inner { items, digest: OnceLock::new() }))
    }

    /// The objects in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Manifest> {
        self.0.items.iter()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.items.is_empty()
    }

    /// Each object changed by `change`, origins kept.
    pub fn map(&self, mut change: impl FnMut(&mut Object)) -> Self {
        let mut items = self.0.items.clone();
        items.iter_mut().for_each(|manifest| change(&mut manifest.object));
        Self::new(items)
    }

    /// Checks that no object is there twice.
    ///
    /// # Errors
    /// Names the object and both places.
    pub fn check_unique(&self) -> Result<(), DuplicateObject> {
        let mut seen: HashMap<ObjectId, &Origin> = HashMap::with_capacity(self.len());
        for manifest in self.iter() {
            let id = manifest.object.id();
            if let Some(first) = seen.insert(id, &manifest.origin) {
                return Err(DuplicateObject {
                    id: manifest.object.id(),
                    first: first.clone(),
                    second: manifest.origin.clone(),
                });
            }
        }
        Ok(())
    }

    /// The SHA-256 over all objects in order, each in canonical form: keys sorted. Computed once.
    pub fn digest(&self) -> &Digest {
        self.0.digest.get_or_init(|| {
            let mut hasher = Hasher::default();
            for manifest in self.iter() {
                hasher.field(&canonical(&manifest.object));
            }
            hasher.finish()
        })
    }
}

impl<'a> IntoIterator for &'a Manifests {
    type Item = &'a Manifest;
    type IntoIter = std::slice::Iter<'a, Manifest>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Manifest> for Manifests {
    fn from_iter<I: IntoIterator<Item = Manifest>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}

/// The canonical JSON text of an object: keys sorted, no spaces.
pub(crate) fn canonical(object: &Object) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    write_map(object.as_map(), &mut text);
    text
}

fn write_map(map: &serde_json::Map<String, Value>, text: &mut Vec<u8>) {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    text.push(b'{');
    for (i, (key, value)) in entries.into_iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        write_scalar(key, text);
        text.push(b':');
        write_value(value, text);
    }
    text.push(b'}');
}

fn write_value(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(map) => write_map(map, text),
        Value::Array(items) => {
            text.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(b',');
                }
                write_value(item, text);
            }
            text.push(b']');
        }
        scalar => write_scalar(scalar, text),
    }
}

fn write_scalar<T: serde::Serialize>(value: &T, text: &mut Vec<u8>) {
    // A scalar always has a JSON text and writing to memory does not fail.
    let _ = serde_json::to_writer(text, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(value: Value, line: usize) -> Manifest {
        Manifest { object: Object::from_value(value).unwrap(), origin: Origin::new("a.yaml", line) }
    }

    #[test]
    fn a_duplicate_names_both_places() {
        let one = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "x"}});
        let manifests = Manifests::new(vec![manifest(one.clone(), 1), manifest(one, 7)]);
        let error = manifests.check_unique().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.yaml:7: ConfigMap/x/a is already defined at a.yaml:1; an object may be there once"
        );
    }

    #[test]
    fn the_digest_ignores_the_order_of_keys() {
        let one = json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}});
        let two = json!({"metadata": {"name": "a"}, "kind": "A", "apiVersion": "v1"});
        let (one, two) = (Manifests::new(vec![manifest(one, 1)]), Manifests::new(vec![manifest(two, 2)]));
        assert_eq!(one.digest(), two.digest());
    }
}
