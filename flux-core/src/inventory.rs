//! The objects that a pipeline owns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::{Object, ObjectId, ObjectRef};

/// The objects that a pipeline owns, each with the API version it was applied at. Serialised as Flux writes
/// `status.inventory`: `{"entries": [{"id": …, "v": …}]}`, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Entries", into = "Entries")]
pub struct Inventory(BTreeMap<ObjectId, String>);

#[derive(Serialize, Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: ObjectId,
    v: String,
}

impl Inventory {
    /// Adds an object, or renews its version.
    pub fn insert(&mut self, object: ObjectRef) {
        self.0.insert(object.id, object.version);
    }

    /// Removes an object.
    pub fn remove(&mut self, id: &ObjectId) {
        self.0.remove(id);
    }

    /// Whether the object is owned.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.0.contains_key(id)
    }

    /// How many objects are owned.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is owned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The objects, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = ObjectRef> {
        self.0.iter().map(|(id, version)| id.clone().at(version))
    }

    /// The objects that are here and not in `other`, whatever their version.
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|(id, _)| !other.contains(id)).map(|(id, v)| (id.clone(), v.clone())).collect())
    }

    /// The objects of both; where both have one, at the version of `other`.
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.0.clone();
        union.extend(other.0.iter().map(|(id, v)| (id.clone(), v.clone())));
        Self(union)
    }
}

impl FromIterator<ObjectRef> for Inventory {
    fn from_iter<I: IntoIterator<Item = ObjectRef>>(objects: I) -> Self {
        Self(objects.into_iter().map(|object| (object.id, object.version)).collect())
    }
}

impl<'a> FromIterator<&'a Object> for Inventory {
    fn from_iter<I: IntoIterator<Item = &'a Object>>(objects: I) -> Self {
        objects.into_iter().map(Object::object_ref).collect()
    }
}

impl From<Entries> for Inventory {
    fn from(entries: Entries) -> Self {
        Self(entries.entries.into_iter().map(|entry| (entry.id, entry.v)).collect())
    }
}

impl From<Inventory> for Entries {
    fn from(inventory: Inventory) -> Self {
        Self { entries: inventory.0.into_iter().map(|(id, v)| Entry { id, v }).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_flux_writes_it() {
        let inventory: Inventory = [ObjectId::new("apps", "Deployment", "web", "app").at("v1")].into_iter().collect();
        let text = serde_json::to_string(&inventory).unwrap();
        assert_eq!(text, r#"{"entries":[{"id":"web_app_apps_Deployment","v":"v1"}]}"#);
        assert_eq!(serde_json::from_str::<Inventory>(&text).unwrap(), inventory);
    }

    #[test]
    fn stale_objects_are_found_whatever_their_version() {
        let a = |v: &str| ObjectId::new("apps", "Deployment", "web", "app").at(v);
        let old: Inventory = [a("v1beta1"), ObjectId::new("", "Service", "web", "app").at("v1")].into_iter().collect();
        let new: Inventory = [a("v1")].into_iter().collect();
        assert_eq!(old.minus(&new).iter().map(|o| o.to_string()).collect::<Vec<_>>(), ["Service/web/app"]);
        assert_eq!(old.union(&new).len(), 2);
    }
}
