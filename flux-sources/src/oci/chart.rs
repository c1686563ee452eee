//! Charts in a registry: a `HelmChart` whose source is a `HelmRepository` of type `oci`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::semver::{Constraint, Version};
use flux_core::source::{Source, SourceError};
use flux_core::tree::TreeLimits;
use flux_core::{Artifact, Context, Revision};

#[cfg(feature = "provenance")]
use super::reference::is_digest;
use super::{CHART, COPIED, LayerOperation, LayerSelector, OciReference, OciSource, OciSourceBuilder, OciVerification};
use crate::helm::{HelmLimits, unpack};
#[cfg(feature = "provenance")]
use crate::helm::{PROVENANCE_BYTES, Packaged, ProvenanceKeys};
use crate::http::{Credentials, Proxy, Tls, bounded};

/// The media type of a provenance file.
#[cfg(feature = "provenance")]
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// A chart in a registry as a source; its revision is the version of the chart. A clone shares everything.
///
/// The repository lies below the URL under the chart's name, and a version is a tag, with `_` for its `+`.
///
/// ```no_run
/// # async fn example() -> Result<(), flux_core::SourceError> {
/// use flux_core::{Context, Source};
/// use flux_sources::oci::OciChartSource;
///
/// let source = OciChartSource::builder("oci://ghcr.io/stefanprodan/charts", "podinfo").version("6.x").build()?;
/// let cx = Context::background();
/// let version = source.resolve(&cx).await?;
/// let chart = source.fetch(&cx, &version).await?;
/// assert!(chart.tree.is_file("Chart.yaml"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OciChartSource(Arc<Inner>);

struct Inner {
    repository: OciSource,
    chart: String,
    /// The one version that is wanted, if it is no range.
    exact: Option<String>,
    limits: HelmLimits,
    #[cfg(feature = "provenance")]
    keys: Option<ProvenanceKeys>,
}

/// Describes an [`OciChartSource`].
#[derive(Debug, Clone)]
#[must_use]
pub struct OciChartSourceBuilder {
    repository: OciSourceBuilder,
    chart: String,
    version: String,
    limits: HelmLimits,
    #[cfg(feature = "provenance")]
    keys: Option<ProvenanceKeys>,
}

impl OciChartSource {
    /// Starts with the URL of the Helm repository, `oci://host/path`, and the name of the chart.
    pub fn builder(url: impl Into<String>, chart: impl Into<String>) -> OciChartSourceBuilder {
        let (url, chart) = (url.into(), chart.into());
        let repository = OciSource::builder(format!("{}/{chart}", url.trim_end_matches('/')));
        OciChartSourceBuilder {
            repository,
            chart,
            version: "*".to_owned(),
            limits: HelmLimits::default(),
            #[cfg(feature = "provenance")]
            keys: None,
        }
    }
}

impl OciChartSourceBuilder {
    /// A version or a range of versions; the newest that is no prerelease if nothing is said.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// What the chart may hold; there is no index.
    pub fn limits(mut self, limits: HelmLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Fetches nothing that is not signed so: `spec.verify`, as [`OciSourceBuilder::verify`] does it.
    pub fn verify(mut self, verification: impl Into<OciVerification>) -> Self {
        self.repository = self.repository.verify(verification);
        self
    }

    /// Fetches no chart whose provenance file, a layer beside that of the chart, none of these keys has signed: `--verify`
    /// of Helm. Flux has no such setting. It may be asked for together with [`verify`](Self::verify).
    ///
    /// The archive has the name that `helm package` gives it, `chart-version.tgz`.
    #[cfg(feature = "provenance")]
    pub fn verify_provenance(mut self, keys: ProvenanceKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Who we are to the registry.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.repository = self.repository.credentials(credentials);
        self
    }

    /// Which authorities are trusted and which certificate is shown: `spec.certSecretRef`.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.repository = self.repository.tls(tls);
        self
    }

