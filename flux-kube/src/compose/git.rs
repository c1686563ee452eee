//! From `GitRepository` documents to sources.

use flux_core::SourceError;
use flux_sources::git::{GitSource, GitSourceBuilder, GithubApp, Keyring, Reference, SshIdentity, VerifyMode};
use flux_sources::{Credentials, Proxy, Secret, Tls};

use super::Problem;
use super::secrets::{KEYS, LOGIN, Names, PROXY, Secrets, invalid};
use crate::api::{GitRepositoryRef, GitRepositorySpec, GitRepositoryVerification};

/// Everything but what is included and what is in Secrets.
pub(super) fn builder(spec: &GitRepositorySpec) -> GitSourceBuilder {
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
pub(super) fn check(spec: &GitRepositorySpec) -> Result<(), Problem> {
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
        let mode = mode_of(verify).map_err(|problem| ("spec.verify.mode".to_owned(), problem))?;
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

/// The Secrets that a repository refers to.
pub(super) fn secrets(spec: &GitRepositorySpec) -> Names {
    Names::default()
        .with(LOGIN, spec.secret_ref.as_ref())
        .with(PROXY, spec.proxy_secret_ref.as_ref())
        .with(KEYS, spec.verify.as_ref().map(|verify| &verify.secret_ref))
}

/// The source with what is in its Secrets.
pub(super) fn make(
    spec: &GitRepositorySpec,
    mut builder: GitSourceBuilder,
    secrets: &Secrets,
) -> Result<GitSource, SourceError> {
    let proxy = secrets.get(PROXY).map(Proxy::from_secret).transpose()?;
    if let Some(secret) = secrets.get(LOGIN) {
        builder = log_in(builder, spec, secret, proxy.as_ref())?;
    }
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy);
    }
    if let (Some(verify), Some(secret)) = (&spec.verify, secrets.get(KEYS)) {
        let mode = mode_of(verify).map_err(|problem| invalid("spec.verify.mode", &problem))?;
        builder = builder.verify(mode, Keyring::from_secret(secret)?);
    }
    builder.build()
}

/// Who we are to the server, by the provider and the Secret.
fn log_in(
    builder: GitSourceBuilder,
    spec: &GitRepositorySpec,
    secret: &Secret,
    proxy: Option<&Proxy>,
) -> Result<GitSourceBuilder, SourceError> {
    if spec.url.starts_with("ssh://") {
        return Ok(builder.ssh_identity(SshIdentity::from_secret(secret)?));
    }
    let builder = builder.tls(Tls::from_secret(secret)?);
    let is_github = spec.provider.as_deref() == Some("github");
    match (is_github, GithubApp::from_secret(secret, proxy)?) {
        (true, Some(app)) => Ok(builder.github_app(app)),
        (false, None) => Ok(builder.credentials(Credentials::from_secret(secret)?)),
        (true, None) => {
            Err(invalid("spec.secretRef", "the Secret holds no GitHub App, which the provider `github` needs"))
        }
        (false, Some(_)) => {
            Err(invalid("spec.provider", "the Secret is about a GitHub App, and the provider is not `github`"))
        }
    }
}

/// What has to be signed; `HEAD` when nothing is said.
fn mode_of(verify: &GitRepositoryVerification) -> Result<VerifyMode, String> {
    match verify.mode.as_deref() {
        None | Some("" | "HEAD" | "head") => Ok(VerifyMode::Head),
        Some("Tag") => Ok(VerifyMode::Tag),
        Some("TagAndHEAD") => Ok(VerifyMode::TagAndHead),
        Some(other) => Err(format!("`{other}` is none of HEAD, Tag and TagAndHEAD")),
    }
}

#[cfg(all(test, feature = "apiserver"))]
mod tests {
    use std::sync::Arc;

    use flux_core::Cluster;

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
