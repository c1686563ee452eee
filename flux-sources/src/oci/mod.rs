//! Artifacts in OCI registries, as `flux push artifact` makes them.
//!
//! [`OciSource`] reads them and [`OciPush`] makes them. Asking for the revision of a tag costs one HEAD. Fetching pulls the manifest by its digest and one layer, holds both
//! against their digests, and unpacks the layer into a [`Tree`] under limits.
//!
//! The registry is spoken to with this crate's own bounded HTTP client: `oci-client` has no limit on what a manifest or a
//! list of tags may weigh and needs a TLS provider installed in the whole process. Its data model is used.

mod access;
#[cfg(feature = "oci-verify")]
mod certificate;
mod challenge;
#[cfg(feature = "helm")]
mod chart;
mod cosign;
mod docker_config;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod manifest;
#[cfg(feature = "oci-verify")]
mod notation;
mod push;
mod reference;
mod referrers;
mod registry;
mod verify;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Tree, TreeLimits};
use flux_core::{Artifact, Context, Revision};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde::{Deserialize, Serialize};

use crate::archive::read_tar_gz;
use crate::http::{Credentials, Proxy, Tls, bounded};
use crate::listing::Selection;
use access::Access;
use manifest::Manifest;
use registry::Registry;

#[cfg(feature = "helm")]
pub use chart::{OciChartSource, OciChartSourceBuilder};
#[cfg(feature = "oci-verify")]
pub use cosign::CosignIdentities;
pub use cosign::CosignKeys;
#[cfg(feature = "oci-verify")]
pub use notation::NotationTrust;
pub use push::{OciPush, OciPushBuilder, Pushed};
pub use reference::OciReference;
pub use verify::OciVerification;

/// The media type of a Helm chart.
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The one file of a tree whose layer was copied.
const COPIED: &str = "layer.tgz";

/// Which layer is taken and what is done with it: `spec.layerSelector` of an `OCIRepository`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LayerSelector {
    /// The first layer of this media type; the first of all if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What to do with it.
    pub operation: LayerOperation,
}

/// What is done with a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerOperation {
    /// Unpack it.
    #[default]
    Extract,
    /// Keep it as it is, as the one file `layer.tgz`.
    Copy,
}

/// An artifact in a registry as a source. A clone shares everything, the token of the registry too.
///
/// ```no_run
/// # async fn example() -> Result<(), flux_core::SourceError> {
/// use flux_core::{Context, Source};
/// use flux_sources::oci::{OciReference, OciSource};
///
/// let source = OciSource::builder("oci://ghcr.io/org/manifests").reference(OciReference::tag("latest")).build()?;
/// let cx = Context::background();
/// let revision = source.resolve(&cx).await?; // latest@sha256:…
/// let artifact = source.fetch(&cx, &revision).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OciSource(Arc<Inner>);

struct Inner {
    registry: Registry,
    url: String,
    reference: OciReference,
    layer: LayerSelector,
    selection: Selection,
    verification: Option<OciVerification>,
}

/// Describes an [`OciSource`].
#[derive(Debug, Clone)]
#[must_use]
pub struct OciSourceBuilder {
    url: String,
    reference: OciReference,
    layer: LayerSelector,
    selection: Selection,
    verification: Option<OciVerification>,
    access: Access,
}

impl OciSource {
    /// Starts with the URL of the repository, `oci://host/path`, without a tag.
    pub fn builder(url: impl Into<String>) -> OciSourceBuilder {
        OciSourceBuilder {
            url: url.into(),
            reference: OciReference::default(),
            layer: LayerSelector::default(),
            selection: Selection::default(),
            verification: None,
            access: Access::default(),
        }
    }
}

impl OciSourceBuilder {
    /// What to pull; the tag `latest` if nothing is said.
    pub fn reference(mut self, reference: OciReference) -> Self {
        self.reference = reference;
        self
    }

    /// Which layer to take.
    pub fn layer(mut self, layer: LayerSelector) -> Self {
        self.layer = layer;
        self
    }

    /// Leaves out what these patterns match, like `spec.ignore`; see [`ignore`](crate::ignore).
    pub fn ignore(mut self, patterns: impl Into<String>) -> Self {
        self.selection.ignore = Some(patterns.into());
        self
    }

    /// What the tree, and what the layer as it is sent, may hold.
    pub fn tree_limits(mut self, limits: TreeLimits) -> Self {
        self.selection.limits = limits;
        self
    }

    /// Fetches nothing that is not signed so: `spec.verify`.
    ///
    /// Who signed an artifact is in its metadata as `verified`. It is not there where a trust policy of the Notary Project
    /// does not enforce that the signer is trusted, for which Flux removes its condition `SourceVerified`.
    pub fn verify(mut self, verification: impl Into<OciVerification>) -> Self {
        self.verification = Some(verification.into());
        self
    }

    /// Who we are to the registry.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.access.credentials = credentials;
        self
    }

    /// Which authorities are trusted and which certificate is shown: `spec.certSecretRef`.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.access.settings.tls = tls;
        self
    }

    /// The proxy on the way: `spec.proxySecretRef`.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.access.settings.proxy = Some(proxy);
        self
    }

    /// Speaks plain HTTP: `spec.insecure`.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.access.insecure = insecure;
        self
    }

    /// The source.
    ///
    /// # Errors
    /// A URL that is none or holds a tag, or a reference that cannot be one.
    pub fn build(self) -> Result<OciSource, SourceError> {
        self.reference.validate()?;
        let invalid = |problem: &str| SourceError::Invalid { field: access::URL.into(), problem: problem.into() };
        let name = access::name(&self.url)?;
        if name.rsplit('/').next().is_some_and(|last| last.contains(['@', ':'])) {
            return Err(invalid("holds a tag or digest; that belongs in `spec.ref`"));
        }
        let (registry, _) = self.access.open(&self.url)?;
        Ok(OciSource(Arc::new(Inner {
            registry,
            url: self.url,
            reference: self.reference,
            layer: self.layer,
            selection: self.selection,
            verification: self.verification,
        })))
    }
}

