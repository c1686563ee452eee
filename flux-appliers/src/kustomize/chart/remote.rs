//! Charts that are not in the tree.

/// A chart that a kustomization names and that is not in the tree: kustomize would pull it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteChart<'c> {
    /// The repository: a web address or `oci://…`, to which the name is appended.
    pub repo: &'c str,
    /// The chart's name.
    pub name: &'c str,
    /// Its version, or a range of versions; empty for the latest.
    pub version: &'c str,
    /// Whether versions before a release count as well.
    pub devel: bool,
}
