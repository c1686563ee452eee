//! How resources are told apart.

use std::fmt;

use smol_str::SmolStr;

use super::schema::Schema;

/// Group, version and kind. Short texts are cheap to copy, and ids are copied a lot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Gvk {
    pub(super) group: SmolStr,
    pub(super) version: SmolStr,
    pub(super) kind: SmolStr,
}

/// Splits `apps/v1`; a version alone has no group.
pub(super) fn split_api_version(api_version: &str) -> (&str, &str) {
    let slash = api_version.bytes().position(|byte| byte == b'/');
    slash.and_then(|at| Some((api_version.get(..at)?, api_version.get(at + 1..)?))).unwrap_or(("", api_version))
}

impl Gvk {
    pub(super) fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = split_api_version(api_version);
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// True where every part that `selector` names is equal.
    pub(super) fn is_selected(&self, selector: &Gvk) -> bool {
        (selector.group.is_empty() || selector.group == self.group)
            && (selector.version.is_empty() || selector.version == self.version)
            && (selector.kind.is_empty() || selector.kind == self.kind)
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &'_ str, none: &'static str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
        write!(f, "{}.{}.{}", or(&self.kind, "[noKind]"), or(&self.version, "[noVer]"), or(&self.group, "[noGrp]"))
    }
}

/// What kustomize groups resources without a namespace under.
pub(super) const NO_NAMESPACE: &str = "_non_namespaceable_";

/// The namespace of what names none.
const DEFAULT: &str = "default";

/// One resource's identity at some point of the build.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Id {
    pub(super) gvk: Gvk,
    pub(super) name: SmolStr,
    pub(super) namespace: SmolStr,
    /// Known to have no namespace.
    pub(super) cluster_scoped: bool,
}

impl Id {
    pub(super) fn new(gvk: Gvk, name: &str, namespace: &str, schema: &Schema) -> Self {
        let cluster_scoped = schema.is_cluster_scoped(&gvk.api_version(), &gvk.kind);
        Self { gvk, name: name.into(), namespace: namespace.into(), cluster_scoped }
    }

    /// The namespace with the default written out.
    pub(super) fn effective_namespace(&self) -> &str {
        if self.cluster_scoped {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            DEFAULT
        } else {
            &self.namespace
        }
    }

    pub(super) fn same_namespace(&self, other: &Id) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    /// What makes two ids equal: as a key for maps.
    pub(super) fn key(&self) -> (Gvk, SmolStr, SmolStr) {
        let namespace = if self.cluster_scoped || self.namespace.is_empty() {
            SmolStr::new_static(if self.cluster_scoped { NO_NAMESPACE } else { DEFAULT })
        } else {
            self.namespace.clone()
        };
        (self.gvk.clone(), self.name.clone(), namespace)
    }

    /// True where every part that `selector` names is equal.
    pub(super) fn is_selected_by(&self, selector: &Id) -> bool {
        (selector.name.is_empty() || selector.name == self.name)
            && (selector.namespace.is_empty() || selector.same_namespace(self))
            && self.gvk.is_selected(&selector.gvk)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "[noName]" } else { &self.name };
        let namespace = if self.namespace.is_empty() { "[noNs]" } else { &self.namespace };
        write!(f, "{}/{name}.{namespace}", self.gvk)
    }
}
