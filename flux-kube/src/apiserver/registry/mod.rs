//! What the server serves: kinds, their names and subresources, and discovery of them.

pub(crate) mod builtin;
pub(crate) mod discovery;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use indexmap::{Equivalent, IndexMap};

use crate::apiserver::crd::CustomVersion;
use crate::apiserver::fields::Fields;
use crate::apiserver::schema::{Schema, TypeId};

/// The types of a resource: of the built-in table, or a custom resource's own.
#[derive(Debug, Clone)]
pub(crate) enum Types {
    BuiltIn,
    Custom(Arc<Schema>),
}

impl Types {
    pub(crate) fn schema(&self) -> &Schema {
        match self {
            Types::BuiltIn => Schema::built_in(),
            Types::Custom(schema) => schema,
        }
    }
}

/// A part of a resource under its own path.
#[derive(Debug, Clone)]
pub(crate) struct Subresource {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// The group and version of its kind, where they are not the resource's.
    pub(crate) of: Option<(&'static str, &'static str)>,
    pub(crate) verbs: Vec<&'static str>,
}

/// One resource in one version.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) verbs: Vec<&'static str>,
    pub(crate) subresources: Vec<Subresource>,
    pub(crate) types: Types,
    pub(crate) ty: TypeId,
    /// The version objects are stored in.
    pub(crate) storage_version: String,
    pub(crate) custom: Option<Arc<CustomVersion>>,
    /// `group/version`, or `version` in the core group.
    pub(crate) api_version: String,
    pub(crate) empty: OnceLock<Fields>,
    pub(crate) key: OnceLock<ResourceKey>,
}

impl Resource {
    pub(crate) fn schema(&self) -> &Schema {
        self.types.schema()
    }

    /// An object of the kind with nothing in it but what the API always writes.
    pub(crate) fn empty(&self) -> &Fields {
        self.empty.get_or_init(|| {
            let mut object = Fields::new();
            if self.custom.is_none() {
                // Nothing is of a wrong type in an empty object.
                let _ = crate::apiserver::decode::normalise(self.schema(), self.ty, &mut object);
            }
            object.insert("apiVersion".into(), self.api_version.as_str().into());
            object.insert("kind".into(), self.kind.as_str().into());
            object
        })
    }

    /// Where its objects are stored.
    pub(crate) fn key(&self) -> &ResourceKey {
        self.key.get_or_init(|| {
            // Both kinds of events are the same objects.
            let group = if self.group == "events.k8s.io" { "" } else { &self.group };
            ResourceKey::new(group, &self.plural)
        })
    }

    pub(crate) fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    pub(crate) fn has(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    /// Whether `status` is written through its own endpoint.
    pub(crate) fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }
}

/// A resource whatever its version: where its objects are stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ResourceKey {
    pub(crate) group: Arc<str>,
    pub(crate) plural: Arc<str>,
}

impl ResourceKey {
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        ResourceKey { group: group.into(), plural: plural.into() }
    }
}

/// A key of the registry's maps that owns nothing: group, version and plural or kind.
#[derive(Hash)]
struct Name<'a>(&'a str, &'a str, &'a str);

impl Equivalent<(String, String, String)> for Name<'_> {
    fn equivalent(&self, key: &(String, String, String)) -> bool {
        self.2 == key.2 && self.1 == key.1 && self.0 == key.0
    }
}

/// All that is served now.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    /// By group, version and plural.
    resources: IndexMap<(String, String, String), Arc<Resource>>,
    /// By group, version and kind.
    kinds: IndexMap<(String, String, String), Arc<Resource>>,
    /// The versions of each group, preferred first; groups in the order of discovery.
    groups: Vec<(String, Vec<String>)>,
    custom: BTreeMap<String, Vec<Arc<Resource>>>,
}

/// What every server serves.
static BUILT_IN: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry =
        Registry { resources: IndexMap::new(), kinds: IndexMap::new(), groups: Vec::new(), custom: BTreeMap::new() };
    for resource in builtin::resources() {
        registry.insert(Arc::new(resource));
    }
    registry
});

impl Registry {
    pub(crate) fn new() -> Self {
        BUILT_IN.clone()
    }

    fn insert(&mut self, resource: Arc<Resource>) {
        let (group, version) = (resource.group.clone(), resource.version.clone());
        match self.groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, versions)) if versions.contains(&version) => {}
            Some((_, versions)) => versions.push(version.clone()),
            None => self.groups.push((group.clone(), vec![version.clone()])),
        }
        self.kinds.insert((group.clone(), version.clone(), resource.kind.clone()), resource.clone());
        self.resources.insert((group, version, resource.plural.clone()), resource);
    }

    pub(crate) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&Name(group, version, plural))
    }

    pub(crate) fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.kinds.get(&Name(group, version, kind))
    }

    /// The resource in its storage version or, failing that, in any.
    pub(crate) fn stored(&self, key: &ResourceKey) -> Option<&Arc<Resource>> {
        let mut versions = self.resources.values().filter(|r| r.key() == key);
        let first = versions.next()?;
        if first.version == first.storage_version {
            return Some(first);
        }
        versions.find(|r| r.version == r.storage_version).or(Some(first))
    }

    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|(g, _)| g == group)
    }

    pub(crate) fn has_version(&self, group: &str, version: &str) -> bool {
        self.groups.iter().any(|(g, vs)| g == group && vs.iter().any(|v| v == version))
    }

    pub(crate) fn groups(&self) -> &[(String, Vec<String>)] {
        &self.groups
    }

    /// The resources of a group version, by name.
    pub(crate) fn in_version(&self, group: &str, version: &str) -> Vec<&Arc<Resource>> {
        let mut all: Vec<_> = self.resources.values().filter(|r| r.group == group && r.version == version).collect();
        all.sort_by(|a, b| a.plural.cmp(&b.plural));
        all
    }

    /// Serves the versions of a custom resource definition in place of what it served before.
    pub(crate) fn set_custom(&mut self, definition: &str, resources: Vec<Arc<Resource>>) {
        for old in self.custom.remove(definition).unwrap_or_default() {
            let key = |name: &str| (old.group.clone(), old.version.clone(), name.to_owned());
            self.resources.shift_remove(&key(&old.plural));
            self.kinds.shift_remove(&key(&old.kind));
        }
        for resource in &resources {
            self.insert(resource.clone());
        }
        if !resources.is_empty() {
            self.custom.insert(definition.to_owned(), resources);
        }
        let Registry { groups, resources, custom, .. } = self;
        for (group, versions) in groups.iter_mut() {
            versions.retain(|v| resources.keys().any(|(g, version, _)| g == group && version == v));
            if custom.values().flatten().any(|r| r.group == *group) {
                versions.sort_by(|a, b| crate::apiserver::crd::version_order(b, a));
            }
        }
        groups.retain(|(_, versions)| !versions.is_empty());
    }

    pub(crate) fn custom(&self) -> impl Iterator<Item = (&String, &Vec<Arc<Resource>>)> {
        self.custom.iter()
    }
}
