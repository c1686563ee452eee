//! From `HelmRepository` and `HelmChart` documents to sources.

use std::sync::Arc;

use flux_core::{Source, SourceError};
use flux_sources::helm::{
    BuiltChartSource, BuiltChartSourceBuilder, ChartRepository, HelmChartSource, ReconcileStrategy,
};
use flux_sources::oci::OciChartSource;
use flux_sources::{Credentials, Tls};

use super::Problem;
use super::oci::{check_verification, keys, provider};
use super::secrets::{CERTIFICATE, KEYS, LOGIN, Names, Secrets, invalid};
use crate::api::{HelmChartSpec, HelmRepositorySpec};

/// What can be said about a repository without its Secrets.
pub(super) fn check(spec: &HelmRepositorySpec) -> Result<(), Problem> {
    let wrong = |field: &str, problem: &str| Err((format!("spec.{field}"), problem.to_owned()));
    provider(spec.provider.as_deref())?;
    let is_registry = match spec.kind.as_deref().unwrap_or("default") {
        "" | "default" => false,
        "oci" => true,
        other => return wrong("type", &format!("`{other}` is neither default nor oci")),
    };
    match (is_registry, spec.url.starts_with("oci://")) {
        (false, true) => return wrong("url", "a registry needs `type: oci`"),
        (true, false) => return wrong("url", "should start with `oci://`, as the type says"),
        _ => {}
    }
    if spec.insecure && !is_registry {
        return wrong("insecure", "is for registries; a repository is spoken to as its URL says");
    }
    let probe = match is_registry {
        true => OciChartSource::builder(&spec.url, "chart").build().map(drop),
        false => HelmChartSource::builder(&spec.url, "chart").build().map(drop),
    };
    match probe {
        Err(SourceError::Invalid { field, problem }) => Err((field, problem)),
        _ => Ok(()),
    }
}

/// What can be said about a chart without its Secrets; the repository if it is in one.
pub(super) fn check_chart(spec: &HelmChartSpec, repository: Option<&HelmRepositorySpec>) -> Result<(), Problem> {
    strategy(spec).map_err(problem)?;
    let in_registry = repository.is_some_and(|repository| repository.url.starts_with("oci://"));
    match &spec.verify {
        Some(_) if !in_registry => Err(("spec.verify".into(), "is for charts in registries".into())),
        Some(verify) => check_verification(verify),
        None => Ok(()),
    }?;
    match repository {
        Some(repository) => in_repository(spec, repository, &Secrets::default()).map(drop).map_err(problem),
        None => Ok(()),
    }
}

fn problem(error: SourceError) -> Problem {
    match error {
        SourceError::Invalid { field, problem } => (field, problem),
        other => ("spec".into(), other.to_string()),
    }
}

/// The Secrets that a chart in a repository refers to.
pub(super) fn secrets(spec: &HelmChartSpec, repository: &HelmRepositorySpec) -> Names {
    Names::default()
        .with(LOGIN, repository.secret_ref.as_ref())
        .with(CERTIFICATE, repository.cert_secret_ref.as_ref())
        .with(KEYS, spec.verify.as_ref().and_then(|verify| verify.secret_ref.as_ref()))
}

/// The Secrets of every repository in which dependencies may be.
pub(super) fn secrets_of_all(repositories: &[(String, HelmRepositorySpec)]) -> Names {
    repositories.iter().fold(Names::default(), |names, (name, repository)| {
        names
            .with(&role(LOGIN, name), repository.secret_ref.as_ref())
            .with(&role(CERTIFICATE, name), repository.cert_secret_ref.as_ref())
    })
}

fn role(role: &str, repository: &str) -> String {
    format!("{role} of {repository}")
}

/// A chart in a repository or registry, with the values that are wanted.
pub(super) fn in_repository(
    spec: &HelmChartSpec,
    repository: &HelmRepositorySpec,
    secrets: &Secrets,
) -> Result<Arc<dyn Source>, SourceError> {
    let access = access(repository, secrets, LOGIN, CERTIFICATE)?;
    let version = spec.version.as_deref().unwrap_or("*");
    let source: Arc<dyn Source> = if repository.url.starts_with("oci://") {
        let mut builder = OciChartSource::builder(&repository.url, &spec.chart)
            .version(version)
            .credentials(access.credentials)
            .tls(access.tls)
            .insecure(access.insecure);
        if let Some(verify) = &spec.verify {
            builder = builder.verify(keys(verify, secrets)?);
        }
        Arc::new(builder.build()?)
    } else {
        let builder = HelmChartSource::builder(&repository.url, &spec.chart)
            .version(version)
            .credentials(access.credentials)
            .pass_credentials(access.pass_credentials)
            .tls(access.tls);
        Arc::new(builder.build()?)
    };
    match spec.values_files.is_empty() {
        true => Ok(source),
        false => Ok(Arc::new(with_values(BuiltChartSource::of_chart(source), spec).build()?)),
    }
}

/// A chart in the tree of another source.
pub(super) fn in_tree(
    spec: &HelmChartSpec,
    source: Arc<dyn Source>,
    repositories: &[(String, HelmRepositorySpec)],
    secrets: &Secrets,
) -> Result<Arc<dyn Source>, SourceError> {
    let mut builder = with_values(BuiltChartSource::in_tree(source, &spec.chart), spec).strategy(strategy(spec)?);
    for (name, repository) in repositories {
        let access = access(repository, secrets, &role(LOGIN, name), &role(CERTIFICATE, name))?;
        builder = builder.repository(&repository.url, access);
    }
    Ok(Arc::new(builder.build()?))
}

fn with_values(builder: BuiltChartSourceBuilder, spec: &HelmChartSpec) -> BuiltChartSourceBuilder {
    builder.values_files(&spec.values_files).ignore_missing_values_files(spec.ignore_missing_values_files)
}

fn strategy(spec: &HelmChartSpec) -> Result<ReconcileStrategy, SourceError> {
    match spec.reconcile_strategy.as_deref().unwrap_or("ChartVersion") {
        "" | "ChartVersion" => Ok(ReconcileStrategy::ChartVersion),
        "Revision" => Ok(ReconcileStrategy::Revision),
        other => {
            let problem = format!("`{other}` is neither ChartVersion nor Revision");
            Err(invalid("spec.reconcileStrategy", &problem))
        }
    }
}

/// How a repository is reached. Certificates in the Secret of the credentials are an old form that Flux still reads.
fn access(
    repository: &HelmRepositorySpec,
    secrets: &Secrets,
    login: &str,
    certificate: &str,
) -> Result<ChartRepository, SourceError> {
    let login = secrets.get(login);
    let credentials = match login {
        None => Credentials::Anonymous,
        Some(secret) if repository.url.starts_with("oci://") => {
            Credentials::from_registry_secret(secret, &repository.url)?
        }
        Some(secret) => Credentials::from_secret(secret)?,
    };
    let tls = secrets.get(certificate).or(login).map(Tls::from_secret).transpose()?.unwrap_or_default();
    Ok(ChartRepository {
        credentials,
        pass_credentials: repository.pass_credentials,
        tls,
        proxy: None,
        insecure: repository.insecure,
    })
}
