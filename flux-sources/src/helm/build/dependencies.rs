//! The charts that a chart needs: from its own tree, from repositories and from registries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flux_core::semver::{Constraint, Version};
use flux_core::source::{Source, SourceError};
use flux_core::tree::join;
use flux_core::{Context, Tree};
use futures::{StreamExt as _, TryStreamExt as _};

use super::copy::copied;
use super::metadata::{Dependency, Metadata};
use crate::helm::{HelmChartSource, HelmLimits, unpack};
use crate::http::{Credentials, Proxy, Tls};

/// How many charts are fetched at once.
const AT_ONCE: usize = 4;

/// How the repository of a dependency is reached: what a `HelmRepository` in the namespace of the chart says about its URL.
#[derive(Clone, Debug, Default)]
pub struct ChartRepository {
    /// Who we are to it.
    pub credentials: Credentials,
    /// Whether other hosts that its index names charts on see the credentials too: `spec.passCredentials`.
    pub pass_credentials: bool,
    /// Which authorities are trusted and which certificate is shown.
    pub tls: Tls,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// Whether a registry is spoken to in plain HTTP.
    pub insecure: bool,
}

/// Repositories by URL, without a `/` at its end.
#[derive(Clone, Default)]
pub(super) struct Repositories(BTreeMap<String, ChartRepository>);

impl Repositories {
    pub(super) fn insert(&mut self, url: &str, repository: ChartRepository) {
        self.0.insert(normalized(url).to_owned(), repository);
    }
}

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn normalized(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// A chart that was found, and where it goes in `charts`.
pub(super) struct Vendored {
    pub(super) dir: String,
    pub(super) tree: Tree,
}

/// What dependencies are looked for in.
pub(super) struct Surroundings<'a> {
    /// The tree that the chart is in.
    pub(super) tree: &'a Tree,
    /// Where it is in there.
    pub(super) dir: &'a str,
    pub(super) repositories: &'a Repositories,
    pub(super) limits: HelmLimits,
    /// The chart in errors.
    pub(super) shown: &'a str,
}

