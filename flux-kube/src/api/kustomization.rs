//! `Kustomization`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GoDuration, Metadata};

/// Objects from a source, built and applied: `kustomize.toolkit.fluxcd.io/v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kustomization {
    /// Name, namespace, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: KustomizationSpec,
}

/// What to build and how to apply it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KustomizationSpec {
    /// How often to apply, which repairs drift.
    pub interval: GoDuration,
    /// How long to wait after a run that failed; the interval when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<GoDuration>,
    /// How long a run may take; 30 seconds less than the interval when not given, and 30 seconds at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// The source to follow.
    pub source_ref: CrossNamespaceSourceReference,
    /// The directory to build; the root of the source when not given.
    #[serde(default)]
    pub path: String,
    /// Delete what is no longer in the source.
    pub prune: bool,
    /// Make objects anew whose change the cluster refuses.
    #[serde(default)]
    pub force: bool,
    /// Wait until everything that was applied is ready.
    #[serde(default)]
    pub wait: bool,
    /// Kustomizations that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// The namespace of every namespaced object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// Comes before every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// Comes after every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_suffix: Option<String>,
    /// Patches on top of those in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Images on top of those in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Components on top of those in the source, by relative path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Leave out components whose path is not there.
    #[serde(default)]
    pub ignore_missing_components: bool,
    /// Labels and annotations on every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Do not run at all.
    #[serde(default)]
    pub suspend: bool,
}

/// Fields of `spec` that Flux has and that are not carried out yet.
pub(super) const UNSUPPORTED: &[&str] = &[
    "decryption",
    "kubeConfig",
    "postBuild",
    "deletionPolicy",
    "healthChecks",
    "healthCheckExprs",
    "serviceAccountName",
    "buildMetadata",
    "ignore",
];

/// A source by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossNamespaceSourceReference {
    /// API version; that of the kind when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind, such as `GitRepository`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; that of the Kustomization when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A Kustomization by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DependencyReference {
    /// Name.
    pub name: String,
    /// Namespace; that of the Kustomization that depends when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A patch and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// A strategic merge patch or a JSON patch, as YAML.
    pub patch: String,
    /// The objects it is for; for a strategic merge patch, those it names itself when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// Selects objects; every part that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    /// API group, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// API version, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Kind, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels, in the syntax of label selectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
    /// Annotations, in the syntax of label selectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation_selector: Option<String>,
}

/// An image to replace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// The image as the source names it, without tag.
    pub name: String,
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// Another tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_tag: Option<String>,
    /// A digest; goes before a tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Labels and annotations on every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommonMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
