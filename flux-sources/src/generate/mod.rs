//! Artifacts that are put together from parts of others: one artifact of an `ArtifactGenerator`.
//!
//! Rules copy files, directories and what patterns match from sources by their aliases, in order; later ones may replace
//! what earlier ones put there, merge YAML into it, or unpack archives. Nothing is read outside a source, and what comes
//! out is bounded before it is made.

mod copy;
mod glob;
mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Tree, TreeLimits};
use flux_core::{Artifact, Context, Revision};
use futures::{StreamExt as _, TryStreamExt as _};

use copy::Assembly;
use rule::Rule;

pub use rule::{CopyRule, CopyStrategy};

/// How many sources there may be, and how many rules.
const SOURCES: usize = 1000;
/// Bytes of an alias.
const ALIAS: usize = 63;
/// How many sources are asked at once.
const AT_ONCE: usize = 4;
/// What an artifact says about the revision that it comes from.
const ORIGIN_REVISION: &str = "org.opencontainers.image.revision";

/// An artifact that is put together from parts of others, as a source.
///
/// Its revision is `latest@` and the digest of what is in it, so that it changes only when a part that is used does; or
/// the revision of one of its sources, if that was asked for.
///
/// # Deviations from Flux
/// The digest in the revision is that of the files, and not of an archive of them. `pathPattern` is not supported.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use std::sync::Arc;
/// use flux_core::{Context, Source};
/// use flux_sources::generate::{CopyRule, CopyStrategy, GeneratedSource};
/// use flux_sources::memory::MemorySource;
///
/// let chart = MemorySource::from_files([("values.yaml", "replicas: 1\nport: 80\n"), ("Chart.yaml", "name: app")])?;
/// let repo = MemorySource::from_files([("prod.yaml", "replicas: 3\n"), ("README.md", "")])?;
/// let source = GeneratedSource::builder()
///     .source("chart", Arc::new(chart))
///     .source("repo", Arc::new(repo))
///     .copy(CopyRule::new("@chart/**", "@artifact/"))
///     .copy(CopyRule::new("@repo/prod.yaml", "@artifact/values.yaml").strategy(CopyStrategy::Merge))
///     .build()?;
/// let cx = Context::background();
/// let revision = source.resolve(&cx).await?;
/// assert!(revision.as_str().starts_with("latest@sha256:"));
/// let tree = source.fetch(&cx, &revision).await?.tree;
/// assert_eq!(tree.read("values.yaml")?.as_ref(), b"port: 80\nreplicas: 3\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct GeneratedSource(Arc<Inner>);

struct Inner {
    sources: BTreeMap<String, Arc<dyn Source>>,
    rules: Vec<Rule>,
    revision: Option<String>,
    origin_revision: Option<String>,
    limits: TreeLimits,
    last: Mutex<Option<Last>>,
}

/// What was made last, and of what.
#[derive(Clone)]
struct Last {
    revisions: BTreeMap<String, Revision>,
    artifact: Artifact,
}

/// Describes a [`GeneratedSource`].
#[derive(Clone, Default)]
#[must_use]
pub struct GeneratedSourceBuilder {
    sources: Vec<(String, Arc<dyn Source>)>,
    rules: Vec<CopyRule>,
    revision: Option<String>,
    origin_revision: Option<String>,
    limits: TreeLimits,
}

impl GeneratedSource {
    /// Starts with nothing.
    pub fn builder() -> GeneratedSourceBuilder {
        GeneratedSourceBuilder::default()
    }
}

impl GeneratedSourceBuilder {
    /// Adds a source under an alias.
    pub fn source(mut self, alias: impl Into<String>, source: Arc<dyn Source>) -> Self {
        self.sources.push((alias.into(), source));
        self
    }

