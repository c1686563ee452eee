//! Charts in Helm repositories over HTTP: a `HelmChart` whose source is a `HelmRepository`.
//!
//! The index is asked for with the ETag it had last, so that an unchanged one costs one request and no bytes, and of a
//! changed one only the part about the wanted chart is read. A chart is held against the digest in the index, with the
//! feature `provenance` against its provenance file too, and unpacked into a [`Tree`] whose root is the chart's own
//! directory. [`BuiltChartSource`] makes charts of directories in other sources, and gives charts other values.

mod build;
mod index;
#[cfg(feature = "provenance")]
mod provenance;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::semver::Constraint;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Tree, TreeBuilder, TreeError, TreeLimits};
use flux_core::{Artifact, Context, Digest, Revision};
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{StatusCode, Url};

use crate::archive::read_tar_gz;
use crate::http::{Answer, Credentials, Http, Proxy, Request, Settings, Tls, bounded};
use crate::listing::{Found, Kind};
use index::{ChartVersion, Index};

#[cfg(feature = "store")]
pub(crate) use build::archive;
pub use build::{BuiltChartSource, BuiltChartSourceBuilder, ChartRepository, ReconcileStrategy, package};
#[cfg(feature = "provenance")]
pub use provenance::ProvenanceKeys;

/// What an index and a chart may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelmLimits {
    /// Bytes of an index: `--helm-index-max-size` of the source controller.
    pub index_bytes: u64,
    /// Bytes of a chart as it is sent: `--helm-chart-max-size`.
    pub chart_bytes: u64,
    /// What an unpacked chart may hold.
    pub tree: TreeLimits,
}

impl Default for HelmLimits {
    /// 50 MiB of index, 10 MiB of chart, and unpacked 5 MiB a file and 100 MiB in all: the figures of Flux and Helm.
    fn default() -> Self {
        let tree = TreeLimits { total_bytes: 100 << 20, file_bytes: 5 << 20, ..TreeLimits::default() };
        Self { index_bytes: 50 << 20, chart_bytes: 10 << 20, tree }
    }
}

/// A chart in a Helm repository as a source; its revision is the version of the chart. A clone shares everything, the
/// index too.
///
/// ```no_run
/// # async fn example() -> Result<(), flux_core::SourceError> {
/// use flux_core::{Context, Source};
/// use flux_sources::helm::HelmChartSource;
///
/// let source = HelmChartSource::builder("https://stefanprodan.github.io/podinfo", "podinfo").version("6.x").build()?;
/// let cx = Context::background();
/// let version = source.resolve(&cx).await?;
/// let chart = source.fetch(&cx, &version).await?;
/// assert!(chart.tree.is_file("Chart.yaml"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct HelmChartSource(Arc<Inner>);

struct Inner {
    http: Http,
    /// The repository, with a `/` at its end.
    base: Url,
    shown: String,
    chart: String,
    version: String,
    credentials: Credentials,
    pass_credentials: bool,
    limits: HelmLimits,
    #[cfg(feature = "provenance")]
    keys: Option<ProvenanceKeys>,
    last: Mutex<Option<Read>>,
}

/// The index as it was read last.
#[derive(Clone)]
struct Read {
    etag: Option<HeaderValue>,
    index: Arc<Index>,
}

/// Describes a [`HelmChartSource`].
#[derive(Debug, Clone)]
#[must_use]
pub struct HelmChartSourceBuilder {
    url: String,
    chart: String,
    version: String,
    credentials: Credentials,
    pass_credentials: bool,
    settings: Settings,
    limits: HelmLimits,
    #[cfg(feature = "provenance")]
    keys: Option<ProvenanceKeys>,
}

impl HelmChartSource {
    /// Starts with the URL of the repository and the name of the chart.
    pub fn builder(url: impl Into<String>, chart: impl Into<String>) -> HelmChartSourceBuilder {
        HelmChartSourceBuilder {
            url: url.into(),
            chart: chart.into(),
            version: "*".to_owned(),
            credentials: Credentials::default(),
            pass_credentials: false,
            settings: Settings::default(),
            limits: HelmLimits::default(),
            #[cfg(feature = "provenance")]
            keys: None,
        }
    }
}

impl HelmChartSourceBuilder {
    /// A version or a range of versions; the newest that is no prerelease if nothing is said.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Who we are to the repository.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Whether other hosts that the index names charts on see the credentials too: `spec.passCredentials`.
    pub fn pass_credentials(mut self, pass: bool) -> Self {
        self.pass_credentials = pass;
        self
    }

