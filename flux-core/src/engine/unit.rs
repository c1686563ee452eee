//! Names of sources and pipelines.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Names a source or a pipeline: a kind, a namespace (which may be empty) and a name, as the Flux object that describes
/// it has them.
///
/// ```
/// use flux_core::engine::Unit;
/// assert_eq!(Unit::new("GitRepository", "", "my-app").to_string(), "GitRepository/my-app");
/// assert_eq!(Unit::new("Kustomization", "apps", "web").to_string(), "Kustomization/apps/web");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    kind: Arc<str>,
    namespace: Arc<str>,
    name: Arc<str>,
}

impl Unit {
    /// A unit from its parts.
    pub fn new(kind: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    /// Kind, such as `Kustomization`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Namespace; empty when there is none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace() {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind, self.name),
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