    /// The proxy on the way.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.repository = self.repository.proxy(proxy);
        self
    }

    /// Speaks plain HTTP: `spec.insecure`.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.repository = self.repository.insecure(insecure);
        self
    }

    /// The source.
    ///
    /// # Errors
    /// A URL that is none, or a version that is neither a version nor a range.
    pub fn build(self) -> Result<OciChartSource, SourceError> {
        let range = if self.version.is_empty() { "*" } else { &self.version };
        let invalid = |problem: String| SourceError::Invalid { field: "spec.version".into(), problem };
        Constraint::parse(range).map_err(|error| invalid(error.to_string()))?;
        let exact = Version::parse_strict(range).is_ok().then(|| range.to_owned());
        let bytes = self.limits.chart_bytes;
        let repository = self
            .repository
            .reference(OciReference::semver(range))
            .layer(LayerSelector { media_type: Some(CHART.into()), operation: LayerOperation::Copy })
            .tree_limits(TreeLimits { total_bytes: bytes, file_bytes: bytes, ..TreeLimits::default() })
            .build()?;
        Ok(OciChartSource(Arc::new(Inner {
            repository,
            chart: self.chart,
            exact,
            limits: self.limits,
            #[cfg(feature = "provenance")]
            keys: self.keys,
        })))
    }
}

#[cfg(feature = "provenance")]
impl Inner {
    /// Who signed an archive, if that is asked for.
    async fn packager(
        &self,
        cx: &Context,
        digest: &str,
        version: &str,
        archive: &bytes::Bytes,
    ) -> Result<Option<String>, SourceError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let pulled = &self.repository.0;
        let unverified = |problem: String| SourceError::Unverified { url: pulled.url.clone(), problem };
        let layers = pulled.manifest(cx, digest).await?.layers;
        let mut layers = layers.iter().filter(|layer| layer.media_type == PROVENANCE);
        let (Some(layer), None) = (layers.next(), layers.next()) else {
            return Err(unverified("the chart has no provenance file, or several".into()));
        };
        if !is_digest(&layer.digest) {
            return Err(unverified("the digest of the provenance file is not SHA-256".into()));
        }
        let provenance = pulled.registry.blob(cx, &layer.digest, PROVENANCE_BYTES).await?;
        let (keys, now, archive) = (keys.clone(), cx.now().unix_seconds(), archive.clone());
        let (name, version) = (self.chart.clone(), version.to_owned());
        let signer = cx.run_blocking(move |_| {
            // The name of a chart may be below others in the repository.
            let name = name.rsplit('/').next().unwrap_or_default();
            let file = format!("{name}-{version}.tgz");
            let chart = Packaged { name, version: &version, file: &file, archive: &archive };
            keys.verify(&provenance, &chart, now)
        });
        signer.await?.map(Some).map_err(unverified)
    }
}

#[async_trait]
impl Source for OciChartSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        let inner = &*self.0;
        if let Some(version) = &inner.exact {
            cx.check()?;
            inner.repository.0.registry.digest(&bounded(cx), &tag(version)).await?;
            return Ok(Revision::new(version));
        }
        let found = inner.repository.resolve(cx).await?;
        Ok(Revision::new(found.name().unwrap_or_default().replace('_', "+")))
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let (inner, url) = (&*self.0, self.0.repository.0.url.clone());
        if Version::parse_strict(revision.as_str()).is_err() {
            return Err(SourceError::NotFound { url, what: format!("version `{revision}`") });
        }
        let tag = tag(revision.as_str());
        let digest = inner.repository.0.registry.digest(&bounded(cx), &tag).await?;
        let pulled = inner.repository.fetch(cx, &Revision::new(format!("{tag}@{digest}"))).await?;
        let archive = pulled
            .tree
            .read(COPIED)
            .map_err(|error| SourceError::Rejected { url: url.clone(), problem: error.to_string() })?;
        #[cfg(feature = "provenance")]
        let packager = inner.packager(&bounded(cx), &digest, revision.as_str(), &archive).await?;
        let limits = inner.limits.tree;
        let tree = cx.run_blocking(move |_| unpack(&url, &archive, limits)).await??;
        let mut metadata = pulled.metadata;
        #[cfg(feature = "provenance")]
        if let Some(packager) = packager {
            // Who signed the manifest is named first.
            let signers = metadata.get("verified").map_or(packager.clone(), |signer| format!("{signer}, {packager}"));
            metadata.insert("verified".to_owned(), signers);
        }
        metadata.insert("chart".to_owned(), inner.chart.clone());
        metadata.insert("version".to_owned(), revision.to_string());
        Ok(Artifact { revision: revision.clone(), tree, metadata })
    }
}

/// The tag of a version.
fn tag(version: &str) -> String {
    version.replace('+', "_")
}

impl fmt::Debug for OciChartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OciChartSource").field(&self.0.repository).finish()
    }
}