    /// Which authorities are trusted and which certificate is shown: `spec.certSecretRef`.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = tls;
        self
    }

    /// The proxy on the way.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.settings.proxy = Some(proxy);
        self
    }

    /// What the index and the chart may hold.
    pub fn limits(mut self, limits: HelmLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Fetches no chart that none of these keys has signed: `--verify` of Helm. Flux has no such setting.
    ///
    /// A chart whose provenance file is missing, altered, of another key or for another file is an error of the kind
    /// [`Unverified`](SourceError::Unverified).
    #[cfg(feature = "provenance")]
    pub fn verify(mut self, keys: ProvenanceKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The source.
    ///
    /// # Errors
    /// A URL that is none, or a version that is neither a version nor a range.
    pub fn build(self) -> Result<HelmChartSource, SourceError> {
        let invalid = |field: &str, problem: &dyn fmt::Display| SourceError::Invalid {
            field: field.into(),
            problem: problem.to_string(),
        };
        let mut base = Url::parse(&self.url).map_err(|error| invalid("spec.url", &error))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid("spec.url", &"should start with `https://` or `http://`"));
        }
        let credentials = self.credentials.or_from(&mut base);
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        let range = if self.version.is_empty() { "*" } else { &self.version };
        Constraint::parse(range).map_err(|error| invalid("spec.version", &error))?;
        Ok(HelmChartSource(Arc::new(Inner {
            http: Http::new(self.settings),
            shown: base.to_string(),
            base,
            chart: self.chart,
            version: self.version,
            credentials,
            pass_credentials: self.pass_credentials,
            limits: self.limits,
            #[cfg(feature = "provenance")]
            keys: self.keys,
            last: Mutex::new(None),
        })))
    }
}

impl Inner {
    /// The index as it is now.
    async fn index(&self, cx: &Context) -> Result<Arc<Index>, SourceError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = self.base.join("index.yaml").map_err(|error| self.rejected(error.to_string()))?;
        let mut request = Request::get(url, &self.credentials);
        if let Some(etag) = last.as_ref().and_then(|last| last.etag.as_ref()) {
            request = request.header(IF_NONE_MATCH, etag.clone());
        }
        let answer = self.http.send(cx, &self.shown, &request, self.limits.index_bytes).await?;
        if let Some(last) = last.filter(|_| answer.status == StatusCode::NOT_MODIFIED) {
            return Ok(last.index);
        }
        let answer = answer.success(&self.shown, "index.yaml")?;
        let etag = answer.headers.get(ETAG).cloned();
        let index = cx.run_blocking(move |_| Index::read(answer.body)).await?;
        let index = Arc::new(index.map_err(|problem| self.rejected(format!("index.yaml: {problem}")))?);
        let read = Read { etag, index: index.clone() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(index)
    }

    fn find(&self, index: &Index, range: &str) -> Result<ChartVersion, SourceError> {
        let found =
            index.find(&self.chart, range).map_err(|problem| self.rejected(format!("index.yaml: {problem}")))?;
        found.ok_or_else(|| self.missing(format!("chart `{}` of version `{range}`", self.chart)))
    }

