//! `GitRepository`.

use serde::{Deserialize, Serialize};

use super::{GoDuration, Metadata};

/// A Git repository to follow: `source.toolkit.fluxcd.io/v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GitRepository {
    /// Name, namespace, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: GitRepositorySpec,
}

/// What to follow and how often to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitRepositorySpec {
    /// Where the repository is: `https://`, `http://`, `git://`, `file://` or a local path.
    pub url: String,
    /// How often to look for a new revision.
    pub interval: GoDuration,
    /// How long a fetch may take; 60 seconds when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// What to check out; the branch `master` when not given.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitRepositoryRef>,
    /// Which files to leave out, in the syntax of `.gitignore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Do not look at all.
    #[serde(default)]
    pub suspend: bool,
}

/// Fields of `spec` that Flux has and that are not carried out, and why.
pub(super) const UNSUPPORTED: &[(&str, &str)] = &[
    ("secretRef", "is not supported yet; leave it out"),
    ("provider", "is not supported yet; leave it out"),
    ("serviceAccountName", "is not supported yet; leave it out"),
    ("proxySecretRef", "is not supported yet; leave it out"),
    ("verify", "is not supported yet; leave it out"),
    ("recurseSubmodules", "is not supported yet; leave it out"),
    ("include", "is not supported yet; leave it out"),
    ("sparseCheckout", "is not supported yet; leave it out"),
];

/// Which commit of a repository is wanted. Of several fields the most exact wins, as in Flux:
/// commit, name, tag, semver, branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitRepositoryRef {
    /// The head of a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The highest tag in a range of versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A ref by its full name, such as `refs/pull/1/head`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A commit by its hash; with a branch, one on that branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}