impl Inner {
    /// The manifest itself, or for an index the one of `linux/amd64`, as Flux picks it.
    async fn manifest(&self, cx: &Context, digest: &str) -> Result<OciImageManifest, SourceError> {
        let rejected = |problem: String| SourceError::Rejected { url: self.url.clone(), problem };
        let index = match manifest::read(&self.registry.manifest(cx, digest).await?).map_err(rejected)? {
            Manifest::Image(manifest) => return Ok(*manifest),
            Manifest::Index(index) => index,
        };
        let entry = index.manifests.iter().find(|entry| {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|p| p.os.to_string() == "linux" && p.architecture.to_string() == "amd64")
        });
        let entry = entry.ok_or_else(|| rejected("the index holds no manifest for linux/amd64".into()))?;
        if !reference::is_digest(&entry.digest) {
            return Err(rejected("the digest of a manifest in the index is not SHA-256".into()));
        }
        match manifest::read(&self.registry.manifest(cx, &entry.digest).await?).map_err(rejected)? {
            Manifest::Image(manifest) => Ok(*manifest),
            Manifest::Index(_) => Err(rejected("an index in an index".into())),
        }
    }

    fn pick<'a>(&self, manifest: &'a OciImageManifest) -> Result<&'a OciDescriptor, SourceError> {
        let missing = |what: String| SourceError::NotFound { url: self.url.clone(), what };
        match &self.layer.media_type {
            None => manifest.layers.first().ok_or_else(|| missing("a layer".into())),
            Some(wanted) => {
                let layer = manifest.layers.iter().find(|layer| layer.media_type == *wanted);
                layer.ok_or_else(|| missing(format!("a layer of media type `{wanted}`")))
            }
        }
    }

    async fn content(&self, cx: &Context, layer: &OciDescriptor) -> Result<Tree, SourceError> {
        let rejected = |problem: String| SourceError::Rejected { url: self.url.clone(), problem };
        let limits = self.selection.limits;
        let size = u64::try_from(layer.size).map_err(|_| rejected("a layer of negative size".into()))?;
        if size > limits.total_bytes {
            return Err(rejected(format!("the layer has more than {} bytes", limits.total_bytes)));
        }
        if !reference::is_digest(&layer.digest) {
            return Err(rejected("the digest of the layer is not SHA-256".into()));
        }
        let blob = self.registry.blob(cx, &layer.digest, size).await?;
        if blob.len() as u64 != size {
            return Err(rejected(format!("the layer has {} bytes and should have {size}", blob.len())));
        }
        match self.layer.operation {
            LayerOperation::Copy => {
                let in_tree = |source| SourceError::Tree { url: self.url.clone(), source };
                let mut builder = flux_core::tree::TreeBuilder::with_limits(limits);
                builder.file(COPIED, blob).map_err(in_tree)?;
                Ok(builder.build())
            }
            LayerOperation::Extract => {
                let (url, selection) = (self.url.clone(), self.selection.clone());
                cx.run_blocking(move |_| {
                    let found = read_tar_gz(&url, &blob, selection.limits)?;
                    selection.read(&url, &found, |entry| Ok(entry.handle.clone()))
                })
                .await?
            }
        }
    }
}

#[async_trait]
impl Source for OciSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        let cx = bounded(cx);
        let tag = match &self.0.reference {
            OciReference::Digest(digest) => return Ok(Revision::new(digest)),
            OciReference::Tag(tag) => tag.clone(),
            OciReference::Semver { range, filter } => {
                let tags = self.0.registry.tags(&cx).await?;
                let charts = self.0.layer.media_type.as_deref() == Some(CHART);
                OciReference::pick(range, filter.as_deref(), &tags, charts).ok_or_else(|| SourceError::NotFound {
                    url: self.0.url.clone(),
                    what: self.0.reference.to_string(),
                })?
            }
        };
        let digest = self.0.registry.digest(&cx, &tag).await?;
        Ok(Revision::new(format!("{tag}@{digest}")))
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let cx = bounded(cx);
        let digest = revision.hash().map(|hash| format!("sha256:{hash}")).filter(|digest| reference::is_digest(digest));
        let digest = digest
            .ok_or_else(|| SourceError::NotFound { url: self.0.url.clone(), what: format!("revision `{revision}`") })?;
        let signer = match &self.0.verification {
            Some(wanted) => wanted.verify(&cx, &self.0.registry, &self.0.url, &digest).await?,
            None => None,
        };
        let manifest = self.0.manifest(&cx, &digest).await?;
        let tree = self.0.content(&cx, self.0.pick(&manifest)?).await?;
        let mut metadata = manifest.annotations.unwrap_or_default();
        metadata.insert("origin".to_owned(), self.0.url.clone());
        // What an author annotates says nothing about who signed.
        metadata.remove("verified");
        metadata.extend(signer.map(|signer| ("verified".to_owned(), signer)));
        Ok(Artifact { revision: revision.clone(), tree, metadata })
    }
}

impl fmt::Debug for OciSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OciSource")
            .field("url", &self.0.url)
            .field("reference", &self.0.reference)
            .finish_non_exhaustive()
    }
}