    /// Adds a rule, which is carried out after those before it.
    pub fn copy(mut self, rule: CopyRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Takes the revision of this source for the artifact's own: `revision: "@alias"`.
    pub fn revision_of(mut self, alias: impl Into<String>) -> Self {
        self.revision = Some(alias.into());
        self
    }

    /// Notes the revision that this source comes from in the artifact's metadata: `originRevision: "@alias"`.
    pub fn origin_revision_of(mut self, alias: impl Into<String>) -> Self {
        self.origin_revision = Some(alias.into());
        self
    }

    /// What the artifact may hold.
    pub fn tree_limits(mut self, limits: TreeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The source.
    ///
    /// # Errors
    /// An alias that is none or given twice, a rule that cannot be read, or one that names a source that is not there.
    pub fn build(self) -> Result<GeneratedSource, SourceError> {
        let invalid = |field: &str, problem: String| SourceError::Invalid { field: field.into(), problem };
        if self.sources.len() > SOURCES || self.rules.len() > SOURCES {
            return Err(invalid("copy", format!("more than {SOURCES} sources or rules")));
        }
        let mut sources = BTreeMap::new();
        for (index, (alias, source)) in self.sources.into_iter().enumerate() {
            let field = format!("sources[{index}].alias");
            if !is_alias(&alias) {
                let problem = format!("`{}` should be lower-case letters, digits, `-` and `_`", alias.escape_debug());
                return Err(invalid(&field, problem));
            }
            if sources.insert(alias.clone(), source).is_some() {
                return Err(invalid(&field, format!("`{alias}` is given twice")));
            }
        }
        let known = |field: &str, alias: &str| match sources.contains_key(alias) {
            true => Ok(()),
            false => Err(invalid(field, format!("there is no source `{}`", alias.escape_debug()))),
        };
        let rules: Vec<Rule> =
            self.rules.iter().enumerate().map(|(index, rule)| Rule::read(rule, index)).collect::<Result<_, _>>()?;
        for (index, rule) in rules.iter().enumerate() {
            known(&format!("copy[{index}].from"), &rule.alias)?;
        }
        if rules.is_empty() {
            return Err(invalid("copy", "is empty: nothing would be in the artifact".into()));
        }
        self.revision.as_deref().map_or(Ok(()), |alias| known("revision", alias))?;
        self.origin_revision.as_deref().map_or(Ok(()), |alias| known("originRevision", alias))?;
        Ok(GeneratedSource(Arc::new(Inner {
            sources,
            rules,
            revision: self.revision,
            origin_revision: self.origin_revision,
            limits: self.limits,
            last: Mutex::default(),
        })))
    }
}

fn is_alias(alias: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = [alias.bytes().next(), alias.bytes().last()];
    alias.len() <= ALIAS
        && ends.into_iter().all(|end| end.is_some_and(plain))
        && alias.bytes().all(|b| plain(b) || matches!(b, b'-' | b'_'))
}

impl Inner {
    /// The artifact as its sources are now.
    async fn made(&self, cx: &Context) -> Result<Artifact, SourceError> {
        let mut resolving = Vec::with_capacity(self.sources.len());
        for (alias, source) in &self.sources {
            resolving.push(resolved(cx, alias.clone(), source.clone()));
        }
        let revisions: BTreeMap<String, Revision> =
            futures::stream::iter(resolving).buffer_unordered(AT_ONCE).try_collect().await?;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.filter(|last| last.revisions == revisions) {
            return Ok(last.artifact);
        }
        let mut fetching = Vec::with_capacity(self.sources.len());
        for (alias, source) in &self.sources {
            let revision = revisions.get(alias).cloned();
            fetching.extend(revision.map(|revision| fetched(cx, alias.clone(), source.clone(), revision)));
        }
        let artifacts: BTreeMap<String, Artifact> =
            futures::stream::iter(fetching).buffer_unordered(AT_ONCE).try_collect().await?;
        let (rules, limits) = (self.rules.clone(), self.limits);
        let trees: BTreeMap<String, Tree> =
            artifacts.iter().map(|(alias, artifact)| (alias.clone(), artifact.tree.clone())).collect();
        let tree = cx.run_blocking(move |_| assemble(&rules, &trees, limits)).await??;
        let revision = match self.revision.as_ref().and_then(|alias| artifacts.get(alias)) {
            Some(artifact) => artifact.revision.clone(),
            None => Revision::new(format!("latest@{}", tree.digest())),
        };
        let mut metadata = BTreeMap::new();
        if let Some(artifact) = self.origin_revision.as_ref().and_then(|alias| artifacts.get(alias)) {
            let origin = artifact.metadata.get(ORIGIN_REVISION).cloned();
            metadata.insert(ORIGIN_REVISION.to_owned(), origin.unwrap_or_else(|| artifact.revision.to_string()));
        }
        let artifact = Artifact { revision, tree, metadata };
        let last = Last { revisions, artifact: artifact.clone() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        Ok(artifact)
    }
}

async fn resolved(cx: &Context, alias: String, source: Arc<dyn Source>) -> Result<(String, Revision), SourceError> {
    let revision = source.resolve(cx).await?;
    Ok((alias, revision))
}

async fn fetched(
    cx: &Context,
    alias: String,
    source: Arc<dyn Source>,
    revision: Revision,
) -> Result<(String, Artifact), SourceError> {
    let artifact = source.fetch(cx, &revision).await?;
    Ok((alias, artifact))
}

fn assemble(rules: &[Rule], trees: &BTreeMap<String, Tree>, limits: TreeLimits) -> Result<Tree, SourceError> {
    let rejected = |url: &str, problem: String| SourceError::Rejected { url: url.to_owned(), problem };
    let mut assembly = Assembly::new(limits);
    for rule in rules {
        let Some(tree) = trees.get(&rule.alias) else { continue };
        assembly.apply(rule, tree).map_err(|problem| rejected(&format!("copy {}", rule.shown), problem))?;
    }
    assembly.build().map_err(|problem| rejected("artifact", problem))
}

#[async_trait]
impl Source for GeneratedSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        Ok(self.0.made(cx).await?.revision)
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let artifact = self.0.made(cx).await?;
        if artifact.revision != *revision {
            let what = format!("revision `{revision}` (it is at `{}` now)", artifact.revision);
            return Err(SourceError::NotFound { url: "artifact".into(), what });
        }
        Ok(artifact)
    }
}

impl fmt::Debug for GeneratedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedSource")
            .field("sources", &self.0.sources)
            .field("rules", &self.0.rules.iter().map(|rule| &rule.shown).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GeneratedSourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedSourceBuilder").field("rules", &self.rules).finish_non_exhaustive()
    }
}
