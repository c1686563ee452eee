//! What a source produces.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::tree::Tree;

/// A revision of a source, in Flux's own form: `main@sha1:<hash>` for Git, `<tag>@sha256:<hash>` for OCI, a version for
/// a chart.
///
/// ```
/// use flux_core::Revision;
/// let revision = Revision::git(Some("main"), "a3f2…");
/// assert_eq!(revision.as_str(), "main@sha1:a3f2…");
/// assert_eq!(revision.name(), Some("main"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(String);

impl Revision {
    /// A revision as written.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A Git revision: the branch, tag or ref name, if one was asked for, and the commit.
    pub fn git(name: Option<&str>, commit: &str) -> Self {
        let algorithm = if commit.len() == 64 { "sha256" } else { "sha1" };
        match name {
            Some(name) => Self(format!("{name}@{algorithm}:{commit}")),
            None => Self(format!("{algorithm}:{commit}")),
        }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name before the `@`, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(name, _)| name)
    }

    /// The hash in hexadecimal, if the revision ends in one.
    pub fn hash(&self) -> Option<&str> {
        let checksum = self.0.rsplit_once('@').map_or(self.0.as_str(), |(_, checksum)| checksum);
        checksum.split_once(':').map(|(_, hash)| hash)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One fetched revision of a source: its files and where they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Which revision this is.
    pub revision: Revision,
    /// The files.
    pub tree: Tree,
    /// What the source knows about it: origin, author, message, chart version.
    pub metadata: BTreeMap<String, String>,
}

impl Artifact {
    /// An artifact without metadata.
    pub fn new(revision: Revision, tree: Tree) -> Self {
        Self { revision, tree, metadata: BTreeMap::new() }
    }

    /// The digest of the files.
    pub fn digest(&self) -> &Digest {
        self.tree.digest()
    }
}
