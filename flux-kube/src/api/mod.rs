//! The Flux documents: the sources and `Kustomization`, as their custom resource definitions have them.
//!
//! Field names, types and defaults are those of `source.toolkit.fluxcd.io/v1` and `kustomize.toolkit.fluxcd.io/v1` in
//! Flux 2.9. A field that Flux has and this library does not carry out yet is an error that says so: it is never ignored.

mod bucket;
mod document;
mod duration;
mod git_repository;
mod helm;
mod kustomization;
mod oci_repository;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bucket::{Bucket, BucketSpec};
pub use document::{Document, DocumentError, Resource, read};
pub use duration::{GoDuration, InvalidDuration};
pub use git_repository::{
    GitRepository, GitRepositoryInclude, GitRepositoryRef, GitRepositorySpec, GitRepositoryVerification,
    LocalObjectReference,
};
pub use helm::{HelmChart, HelmChartSpec, HelmRepository, HelmRepositorySpec, LocalHelmChartSourceReference};
pub use kustomization::{
    BuildMetadata, CommonMetadata, CrossNamespaceSourceReference, CustomHealthCheck, Decryption, DecryptionProvider,
    DeletionPolicy, DependencyReference, HealthCheck, IgnoreRule, Image, KubeConfigReference, Kustomization,
    KustomizationSpec, LocalReference, Patch, PostBuild, SecretKeyReference, Selector, SubstituteKind,
    SubstituteReference, SubstituteStrategy,
};
pub use oci_repository::{OciLayerSelector, OciRepository, OciRepositoryRef, OciRepositorySpec, OciVerification};

/// What of an object's metadata a Flux document uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