impl Surroundings<'_> {
    /// The dependencies that are not in `charts` of the chart itself.
    pub(super) async fn missing(
        &self,
        cx: &Context,
        chart: &Tree,
        wanted: &[Dependency],
    ) -> Result<Vec<Vendored>, SourceError> {
        let there = self.vendored(chart)?;
        let missing: Vec<Dependency> = wanted.iter().filter(|wanted| !there.contains(&wanted.name)).cloned().collect();
        let fetched = missing.into_iter().map(|wanted| async move {
            let (version, tree) = self.find(cx, &wanted).await?;
            Ok::<_, SourceError>((wanted.name, version, tree))
        });
        let fetched: Vec<_> = futures::stream::iter(fetched).buffered(AT_ONCE).try_collect().await?;
        let mut taken = BTreeSet::new();
        let mut vendored = Vec::new();
        for (name, version, tree) in fetched {
            // A chart that is needed twice, under two names, is there in each version once.
            let dir = [name.clone(), format!("{name}-{version}")].into_iter().find(|dir| taken.insert(dir.clone()));
            vendored.extend(dir.map(|dir| Vendored { dir, tree }));
        }
        Ok(vendored)
    }

    /// The names of the charts in `charts`.
    fn vendored(&self, chart: &Tree) -> Result<BTreeSet<String>, SourceError> {
        let mut names = BTreeSet::new();
        for entry in chart.list("charts") {
            let path = format!("charts/{entry}");
            if chart.is_dir(&path) {
                names.extend(Metadata::read(chart, &path).map(|metadata| metadata.name));
            } else if let Some(data) = entry.ends_with(".tgz").then(|| chart.read(&path).ok()).flatten() {
                let tree = unpack(&format!("{}/{path}", self.shown), &data, self.limits.tree)?;
                names.extend(Metadata::read(&tree, "").map(|metadata| metadata.name));
            }
        }
        Ok(names)
    }

    async fn find(&self, cx: &Context, wanted: &Dependency) -> Result<(String, Tree), SourceError> {
        let repository = wanted.repository.as_str();
        let known = self.repositories.0.get(normalized(repository)).cloned().unwrap_or_default();
        let refused = |problem: &str| self.refused(&wanted.name, problem);
        if let Some(path) = repository.strip_prefix("file://") {
            return self.local(wanted, path);
        }
        let found = if repository.starts_with("https://") || repository.starts_with("http://") {
            let source = HelmChartSource::builder(repository, &wanted.name)
                .version(&wanted.version)
                .credentials(known.credentials)
                .pass_credentials(known.pass_credentials)
                .tls(known.tls)
                .limits(self.limits);
            let source = known.proxy.into_iter().fold(source, |source, proxy| source.proxy(proxy)).build();
            newest(cx, &source.map_err(|error| refused(&error.to_string()))?).await
        } else if repository.starts_with("oci://") {
            self.registry(cx, wanted, known).await
        } else if repository.is_empty() {
            return Err(refused("is not in `charts` and names no repository"));
        } else if repository.starts_with('@') || repository.starts_with("alias:") {
            return Err(refused("names its repository by an alias, which only a Helm client has"));
        } else {
            return Err(refused(&format!("the repository `{repository}` cannot be read")));
        };
        found.map_err(|error| match error {
            SourceError::NotFound { url, what } => {
                SourceError::NotFound { url, what: format!("dependency `{}`: {what}", wanted.name) }
            }
            other => other,
        })
    }

    #[cfg(feature = "oci")]
    async fn registry(
        &self,
        cx: &Context,
        wanted: &Dependency,
        known: ChartRepository,
    ) -> Result<(String, Tree), SourceError> {
        let source = crate::oci::OciChartSource::builder(&wanted.repository, &wanted.name)
            .version(&wanted.version)
            .credentials(known.credentials)
            .tls(known.tls)
            .insecure(known.insecure)
            .limits(self.limits);
        let source = known.proxy.into_iter().fold(source, |source, proxy| source.proxy(proxy)).build();
        newest(cx, &source.map_err(|error| self.refused(&wanted.name, &error.to_string()))?).await
    }

    #[cfg(not(feature = "oci"))]
    async fn registry(
        &self,
        _: &Context,
        wanted: &Dependency,
        _: ChartRepository,
    ) -> Result<(String, Tree), SourceError> {
        Err(self.refused(&wanted.name, "is in a registry, for which the feature `oci` is needed"))
    }

    /// A chart elsewhere in the same tree.
    fn local(&self, wanted: &Dependency, path: &str) -> Result<(String, Tree), SourceError> {
        let refused = |problem: String| self.refused(&wanted.name, &problem);
        if path.starts_with('/') {
            return Err(refused(format!("`file://{path}` is absolute; only paths inside the source are read")));
        }
        let dir = join(self.dir, path).map_err(|error| refused(format!("`file://{path}`: {error}")))?;
        let metadata = Metadata::read(self.tree, &dir).map_err(|problem| refused(format!("`{dir}`: {problem}")))?;
        if !wanted.version.is_empty() {
            let range = Constraint::parse(&wanted.version).map_err(|error| refused(error.to_string()))?;
            if !range.matches(&metadata.version) {
                let found = metadata.version.original();
                return Err(refused(format!("`{dir}` has version {found}, and `{}` is wanted", wanted.version)));
            }
        }
        let tree = copied(self.tree, &dir, self.limits.tree).map_err(refused)?;
        Ok((metadata.version.original().to_owned(), tree))
    }

    fn refused(&self, name: &str, problem: &str) -> SourceError {
        let problem = format!("dependency `{name}`: {problem}");
        SourceError::Rejected { url: self.shown.to_owned(), problem }
    }
}

/// The version of a chart that is wanted now.
async fn newest(cx: &Context, source: &dyn Source) -> Result<(String, Tree), SourceError> {
    let revision = source.resolve(cx).await?;
    let tree = source.fetch(cx, &revision).await?.tree;
    Version::parse_strict(revision.as_str()).map_err(|error| SourceError::Rejected {
        url: "dependency".into(),
        problem: format!("`{revision}` is no version: {error}"),
    })?;
    Ok((revision.to_string(), tree))
}
