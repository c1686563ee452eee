//! Charts that are built: from a directory of another source, or with other values than their own.

mod copy;
mod dependencies;
mod metadata;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::semver::Version;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Entry, Tree, TreeBuilder, TreeError, normalize};
use flux_core::{Artifact, Context, Revision};
use serde::{Deserialize, Serialize};

use super::{HelmLimits, unpack};
use crate::archive::{gzip, write_tar};
use crate::http::bounded;
use copy::copied;
use dependencies::{Repositories, Surroundings};
use metadata::Metadata;

pub use dependencies::ChartRepository;

/// How much of a revision's hash is in a version: 12 digits.
const SHORT: usize = 12;

/// The values of a chart.
const OWN_VALUES: &str = "values.yaml";

/// When a chart in a tree is a new one: `spec.reconcileStrategy` of a `HelmChart`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReconcileStrategy {
    /// When its `Chart.yaml` has another version.
    #[default]
    ChartVersion,
    /// When the source has another revision; the start of its hash becomes part of the version.
    Revision,
}

/// Where a chart is taken from.
#[derive(Debug, Clone)]
enum Origin {
    /// A directory or an archive in the tree of a source.
    Tree(String),
    /// The source is one of charts.
    Chart,
}

/// A chart that is built from what another source delivers: a `HelmChart` whose source is a `GitRepository` or a `Bucket`,
/// or any `HelmChart` with `valuesFiles`. Its revision is the version of the chart.
///
/// Dependencies that are not in `charts` are put there: from elsewhere in the tree (`file://`), from repositories and from
/// registries, in the versions of the lock where there is one. As in Flux, a chart whose version stays is the same chart,
/// whatever happens to its files, unless the strategy is [`Revision`](ReconcileStrategy::Revision).
///
/// # Deviations from Flux
/// `.helmignore` is applied by who renders the tree, and not when it is built. A dependency without a repository that is
/// not in `charts` is an error that says so.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use std::sync::Arc;
/// use flux_core::{Context, Source};
/// use flux_sources::helm::BuiltChartSource;
/// use flux_sources::memory::MemorySource;
///
/// let repository = MemorySource::from_files([
///     ("charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.2.3\n"),
///     ("charts/app/values.yaml", "replicas: 1\n"),
///     ("prod.yaml", "replicas: 3\n"),
/// ])?;
/// let chart = BuiltChartSource::in_tree(Arc::new(repository), "charts/app").values_files(["prod.yaml"]).build()?;
/// let cx = Context::background();
/// let version = chart.resolve(&cx).await?;
/// assert_eq!(version.as_str(), "1.2.3");
/// assert_eq!(chart.fetch(&cx, &version).await?.tree.read("values.yaml")?.as_ref(), b"replicas: 3\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BuiltChartSource(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    origin: Origin,
    values_files: Vec<String>,
    ignore_missing: bool,
    generation: Option<u64>,
    strategy: ReconcileStrategy,
    repositories: Repositories,
    limits: HelmLimits,
    last: Mutex<Last>,
}

/// What is known from before.
#[derive(Default)]
struct Last {
    /// The source's artifact as it was seen last, and the version of the chart in it.
    seen: Option<(Artifact, String)>,
    built: Option<Artifact>,
}

/// Describes a [`BuiltChartSource`].
#[derive(Clone)]
#[must_use]
pub struct BuiltChartSourceBuilder {
    source: Arc<dyn Source>,
    origin: Origin,
    values_files: Vec<String>,
    ignore_missing: bool,
    generation: Option<u64>,
    strategy: ReconcileStrategy,
    repositories: Repositories,
    limits: HelmLimits,
}

impl BuiltChartSource {
    /// Starts with a source and the path of the chart in it: a directory, or an archive as `helm package` makes it. Values
    /// files are paths in the same tree.
    pub fn in_tree(source: Arc<dyn Source>, chart: impl Into<String>) -> BuiltChartSourceBuilder {
        BuiltChartSourceBuilder::new(source, Origin::Tree(chart.into()))
    }

    /// Starts with a source of charts, such as a [`HelmChartSource`](super::HelmChartSource). Values files are files of the
    /// chart.
    pub fn of_chart(source: Arc<dyn Source>) -> BuiltChartSourceBuilder {
        BuiltChartSourceBuilder::new(source, Origin::Chart)
    }
}

impl BuiltChartSourceBuilder {
    fn new(source: Arc<dyn Source>, origin: Origin) -> Self {
        Self {
            source,
            origin,
            values_files: Vec::new(),
            ignore_missing: false,
            generation: None,
            strategy: ReconcileStrategy::default(),
            repositories: Repositories::default(),
            limits: HelmLimits::default(),
        }
    }

    /// Files that together take the place of the chart's own values, later ones over earlier ones: `spec.valuesFiles`. The
    /// chart's own are among them only if they are named; `values.yaml` alone is as good as nothing, as Flux has it.
    pub fn values_files<T: Into<String>>(mut self, files: impl IntoIterator<Item = T>) -> Self {
        self.values_files = files.into_iter().map(Into::into).collect();
        self
    }

