//! Names of kinds and objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Group, version and kind: what the `apiVersion` and `kind` of an object say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// API group; empty for the core group.
    pub group: String,
    /// API version inside the group, such as `v1` or `v1beta1`.
    pub version: String,
    /// Kind in CamelCase, such as `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// A kind from its three parts.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// A kind from an `apiVersion` (`v1`, `apps/v1`) and a `kind`.
    pub fn from_api_version(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::new(group, version, kind)
    }

    /// The `apiVersion` of this kind: `group/version`, or only the version for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            write!(f, "{} {}", self.version, self.kind)
        } else {
            write!(f, "{}/{} {}", self.group, self.version, self.kind)
        }
    }
}

/// The key by which an object is owned: group, kind, namespace and name, whatever its version.
///
/// Its text form is the inventory id that Flux writes, `<namespace>_<name>_<group>_<kind>`, where a `:` in the name
/// (legal in RBAC) is written `__` and empty parts stay empty.
///
/// ```
/// use flux_core::ObjectId;
/// let id = ObjectId::new("apps", "Deployment", "web", "frontend");
/// assert_eq!(id.to_inventory_id(), "web_frontend_apps_Deployment");
/// assert_eq!("web_frontend_apps_Deployment".parse::<ObjectId>()?, id);
/// assert_eq!(id.to_string(), "Deployment/web/frontend");
/// # Ok::<(), flux_core::object::InvalidId>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Namespace; empty for objects of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A text that is not an inventory id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an inventory id; it should read <namespace>_<name>_<group>_<kind>")]
pub struct InvalidId(String);

impl ObjectId {
    /// An id from its four parts.
    pub fn new(
        group: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    /// The id as Flux writes it into `status.inventory.entries[].id`.
    pub fn to_inventory_id(&self) -> String {
        format!("{}_{}_{}_{}", self.namespace, self.name.replace(':', "__"), self.group, self.kind)
    }

    /// This object at an API version: enough to ask a server for it.
    pub fn at(self, version: impl Into<String>) -> ObjectRef {
        ObjectRef { id: self, version: version.into() }
    }
}

impl FromStr for ObjectId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId(text.to_owned());
        let (namespace, rest) = text.split_once('_').ok_or_else(invalid)?;
        let (rest, kind) = rest.rsplit_once('_').ok_or_else(invalid)?;
        let (name, group) = rest.rsplit_once('_').ok_or_else(invalid)?;
        if name.is_empty() || kind.is_empty() {
            return Err(invalid());
        }
        Ok(Self::new(group, kind, namespace, name.replace("__", ":")))
    }
}

/// `Kind/namespace/name`, or `Kind/name` for objects of the cluster: how Flux names objects in events.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_inventory_id())
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An object at one API version: the address of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Which object.
    pub id: ObjectId,
    /// API version inside the group.
    pub version: String,
}

impl ObjectRef {
    /// The kind with its version.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.id.group, &self.version, &self.id.kind)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventory_ids_round_trip() {
        for id in [
            ObjectId::new("", "Namespace", "", "ns1"),
            ObjectId::new("rbac.authorization.k8s.io", "ClusterRole", "", "system:node:reader"),
            ObjectId::new("apps", "Deployment", "web", "a.b-c"),
        ] {
            assert_eq!(id.to_inventory_id().parse::<ObjectId>().as_ref(), Ok(&id));
        }
        assert_eq!(ObjectId::new("", "Namespace", "", "ns1").to_inventory_id(), "_ns1__Namespace");
    }

    #[test]
    fn broken_inventory_ids_are_refused() {
        for text in ["", "a", "a_b", "a_b_c", "___", "ns___Kind"] {
            assert!(text.parse::<ObjectId>().is_err(), "{text}");
        }
    }
}
