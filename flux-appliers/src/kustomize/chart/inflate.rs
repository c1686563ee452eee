//! From a chart and its values to objects.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{Found, Inflation};
use crate::helm::{
    Chart, ChartLimits, HelmError, KubeVersion, PrintOptions, ReleaseInfo, RenderOptions, Table, merge_maps,
    name_from_template, read_values, render,
};
use crate::kustomize::error::Cause;
use crate::kustomize::load;
use crate::kustomize::resource::Resource;

/// The release that `helm template` names where it is given no name.
const DEFAULT_RELEASE: &str = "release-name";
const DEFAULT_NAMESPACE: &str = "default";

impl Inflation<'_> {
    /// Renders the chart as `helm template` would and reads the objects.
    pub(super) fn inflate(
        &self,
        found: &Found,
        first: &Bytes,
        additional: &[(&str, Bytes)],
    ) -> Result<Vec<Resource>, Cause> {
        let wrong = |error: HelmError| self.fail(error.to_string());
        let chart = Chart::from_tree(&found.tree, &found.dir, &ChartLimits::default());
        let chart = chart.map_err(|error| wrong(error.into()))?;
        let mut values = Table::new();
        for (file, text) in [("values", first)].into_iter().chain(additional.iter().map(|(file, text)| (*file, text))) {
            let more = read_values(text).map_err(|error| self.fail(format!("{file}: {error}")))?;
            merge_maps(&mut values, more);
        }
        let options = self.render_options()?;
        let release = self.release(&options)?;
        let rendered = render(&chart, &values, &release, &options).map_err(|failure| wrong(failure.error))?;
        let config = self.chart;
        let print = PrintOptions {
            include_crds: config.include_crds,
            no_hooks: config.skip_hooks,
            skip_tests: config.skip_tests,
            show_only: Vec::new(),
        };
        let text = rendered.print(&print).map_err(wrong)?;
        let sources = Sources::of(&text);
        let mut resources =
            load::resources(text.as_bytes(), self.options.limits.yaml).map_err(|cause| match cause {
                Cause::Object { message, line } => self.fail(format!("{}: {message}", sources.at(line))),
                Cause::Yaml(error) => self.fail(format!("{}: {error}", sources.at(error.line))),
                other => other,
            })?;
        for resource in &mut resources {
            // Paths of templates start with the chart's name, which its folder need not have.
            if let Some((_, path)) = sources.at(resource.line).split_once('/') {
                resource.file = Arc::from(format!("{}/{path}", found.dir));
                resource.line = 0;
            }
        }
        Ok(resources)
    }

    fn render_options(&self) -> Result<RenderOptions, Cause> {
        let given = &self.options.charts;
        let mut options = given.render.clone();
        let (version, apis) = (&self.chart.kube_version, &self.chart.api_versions);
        let version = if version.is_empty() { given.kube_version.as_deref() } else { Some(version.as_str()) };
        if let Some(version) = version {
            options.capabilities.kube_version =
                KubeVersion::parse(version).map_err(|error| self.fail(error.to_string()))?;
        }
        let apis = if apis.is_empty() { &given.api_versions } else { apis };
        options.capabilities.api_versions.extend(apis.iter().cloned());
        if let Some(cancel) = &self.options.cancel {
            let (cancel, before) = (Arc::clone(cancel), options.interrupt.take());
            options.interrupt =
                Some(Arc::new(move || cancel.load(Ordering::Relaxed) || before.as_ref().is_some_and(|stop| stop())));
        }
        Ok(options)
    }

    fn release(&self, options: &RenderOptions) -> Result<ReleaseInfo, Cause> {
        let config = self.chart;
        let name = match (config.release_name.as_str(), config.name_template.as_str()) {
            ("", "") => DEFAULT_RELEASE.to_owned(),
            ("", template) => {
                name_from_template(template, &options.host).map_err(|error| self.fail(error.to_string()))?
            }
            (name, "") => name.to_owned(),
            _ => return Err(self.fail("cannot set --name-template and also specify a name")),
        };
        let namespace = [config.namespace.as_str(), self.namespace, DEFAULT_NAMESPACE];
        let namespace = namespace.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        Ok(ReleaseInfo::install(name, namespace))
    }
}

/// Which template each line of a chart's output came from: the lines themselves mean nothing to the chart's author.
struct Sources<'t>(Vec<(usize, &'t str)>);

impl<'t> Sources<'t> {
    fn of(text: &'t str) -> Self {
        let lines = text.lines().enumerate();
        Self(lines.filter_map(|(i, line)| Some((i + 1, line.strip_prefix("# Source: ")?))).collect())
    }

    fn at(&self, line: usize) -> &'t str {
        let after = self.0.partition_point(|(first, _)| *first <= line);
        after.checked_sub(1).and_then(|at| self.0.get(at)).map_or("", |(_, path)| path)
    }
}