    /// Passes over values files that are not there: `spec.ignoreMissingValuesFiles`.
    pub fn ignore_missing_values_files(mut self, ignore: bool) -> Self {
        self.ignore_missing = ignore;
        self
    }

    /// The generation of the description, which becomes part of the version where there are values files, so that other
    /// values files are another chart: `metadata.generation` of a `HelmChart`. Without one, the version does not tell.
    pub fn generation(mut self, generation: u64) -> Self {
        self.generation = Some(generation);
        self
    }

    /// When the chart is a new one. It matters to charts in trees only.
    pub fn strategy(mut self, strategy: ReconcileStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How the repository at this URL is reached when a dependency is in it; others are reached as nobody.
    pub fn repository(mut self, url: &str, repository: ChartRepository) -> Self {
        self.repositories.insert(url, repository);
        self
    }

    /// What the chart, and charts that it needs, may hold.
    pub fn limits(mut self, limits: HelmLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The source.
    ///
    /// # Errors
    /// A path that leads outside the tree.
    pub fn build(self) -> Result<BuiltChartSource, SourceError> {
        let inside = |field: &str, path: &str| {
            let invalid = |problem: String| SourceError::Invalid { field: field.into(), problem };
            normalize(path.trim_start_matches('/')).map_err(|error| invalid(error.to_string()))
        };
        let origin = match self.origin {
            Origin::Tree(path) => Origin::Tree(inside("spec.chart", &path)?),
            Origin::Chart => Origin::Chart,
        };
        let files = self.values_files.iter().map(|file| inside("spec.valuesFiles", file));
        let mut values_files: Vec<String> = files.collect::<Result<_, _>>()?;
        // A chart's own values alone are what it has anyway.
        values_files.retain(|file| file != OWN_VALUES || self.values_files.len() > 1);
        Ok(BuiltChartSource(Arc::new(Inner {
            values_files,
            source: self.source,
            origin,
            ignore_missing: self.ignore_missing,
            generation: self.generation,
            strategy: self.strategy,
            repositories: self.repositories,
            limits: self.limits,
            last: Mutex::default(),
        })))
    }
}

impl Inner {
    /// The artifact of the source as it is now, and the version of the chart in it.
    async fn seen(&self, cx: &Context) -> Result<(Artifact, String), SourceError> {
        let revision = self.source.resolve(cx).await?;
        let seen = self.last().seen.clone();
        if let Some(seen) = seen.filter(|(artifact, _)| artifact.revision == revision) {
            return Ok(seen);
        }
        let artifact = self.source.fetch(cx, &revision).await?;
        let (shown, chart) = (self.shown(&artifact), self.chart(&artifact)?);
        let metadata =
            Metadata::read(&chart.tree, &chart.dir).map_err(|problem| SourceError::Rejected { url: shown, problem })?;
        let version = self.version(&metadata.version, &artifact.revision);
        self.last().seen = Some((artifact.clone(), version.clone()));
        Ok((artifact, version))
    }

    /// The version with what tells builds of the same chart apart.
    fn version(&self, version: &Version, revision: &Revision) -> String {
        let hash = revision.hash().unwrap_or_default();
        let short = hash.char_indices().nth(SHORT).map_or(hash, |(at, _)| hash.get(..at).unwrap_or(hash));
        let by_revision = matches!(self.origin, Origin::Tree(_)) && self.strategy == ReconcileStrategy::Revision;
        let short = (by_revision && !short.is_empty()).then(|| short.to_owned());
        let generation = self.generation.filter(|_| !self.values_files.is_empty()).map(|number| number.to_string());
        let more: Vec<String> = short.into_iter().chain(generation).collect();
        let original = version.original();
        match more.is_empty() {
            true => original.to_owned(),
            false => format!("{}+{}", original.split('+').next().unwrap_or(original), more.join(".")),
        }
    }

    /// Where in which tree the chart is.
    fn chart(&self, artifact: &Artifact) -> Result<Place, SourceError> {
        let path = match &self.origin {
            Origin::Chart => return Ok(Place { tree: artifact.tree.clone(), dir: String::new(), is_directory: false }),
            Origin::Tree(path) => path,
        };
        if artifact.tree.is_file(path) {
            let data = artifact.tree.read(path).map_err(|error| self.rejected(artifact, error.to_string()))?;
            let tree = unpack(&self.shown(artifact), &data, self.limits.tree)?;
            return Ok(Place { tree, dir: String::new(), is_directory: false });
        }
        if !artifact.tree.is_dir(path) {
            let (url, what) = (self.shown(artifact), format!("chart `{path}`"));
            return Err(SourceError::NotFound { url, what });
        }
        Ok(Place { tree: artifact.tree.clone(), dir: path.clone(), is_directory: true })
    }

    /// Builds the chart.
    async fn built(&self, cx: &Context, artifact: &Artifact, version: &str) -> Result<Artifact, SourceError> {
        let place = self.chart(artifact)?;
        let rejected = |problem: String| self.rejected(artifact, problem);
        let chart = copied(&place.tree, &place.dir, self.limits.tree).map_err(rejected)?;
        let metadata = Metadata::read(&chart, "").map_err(rejected)?;
        let vendored = match place.is_directory {
            // An archive has what it needs.
            false => Vec::new(),
            true => {
                let shown = self.shown(artifact);
                let surroundings = Surroundings {
                    tree: &place.tree,
                    dir: &place.dir,
                    repositories: &self.repositories,
                    limits: self.limits,
                    shown: &shown,
                };
                surroundings.missing(cx, &chart, &metadata.dependencies).await?
            }
        };
        let from = match &self.origin {
            Origin::Tree(_) => &artifact.tree,
            Origin::Chart => &chart,
        };
        let merged = values::merge(from, &self.values_files, self.ignore_missing).map_err(rejected)?;
        let mut changed = BTreeMap::new();
        changed.extend(merged.text.map(|text| (OWN_VALUES, text)));
        if metadata.version.original() != version {
            changed.insert("Chart.yaml", metadata.with_version(version));
        }
        let in_tree = |source: TreeError| SourceError::Tree { url: self.shown(artifact), source };
        let mut builder = TreeBuilder::with_limits(self.limits.tree);
        for (path, entry) in chart.entries().filter(|(path, _)| !changed.contains_key(path)) {
            builder.entry(path, entry.clone()).map_err(in_tree)?;
        }
        for (path, text) in changed {
            builder.file(path, text).map_err(in_tree)?;
        }
        for dependency in vendored {
            for (path, data) in dependency.tree.walk("") {
                builder.file(&format!("charts/{}/{path}", dependency.dir), data.clone()).map_err(in_tree)?;
            }
        }
        let mut about = BTreeMap::from([
            ("chart".to_owned(), metadata.name),
            ("version".to_owned(), version.to_owned()),
            ("sourceRevision".to_owned(), artifact.revision.to_string()),
        ]);
        about.extend(artifact.metadata.get("origin").map(|origin| ("origin".to_owned(), origin.clone())));
        if !merged.found.is_empty() {
            about.insert("valuesFiles".to_owned(), merged.found.join(","));
        }
        Ok(Artifact { revision: Revision::new(version), tree: builder.build(), metadata: about })
    }

    /// The chart in errors.
    fn shown(&self, artifact: &Artifact) -> String {
        let origin = artifact.metadata.get("origin").map_or("source", String::as_str);
        match &self.origin {
            Origin::Tree(path) => format!("{origin}: {path}"),
            Origin::Chart => origin.to_owned(),
        }
    }

    fn rejected(&self, artifact: &Artifact, problem: String) -> SourceError {
        SourceError::Rejected { url: self.shown(artifact), problem }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chart in a tree.
struct Place {
    tree: Tree,
    dir: String,
    /// Whether it is a directory, whose dependencies have to be found.
    is_directory: bool,
}

#[async_trait]
impl Source for BuiltChartSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        Ok(Revision::new(self.0.seen(&bounded(cx)).await?.1))
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let built = self.0.last().built.clone();
        if let Some(built) = built.filter(|built| built.revision == *revision) {
            return Ok(built);
        }
        let cx = bounded(cx);
        let (artifact, version) = self.0.seen(&cx).await?;
        if version != revision.as_str() {
            let what = format!("version `{revision}` (the chart is at `{version}` now)");
            return Err(SourceError::NotFound { url: self.0.shown(&artifact), what });
        }
        let built = self.0.built(&cx, &artifact, &version).await?;
        self.0.last().built = Some(built.clone());
        Ok(built)
    }
}

impl fmt::Debug for BuiltChartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltChartSource")
            .field("source", &self.0.source)
            .field("origin", &self.0.origin)
            .field("values_files", &self.0.values_files)
            .field("strategy", &self.0.strategy)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BuiltChartSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltChartSourceBuilder")
            .field("source", &self.source)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The archive of a chart, as `helm package` has it: all files in a directory that is named as the chart. Equal charts
/// give equal bytes.
///
/// # Errors
/// In words: a tree that is no chart.
pub fn package(chart: &Tree) -> Result<Bytes, String> {
    archive(chart).map(|(_, data)| data)
}

/// The name of a chart and its archive.
pub(crate) fn archive(chart: &Tree) -> Result<(String, Bytes), String> {
    let metadata = Metadata::read(chart, "")?;
    let mut builder = TreeBuilder::with_limits(flux_core::tree::TreeLimits {
        path_bytes: usize::MAX,
        ..flux_core::tree::TreeLimits::default()
    });
    for (path, entry) in chart.entries() {
        if let Entry::File { .. } = entry {
            builder.entry(&format!("{}/{path}", metadata.name), entry.clone()).map_err(|error| error.to_string())?;
        }
    }
    let archive = write_tar(&builder.build()).and_then(|tar| gzip(&tar)).map_err(|error| error.to_string())?;
    Ok((metadata.name, archive.into()))
}
