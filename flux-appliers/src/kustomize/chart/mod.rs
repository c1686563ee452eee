//! Charts (`helmCharts`): found, given their values and inflated by the native Helm engine.

#[cfg(feature = "helm")]
mod inflate;
mod remote;
mod values;

use flux_core::Tree;

use super::BuildOptions;
use super::error::Cause;
use super::kustomization::{HelmChart, HelmGlobals};
use super::loader::Loader;
use super::resource::Resource;
use super::schema::Schema;

pub use remote::RemoteChart;

/// Where charts lie unless `chartHome` says otherwise.
const DEFAULT_HOME: &str = "charts";
/// Marks what charts made: the namespace transformer leaves it alone, since Helm has set the namespace.
pub(super) const HELM_GENERATED: &str = "internal.config.kubernetes.io/helm-generated";

/// What charts are told about the cluster where they do not say it themselves.
#[derive(Debug, Clone, Default)]
pub struct ChartOptions {
    /// The version of Kubernetes (`--helm-kube-version`).
    pub kube_version: Option<String>,
    /// APIs that there are besides Helm's own list (`--helm-api-versions`).
    pub api_versions: Vec<String>,
    /// How charts are rendered: the host's gifts and limits.
    #[cfg(feature = "helm")]
    pub render: crate::helm::RenderOptions,
}

/// How `valuesInline` and the values file go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValuesMerge {
    /// Inline values over those of the file.
    Override,
    /// The file's values over inline ones.
    Merge,
    /// Inline values alone.
    Replace,
}

impl ValuesMerge {
    fn read(text: &str) -> Result<Self, Cause> {
        match text {
            "" | "override" => Ok(Self::Override),
            "merge" => Ok(Self::Merge),
            "replace" => Ok(Self::Replace),
            _ => Err(Cause::transform("valuesMerge must be one of [merge override replace]")),
        }
    }
}

/// A chart that was found.
struct Found {
    tree: Tree,
    /// The chart's folder in the tree.
    dir: String,
}

/// A chart with all that a kustomization says of it.
pub(super) struct Inflation<'i> {
    pub(super) chart: &'i HelmChart,
    pub(super) globals: &'i HelmGlobals,
    /// The release's namespace where the chart's configuration names none.
    #[cfg_attr(not(feature = "helm"), expect(dead_code, reason = "nothing is rendered then"))]
    pub(super) namespace: &'i str,
    pub(super) loader: &'i Loader,
    pub(super) schema: &'i Schema,
    pub(super) options: &'i BuildOptions,
}

impl Inflation<'_> {
    /// The objects that the chart renders to.
    pub(super) fn run(&self) -> Result<Vec<Resource>, Cause> {
        let HelmChart { name, .. } = self.chart;
        if !self.options.enable_helm {
            return Err(Cause::transform("must specify --enable-helm"));
        }
        if name.is_empty() {
            return Err(Cause::transform("chart name cannot be empty"));
        }
        let merge = ValuesMerge::read(&self.chart.values_merge)?;
        let mut additional = Vec::with_capacity(self.chart.additional_values_files.len());
        for file in &self.chart.additional_values_files {
            let text = self.loader.load(file).map_err(|cause| self.fail(format!("additionalValuesFiles: {cause}")))?;
            additional.push((file.as_str(), text));
        }
        let found = self.find()?;
        let first = values::first(self, &found, merge)?;
        let resources = self.inflate(&found, &first, &additional)?;
        resources
            .into_iter()
            .map(|mut resource| {
                resource.set_annotation(HELM_GENERATED, "true")?;
                Ok(resource)
            })
            .collect()
    }

    fn fail(&self, message: impl Into<String>) -> Cause {
        Cause::Chart { chart: self.chart.name.clone(), message: message.into() }
    }

    /// Finds the chart: in the tree, or where the host knows it to be.
    fn find(&self) -> Result<Found, Cause> {
        let home = match self.globals.chart_home.as_str() {
            "" => DEFAULT_HOME,
            home => home,
        };
        let HelmChart { name, version, repo, .. } = self.chart;
        let path = match version.is_empty() || repo.is_empty() {
            true => format!("{home}/{name}"),
            false => format!("{home}/{name}-{version}/{name}"),
        };
        if let Some((tree, dir)) = self.loader.directory(&path) {
            return Ok(Found { tree, dir });
        }
        if repo.is_empty() {
            return Err(self.fail(format!("no repo specified for pull, no chart found at '{path}'")));
        }
        let wanted = RemoteChart { repo, name, version, devel: self.chart.devel };
        let (tree, dir) = self.loader.chart(&wanted).map_err(|why| self.fail(why))?;
        Ok(Found { tree, dir: dir.trim_matches('/').to_owned() })
    }

    #[cfg(not(feature = "helm"))]
    fn inflate(&self, found: &Found, _: &[u8], _: &[(&str, bytes::Bytes)]) -> Result<Vec<Resource>, Cause> {
        let message = format!(
            "the chart at '{}' cannot be inflated: flux-appliers was built without its feature `helm`",
            found.dir
        );
        Err(Cause::Unsupported(format!("chart {}: {message}", self.chart.name)))
    }
}
