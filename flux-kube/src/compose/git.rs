//! From `GitRepository` documents to sources.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flux_core::engine::Unit;
use flux_core::reconcile::Schedule;
use flux_core::{Cluster, Origin, Source, SourceError};
use flux_sources::git::{GitSource, GitSourceBuilder, Include, Keyring, Reference};

use super::secrets::SecretSource;
use super::{unit, wrong};
use crate::api::{Document, DocumentError, GitRepository, GitRepositoryRef, GitRepositorySpec, Resource};

/// A source, and when it looks for something new.
pub(super) type Scheduled = (Unit, Arc<dyn Source>, Schedule<Unit>);

/// The documents that sources are made from, and the sources that were made already.
pub(super) struct Sources<'a> {
    cluster: &'a Arc<dyn Cluster>,
    repositories: BTreeMap<Unit, (&'a GitRepository, &'a Origin)>,
    made: BTreeMap<Unit, Arc<dyn Source>>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(documents: &'a [Document], cluster: &'a Arc<dyn Cluster>) -> Self {
        let repositories = documents.iter().filter_map(|document| match &document.resource {
            Resource::GitRepository(git) => Some((unit(&document.resource), (&**git, &document.origin))),
            Resource::Kustomization(_) => None,
        });
        Self { cluster, repositories: repositories.collect(), made: BTreeMap::new() }
    }

    /// The source that a document describes.
    pub(super) fn scheduled(&mut self, unit: Unit) -> Result<Scheduled, DocumentError> {
        let source = self.source(&unit, &mut Vec::new())?;
        let (git, _) = self.repositories[&unit];
        // A source has its own timeout, whatever its interval: 60 seconds in Flux.
        let timeout = git.spec.timeout.map_or(Duration::from_secs(60), |timeout| timeout.get());
        let schedule = Schedule::every(git.spec.interval.get()).timeout(timeout).suspend(git.spec.suspend);
        Ok((unit, source, schedule))
    }

    /// The source of a repository; `path` is what includes it.
    fn source(&mut self, unit: &Unit, path: &mut Vec<Unit>) -> Result<Arc<dyn Source>, DocumentError> {
        if let Some(made) = self.made.get(unit) {
            return Ok(made.clone());
        }
        let (git, origin) = self.repositories[unit];
        check(&git.spec).map_err(|(field, problem)| wrong(origin, &field, problem))?;
        let mut builder = builder(&git.spec);
        path.push(unit.clone());
        for (index, include) in git.spec.include.iter().enumerate() {
            let field = format!("spec.include[{index}].repository.name");
            let other = Unit::new("GitRepository", unit.namespace(), include.repository.name.as_str());
            if path.contains(&other) {
                return Err(wrong(origin, &field, format!("{other} is included in itself")));
            }
            if !self.repositories.contains_key(&other) {
                let problem = format!("{other} is not among the documents; add it, or correct the reference");
                return Err(wrong(origin, &field, problem));
            }
            let to = include.to_path.as_deref().filter(|to| !to.is_empty()).unwrap_or(&include.repository.name);
            let part = Include::new(self.source(&other, path)?, to);
            builder = builder.include(part.from_path(include.from_path.clone().unwrap_or_default()));
        }
        path.pop();
        let source: Arc<dyn Source> = if SecretSource::is_needed(&git.spec) {
            Arc::new(SecretSource::new(self.cluster.clone(), unit.namespace(), git.spec.clone(), builder))
        } else {
            Arc::new(builder.build().map_err(|error| at(origin, error))?)
        };
        self.made.insert(unit.clone(), source.clone());
        Ok(source)
    }
}

/// Everything but what is included and what is in Secrets.
fn builder(spec: &GitRepositorySpec) -> GitSourceBuilder {
    let mut builder = GitSource::builder(&spec.url)
        .recurse_submodules(spec.recurse_submodules)
        .sparse_checkout(&spec.sparse_checkout);
    if let Some(reference) = &spec.reference {
        builder = builder.reference(reference_of(reference));
    }
    if let Some(ignore) = &spec.ignore {
        builder = builder.ignore(ignore);
    }
    builder
}

/// What can be said about a document without its Secrets: the field, and what is wrong with it.
fn check(spec: &GitRepositorySpec) -> Result<(), (String, String)> {
    let wrong = |field: &str, problem: String| Err((field.to_owned(), problem));
    match spec.provider.as_deref().unwrap_or("generic") {
        "" | "generic" => {}
        "github" if spec.secret_ref.is_some() => {}
        "github" => return wrong("spec.secretRef", "the provider `github` needs a Secret with a GitHub App".into()),
        other => return wrong("spec.provider", format!("`{other}` is not supported yet; use generic or github")),
    }
    let is_ssh = spec.url.starts_with("ssh://");
    if is_ssh && spec.proxy_secret_ref.is_some() {
        return wrong("spec.proxySecretRef", "a proxy is for http and https".into());
    }
    if is_ssh && spec.secret_ref.is_none() {
        let problem = "an ssh URL needs a Secret with `identity` and `known_hosts`";
        return wrong("spec.secretRef", problem.into());
    }
    let mut probe = builder(spec);
    if let Some(verify) = &spec.verify {
        let mode = super::secrets::mode_of(verify).map_err(|problem| ("spec.verify.mode".to_owned(), problem))?;
        probe = probe.verify(mode, Keyring::default());
    }
    // What remains is told by making the source; without its Secrets, ssh cannot be more than looked at.
    match probe.build() {
        Err(SourceError::Invalid { field, problem }) if !(is_ssh && field == "spec.secretRef") => {
            wrong(&field, problem)
        }
        _ => Ok(()),
    }
}

