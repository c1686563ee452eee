//! `OCIRepository`.

use serde::{Deserialize, Serialize};

use super::{GoDuration, LocalObjectReference, Metadata};

/// An artifact in a registry to follow: `source.toolkit.fluxcd.io/v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OciRepository {
    /// Name, namespace, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: OciRepositorySpec,
}

/// What to follow and how often to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciRepositorySpec {
    /// Where the artifact is: `oci://` and a repository, without a tag.
    pub url: String,
    /// Which artifact; the tag `latest` when not given.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<OciRepositoryRef>,
    /// Which layer is taken, and what is done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_selector: Option<OciLayerSelector>,
    /// Who gives the credentials: `generic` for the Secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The Secret with the configuration of a Docker client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The Secret with certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// The Secret with the address of a proxy, and who we are to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Which signatures are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<OciVerification>,
    /// How often to look for a new revision.
    pub interval: GoDuration,
    /// How long a fetch may take; 60 seconds when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// Which files to leave out, in the syntax of `.gitignore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Speak plain HTTP.
    #[serde(default)]
    pub insecure: bool,
    /// Do not look at all.
    #[serde(default)]
    pub suspend: bool,
}

/// Fields of `spec` that Flux has and that are not carried out, and why.
pub(super) const UNSUPPORTED: &[(&str, &str)] = &[("serviceAccountName", "is not supported yet; leave it out")];

/// Which artifact of a repository is wanted: of several fields, digest outranks semver, and that tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciRepositoryRef {
    /// One manifest by its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The highest tag in a range of versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A regular expression that tags must match to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver_filter: Option<String>,
    /// A tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Which layer is taken, and what is done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciLayerSelector {
    /// The first layer of this media type; the first of all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// `extract` or `copy`; `extract` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What has to be signed, and by whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciVerification {
    /// `cosign` or `notation`; `cosign` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The Secret with the keys whose signatures count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Whose keyless signatures count.
    #[serde(default, rename = "matchOIDCIdentity", skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<serde_json::Value>,
    /// The Secret with the roots of a Sigstore of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root_secret_ref: Option<LocalObjectReference>,
}
