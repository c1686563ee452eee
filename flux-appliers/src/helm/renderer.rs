//! [`HelmRenderer`]: a chart in an artifact as a [`Renderer`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flux_core::yaml::{self, ReadOptions};
use flux_core::{Artifact, Class, Context, Digest, Manifest, Manifests, Object, Origin, RenderError, Renderer};

use super::chart::{Chart, ChartLimits};
use super::render::{HelmError, ReleaseInfo, RenderOptions, render};
use super::values::Table;

/// Charts that were read lately, by the digest of their artifact and the path in it. Renderers that share one read a
/// chart, and parse its templates, once for all of them.
#[derive(Debug)]
pub struct ChartCache {
    capacity: usize,
    /// The latest used last.
    charts: Mutex<Vec<(Digest, String, Arc<Chart>)>>,
}

impl ChartCache {
    /// Keeps this many charts.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), charts: Mutex::default() }
    }

    fn get(&self, digest: &Digest, path: &str) -> Option<Arc<Chart>> {
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = charts.iter().position(|(of, at, _)| of == digest && at == path)?;
        let entry = charts.remove(found);
        let chart = Arc::clone(&entry.2);
        charts.push(entry);
        Some(chart)
    }

    fn put(&self, digest: &Digest, path: &str, chart: &Arc<Chart>) {
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        if charts.len() >= self.capacity {
            charts.remove(0);
        }
        charts.push((digest.clone(), path.to_owned(), Arc::clone(chart)));
    }
}

/// Renders the chart at a path of the artifact, as helm-controller does before it installs.
///
/// The objects come in Helm's install order, the chart's CRDs first. Hooks are not among them: they belong to the
/// release's life, not to its state. The chart is read and its templates parsed once per artifact.
pub struct HelmRenderer {
    path: String,
    release: ReleaseInfo,
    values: Table,
    options: RenderOptions,
    limits: ChartLimits,
    skip_crds: bool,
    cache: Arc<ChartCache>,
    #[cfg(feature = "kustomize")]
    post_render: super::render::PostRender,
}

impl HelmRenderer {
    /// Renders the chart in the folder `path` of the artifact as `release`.
    pub fn new(path: impl Into<String>, release: ReleaseInfo) -> Self {
        Self {
            path: path.into(),
            release,
            values: Table::new(),
            options: RenderOptions::default(),
            limits: ChartLimits::default(),
            skip_crds: false,
            cache: Arc::new(ChartCache::new(1)),
            #[cfg(feature = "kustomize")]
            post_render: super::render::PostRender::default(),
        }
    }

    /// Values over the chart's own (`spec.values` of a HelmRelease).
    #[must_use]
    pub fn with_values(mut self, values: Table) -> Self {
        self.values = values;
        self
    }

    /// What the cluster can do, the host's gifts, and limits. The time and the interrupt come from the context of each
    /// render instead.
    #[must_use]
    pub fn with_options(mut self, options: RenderOptions) -> Self {
        self.options = options;
        self
    }

    /// How large the chart may be.
    #[must_use]
    pub fn with_limits(mut self, limits: ChartLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Leaves out the files of `crds/` (`spec.install.crds: Skip`).
    #[must_use]
    pub fn without_crds(mut self) -> Self {
        self.skip_crds = true;
        self
    }

    /// Shares the charts of other renderers; by default a renderer keeps the chart it read last.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<ChartCache>) -> Self {
        self.cache = cache;
        self
    }

    /// Post-renderers, common metadata and labels of origin, in a HelmRelease's order.
    #[cfg(feature = "kustomize")]
    #[must_use]
    pub fn with_post_render(mut self, post_render: super::render::PostRender) -> Self {
        self.post_render = post_render;
        self
    }

    fn chart(&self, artifact: &Artifact) -> Result<Arc<Chart>, HelmError> {
        if let Some(chart) = self.cache.get(artifact.digest(), &self.path) {
            return Ok(chart);
        }
        let chart = if artifact.tree.is_file(&self.path) {
            let archive = artifact
                .tree
                .read(&self.path)
                .map_err(|error| HelmError::Chart(super::ChartError::Archive(error.to_string())))?;
            Chart::from_archive(&archive, &self.limits)?
        } else {
            Chart::from_tree(&artifact.tree, &self.path, &self.limits)?
        };
        self.cache.put(artifact.digest(), &self.path, &chart);
        Ok(chart)
    }
}

impl fmt::Debug for HelmRenderer {
    /// Without the values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HelmRenderer").field("path", &self.path).field("release", &self.release).finish_non_exhaustive()
    }
}

#[async_trait]
impl Renderer for HelmRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        cx.check()?;
        let chart = self.chart(artifact).map_err(|error| self.fault(&error))?;
        let mut options = self.options.clone();
        options.host.now = cx.now();
        let watched = cx.clone();
        options.interrupt = Some(Arc::new(move || watched.check().is_err()));
        let (values, release) = (self.values.clone(), self.release.clone());
        let rendered = tokio::task::spawn_blocking(move || render(&chart, &values, &release, &options))
            .await
            .map_err(|error| RenderError::Other { error: Box::new(error), class: Class::Transient })?;
        cx.check()?;
        let release = rendered.map_err(|failure| self.fault(&failure.error))?;
        for warning in &release.warnings {
            tracing::warn!(chart = %self.path, "{warning}");
        }
        #[cfg(feature = "kustomize")]
        let release = self.post_render.apply(release).map_err(|error| input(&self.path, 0, error.to_string()))?;
        let mut items = Vec::new();
        for crd in release.crds.iter().filter(|_| !self.skip_crds) {
            let documents = yaml::read_documents(&crd.data, &ReadOptions::default())
                .map_err(|error| input(&crd.path, 0, error.to_string()))?;
            for document in documents.into_iter().filter(|document| !document.value.is_null()) {
                items.push(item(&crd.path, document.line, document.value)?);
            }
        }
        for manifest in release.manifests.into_iter().filter(|manifest| !manifest.value.is_null()) {
            items.push(item(&manifest.path, manifest.line, manifest.value)?);
        }
        let manifests = Manifests::new(items);
        manifests.check_unique()?;
        Ok(manifests)
    }
}

impl HelmRenderer {
    fn fault(&self, error: &HelmError) -> RenderError {
        let (file, line) = match error {
            HelmError::Parse { file, line, .. } | HelmError::Execution { file, line, .. } => (file.as_str(), *line),
            HelmError::Yaml { file, .. } => (file.as_str(), 0),
            _ => (self.path.as_str(), 0),
        };
        input(file, line, error.to_string())
    }
}

fn input(file: &str, line: usize, message: String) -> RenderError {
    RenderError::Input { origin: Origin::new(file, line), field: String::new(), message }
}

fn item(file: &str, line: usize, value: serde_json::Value) -> Result<Manifest, RenderError> {
    let object = Object::from_value(value).map_err(|error| input(file, line, error.to_string()))?;
    Ok(Manifest { object, origin: Origin::new(file, line) })
}