/// Of several fields the most exact wins, as in Flux: commit, name, tag, semver, branch.
fn reference_of(reference: &GitRepositoryRef) -> Reference {
    match reference {
        GitRepositoryRef { commit: Some(id), branch, .. } => {
            Reference::Commit { id: id.clone(), branch: branch.clone() }
        }
        GitRepositoryRef { name: Some(name), .. } => Reference::name(name),
        GitRepositoryRef { tag: Some(tag), .. } => Reference::tag(tag),
        GitRepositoryRef { semver: Some(range), .. } => Reference::semver(range),
        GitRepositoryRef { branch: Some(branch), .. } => Reference::branch(branch),
        _ => Reference::default(),
    }
}

fn at(origin: &Origin, error: SourceError) -> DocumentError {
    match error {
        SourceError::Invalid { field, problem } => wrong(origin, &field, problem),
        other => wrong(origin, "spec", other.to_string()),
    }
}

#[cfg(all(test, feature = "apiserver"))]
mod tests {
    use super::*;
    use crate::api;
    use crate::apiserver::ApiServer;
    use crate::compose::Composition;

    const GIT: &str = "\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app, namespace: apps}
spec:
  interval: 1m
  url: https://git.example.com/app
";

    fn compose(spec: &str) -> Result<usize, String> {
        compose_at("https://git.example.com/app", spec)
    }

    #[test]
    fn every_field_is_carried_out() {
        for spec in [
            "  ref: {semver: 1.x, branch: main}\n  timeout: 10s\n  suspend: true\n  ignore: '*.md'",
            "  recurseSubmodules: true\n  sparseCheckout: [a, ./b]\n  provider: generic",
            "  secretRef: {name: s}\n  proxySecretRef: {name: p}",
            "  secretRef: {name: s}\n  provider: github",
            "  verify: {mode: head, secretRef: {name: s}}",
            "  ref: {tag: v1}\n  verify: {mode: TagAndHEAD, secretRef: {name: s}}",
        ] {
            assert_eq!(compose(spec), Ok(1), "{spec}");
        }
        let other = "  include: [{repository: {name: lib}, fromPath: deploy, toPath: vendor}]\n---\n\
            apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: lib, namespace: apps}\n\
            spec: {interval: 1m, url: 'https://git.example.com/lib'";
        assert_eq!(compose(&format!("{other}}}")), Ok(2));
        let circle = compose(&format!("{other}, include: [{{repository: {{name: app}}}}]}}")).unwrap_err();
        assert!(
            circle.contains("spec.include[0].repository.name: GitRepository/apps/app is included in itself"),
            "{circle}"
        );
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_name() {
        for (spec, said) in [
            ("  serviceAccountName: x", "spec.serviceAccountName: is not supported yet"),
            ("  provider: aws", "spec.provider: `aws` is not supported yet"),
            ("  provider: github", "spec.secretRef: the provider `github` needs"),
            ("  verify: {mode: All, secretRef: {name: s}}", "spec.verify.mode: `All` is none of"),
            ("  verify: {mode: Tag, secretRef: {name: s}}", "spec.verify.mode: a tag has to be verified"),
            (
                "  include: [{repository: {name: lib}}]",
                "spec.include[0].repository.name: GitRepository/apps/lib is not",
            ),
            ("  include: [{repository: {name: app}}]", "GitRepository/apps/app is included in itself"),
            ("  ref: {branch: 'a..b'}", "spec.ref.branch: `a..b` is not a valid reference name"),
            ("  sparseCheckout: [1]", "spec.sparseCheckout[0]: invalid type"),
            ("  nonsense: true", "spec.nonsense: unknown field"),
        ] {
            let error = compose(spec).unwrap_err();
            assert!(error.starts_with("git.yaml:1: ") && error.contains(said), "{spec}: {error}");
        }
        let ssh = |spec: &str| compose_at("ssh://git@git.example.com/app", spec).unwrap_err();
        assert!(ssh("").contains("spec.secretRef: an ssh URL needs a Secret"));
        assert!(
            ssh("  secretRef: {name: s}\n  proxySecretRef: {name: p}").contains("spec.proxySecretRef: a proxy is for")
        );
        assert_eq!(compose_at("ssh://git@git.example.com/app", "  secretRef: {name: s}"), Ok(1));
    }

    fn compose_at(url: &str, spec: &str) -> Result<usize, String> {
        let text = format!("{GIT}{spec}\n").replace("https://git.example.com/app", url);
        let documents = api::read("git.yaml", text.as_bytes()).map_err(|error| error.to_string())?;
        let cluster: Arc<dyn Cluster> = Arc::new(ApiServer::default());
        Composition::new(&documents, &cluster).map(|made| made.units().count()).map_err(|error| error.to_string())
    }
}
