//! `HelmRepository` and `HelmChart`.

use serde::{Deserialize, Serialize};

use super::{GoDuration, LocalObjectReference, Metadata, OciVerification};

/// Where charts are: `source.toolkit.fluxcd.io/v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HelmRepository {
    /// Name, namespace, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: HelmRepositorySpec,
}

/// Where charts are and how they are reached. A repository is looked at for the charts of it that are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmRepositorySpec {
    /// `https://`, `http://` or `oci://`.
    pub url: String,
    /// `default` or `oci`; `default` when not given.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How often Flux looks at the index. Here charts have intervals of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<GoDuration>,
    /// How long a fetch may take; 60 seconds when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// The Secret with a user and a password, or for a registry with the configuration of a Docker client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The Secret with certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Give the credentials to other hosts that the index names too.
    #[serde(default)]
    pub pass_credentials: bool,
    /// Speak plain HTTP to a registry.
    #[serde(default)]
    pub insecure: bool,
    /// Who gives the credentials: `generic` for the Secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Do not look at all.
    #[serde(default)]
    pub suspend: bool,
}

/// Fields of a repository's `spec` that Flux has and that are not carried out, and why.
pub(super) const REPOSITORY_UNSUPPORTED: &[(&str, &str)] = &[("accessFrom", "is not carried out by Flux either")];

/// A chart to follow: `source.toolkit.fluxcd.io/v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HelmChart {
    /// Name, namespace, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: HelmChartSpec,
}

/// Which chart to follow and how often to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmChartSpec {
    /// The name of the chart in a repository, or its path in another source.
    pub chart: String,
    /// A version or a range of versions, in a repository; the newest when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the chart is.
    pub source_ref: LocalHelmChartSourceReference,
    /// How often to look for a new version.
    pub interval: GoDuration,
    /// `ChartVersion` or `Revision`; `ChartVersion` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile_strategy: Option<String>,
    /// Files that take the place of the chart's own values, later ones over earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Pass over values files that are not there.
    #[serde(default)]
    pub ignore_missing_values_files: bool,
    /// Which signatures are needed; for charts in registries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<OciVerification>,
    /// Do not look at all.
    #[serde(default)]
    pub suspend: bool,
}

/// Where a chart is, in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalHelmChartSourceReference {
    /// API version; that of the kind when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// `HelmRepository`, `GitRepository` or `Bucket`.
    pub kind: String,
    /// Name.
    pub name: String,
}
