//! [`HelmRenderer`]: a chart in an artifact as a [`Renderer`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flux_core::yaml::{self, ReadOptions};
use flux_core::{Artifact, Class, Context, Digest, Manifest, Manifests, Object, Origin, RenderError, Renderer};

use super::chart::{Chart, ChartLimits};
use super::render::{HelmError, ReleaseInfo, RenderOptions, render};
use super::values::Table;

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
    /// The chart of the artifact seen last.
    chart: Mutex<Option<(Digest, Arc<Chart>)>>,
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
            chart: Mutex::new(None),
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

    fn chart(&self, artifact: &Artifact) -> Result<Arc<Chart>, HelmError> {
        let mut cache = self.chart.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((digest, chart)) = &*cache
            && digest == artifact.digest()
        {
            return Ok(Arc::clone(chart));
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
        *cache = Some((artifact.digest().clone(), Arc::clone(&chart)));
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