    /// Where the archive of a chart is.
    fn archive_of(&self, entry: &ChartVersion) -> Result<Url, SourceError> {
        let first = entry.urls.first().ok_or_else(|| {
            self.rejected(format!("chart `{}` of version `{}` has no URL in the index", self.chart, entry.version))
        })?;
        let url = self.base.join(first).map_err(|error| self.rejected(format!("`{first}`: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(self.rejected(format!("`{first}`: only http and https are followed")));
        }
        Ok(url)
    }

    /// What lies beside the index or where the index points to.
    async fn get(&self, cx: &Context, url: Url, limit: u64) -> Result<Answer, SourceError> {
        let request = Request::get(url, &self.credentials);
        let request = if self.pass_credentials { request } else { request.sent_by(&self.base) };
        self.http.send(cx, &self.shown, &request, limit).await
    }

    /// The archive of a chart, held against its digest.
    async fn download(&self, cx: &Context, entry: &ChartVersion) -> Result<Bytes, SourceError> {
        let url = self.archive_of(entry)?;
        let first = entry.urls.first().map_or("", String::as_str);
        let answer = self.get(cx, url, self.limits.chart_bytes).await?;
        let data = answer.success(&self.shown, &format!("`{first}`"))?.body;
        if let Some(wanted) = entry.digest.as_deref().filter(|digest| !digest.is_empty()) {
            let found = Digest::sha256(&data);
            if wanted.trim_start_matches("sha256:") != found.hex() {
                let problem = format!("`{first}` has the digest `{found}` and the index says `{wanted}`");
                return Err(SourceError::Unverified { url: self.shown.clone(), problem });
            }
        }
        Ok(data)
    }

    /// Who signed an archive, if that is asked for.
    #[cfg(feature = "provenance")]
    async fn signer(&self, cx: &Context, entry: &ChartVersion, data: &Bytes) -> Result<Option<String>, SourceError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let unverified = |problem: String| SourceError::Unverified { url: self.shown.clone(), problem };
        if keys.is_empty() {
            return Err(unverified("the keyring is empty".into()));
        }
        let mut url = self.archive_of(entry)?;
        let file = file_name(&url);
        url.set_path(&format!("{}.prov", url.path()));
        let what = format!("`{}.prov`", file.escape_debug());
        let answer = self.get(cx, url, provenance::PROVENANCE_BYTES).await?.success(&self.shown, &what);
        let answer = answer.map_err(|error| match error {
            SourceError::NotFound { .. } => unverified(format!("there is no provenance file {what}")),
            other => other,
        })?;
        let (keys, now, data) = (keys.clone(), cx.now().unix_seconds(), data.clone());
        let (name, version) = (self.chart.clone(), entry.version.clone());
        let signer = cx.run_blocking(move |_| {
            let chart = provenance::Packaged { name: &name, version: &version, file: &file, archive: &data };
            keys.verify(&answer.body, &chart, now)
        });
        signer.await?.map(Some).map_err(unverified)
    }

    fn rejected(&self, problem: String) -> SourceError {
        SourceError::Rejected { url: self.shown.clone(), problem }
    }

    fn missing(&self, what: String) -> SourceError {
        SourceError::NotFound { url: self.shown.clone(), what }
    }
}

/// The last part of a path as Helm names the file that it saves.
#[cfg(feature = "provenance")]
fn file_name(url: &Url) -> String {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| name.to_owned())
}

/// The chart in an archive: what is in its top directory, which becomes the root.
pub(crate) fn unpack(url: &str, data: &[u8], limits: TreeLimits) -> Result<Tree, SourceError> {
    let rejected = |problem: String| SourceError::Rejected { url: url.to_owned(), problem };
    let in_tree = |source: TreeError| SourceError::Tree { url: url.to_owned(), source };
    let mut builder = TreeBuilder::with_limits(limits);
    for Found { path, kind, handle } in read_tar_gz(url, data, limits)? {
        match (kind, path.split_once('/')) {
            (Kind::File { .. }, Some((_, path))) => builder.file(path, handle).map_err(in_tree)?,
            (Kind::File { .. }, None) => return Err(rejected(format!("`{path}` is outside the chart's directory"))),
            _ => continue,
        };
    }
    let tree = builder.build();
    if tree.is_file("Chart.yaml") { Ok(tree) } else { Err(rejected("the archive holds no Chart.yaml".into())) }
}

#[async_trait]
impl Source for HelmChartSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        let cx = bounded(cx);
        let index = self.0.index(&cx).await?;
        Ok(Revision::new(self.0.find(&index, &self.0.version)?.version))
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let cx = bounded(cx);
        let inner = &self.0;
        let index = inner.index(&cx).await?;
        let versions = index.versions(&inner.chart).map_err(|problem| inner.rejected(problem))?;
        let entry = versions.into_iter().find(|entry| entry.version == revision.as_str());
        let entry = entry.ok_or_else(|| inner.missing(format!("chart `{}` of version `{revision}`", inner.chart)))?;
        let data = inner.download(&cx, &entry).await?;
        #[cfg(feature = "provenance")]
        let signer = inner.signer(&cx, &entry, &data).await?;
        let (url, limits) = (inner.shown.clone(), inner.limits.tree);
        let tree = cx.run_blocking(move |_| unpack(&url, &data, limits)).await??;
        let mut metadata = BTreeMap::from([
            ("origin".to_owned(), inner.shown.clone()),
            ("chart".to_owned(), inner.chart.clone()),
            ("version".to_owned(), entry.version),
        ]);
        #[cfg(feature = "provenance")]
        if let Some(signer) = signer {
            metadata.insert("verified".to_owned(), signer);
        }
        if let Some(app_version) = entry.app_version {
            let text = app_version.as_str().map_or_else(|| app_version.to_string(), str::to_owned);
            metadata.insert("appVersion".to_owned(), text);
        }
        Ok(Artifact { revision: revision.clone(), tree, metadata })
    }
}

impl fmt::Debug for HelmChartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HelmChartSource")
            .field("url", &self.0.shown)
            .field("chart", &self.0.chart)
            .field("version", &self.0.version)
            .finish_non_exhaustive()
    }
}
