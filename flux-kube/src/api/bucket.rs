//! `Bucket`.

use serde::{Deserialize, Serialize};

use super::{GoDuration, LocalObjectReference, Metadata};

/// A bucket to follow: `source.toolkit.fluxcd.io/v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Name, namespace, labels, annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: BucketSpec,
}

/// What to follow and how often to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSpec {
    /// `generic`, `aws`, `gcp` or `azure`; `generic` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The name of the bucket.
    pub bucket_name: String,
    /// The server.
    pub endpoint: String,
    /// Speak plain HTTP.
    #[serde(default)]
    pub insecure: bool,
    /// The region of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Take only objects whose keys start with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The Secret with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The Secret with certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// The Secret with the address of a proxy, and who we are to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// How often to look for a new revision.
    pub interval: GoDuration,
    /// How long a fetch may take; 60 seconds when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// Which files to leave out, in the syntax of `.gitignore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Do not look at all.
    #[serde(default)]
    pub suspend: bool,
}

/// Fields of `spec` that Flux has and that are not carried out, and why.
pub(super) const UNSUPPORTED: &[(&str, &str)] = &[
    ("serviceAccountName", "is not supported yet; leave it out"),
    ("sts", "is not supported yet; put an access key into a Secret and name it in secretRef"),
];
