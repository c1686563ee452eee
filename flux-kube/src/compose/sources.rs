//! The documents that sources are made from, whichever kind they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flux_core::engine::Unit;
use flux_core::reconcile::Schedule;
use flux_core::{Cluster, Origin, Source, SourceError};
use flux_sources::git::Include;

use super::secrets::{Make, Names, SecretSource, Secrets};
use super::{bucket, chart, git, oci, unit, wrong};
use crate::api::{Document, DocumentError, GitRepositorySpec, GoDuration, HelmChartSpec, HelmRepositorySpec, Resource};

/// How long a source may take when its document does not say, whatever its interval.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A source, and when it looks for something new.
pub(super) type Scheduled = (Unit, Arc<dyn Source>, Schedule<Unit>);

/// The documents that sources are made from, and the sources that were made already.
pub(super) struct Sources<'a> {
    cluster: &'a Arc<dyn Cluster>,
    documents: BTreeMap<Unit, &'a Document>,
    made: BTreeMap<Unit, Arc<dyn Source>>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(documents: &'a [Document], cluster: &'a Arc<dyn Cluster>) -> Self {
        let documents = documents.iter().map(|document| (unit(&document.resource), document)).collect();
        Self { cluster, documents, made: BTreeMap::new() }
    }

    /// The source that a document describes; none for one that describes where charts are, and for one that is no source.
    pub(super) fn scheduled(&mut self, unit: Unit) -> Result<Option<Scheduled>, DocumentError> {
        let Some(document) = self.documents.get(&unit).copied() else { return Ok(None) };
        let every = |interval: GoDuration, timeout: Option<GoDuration>, suspend| {
            Schedule::every(interval.get()).timeout(timeout.map_or(TIMEOUT, |timeout| timeout.get())).suspend(suspend)
        };
        let schedule = match &document.resource {
            Resource::GitRepository(it) => every(it.spec.interval, it.spec.timeout, it.spec.suspend),
            Resource::OciRepository(it) => every(it.spec.interval, it.spec.timeout, it.spec.suspend),
            Resource::Bucket(it) => every(it.spec.interval, it.spec.timeout, it.spec.suspend),
            Resource::HelmChart(it) => {
                let repository = self.repository(unit.namespace(), &it.spec);
                let suspended = repository.is_some_and(|repository| repository.suspend);
                let timeout = repository.and_then(|repository| repository.timeout);
                every(it.spec.interval, timeout, it.spec.suspend || suspended)
            }
            Resource::HelmRepository(it) => {
                chart::check(&it.spec).map_err(|(field, problem)| wrong(&document.origin, &field, problem))?;
                return Ok(None);
            }
            Resource::Kustomization(_) => return Ok(None),
        };
        let source = self.source(&unit, &mut Vec::new())?;
        Ok(Some((unit, source, schedule)))
    }

    /// The repository that a chart is in, if it is in one.
    fn repository(&self, namespace: &str, spec: &HelmChartSpec) -> Option<&'a HelmRepositorySpec> {
        let unit = Unit::new(spec.source_ref.kind.as_str(), namespace, spec.source_ref.name.as_str());
        match &self.documents.get(&unit)?.resource {
            Resource::HelmRepository(repository) => Some(&repository.spec),
            _ => None,
        }
    }

    /// The source of a document; `path` is what includes it.
    fn source(&mut self, unit: &Unit, path: &mut Vec<Unit>) -> Result<Arc<dyn Source>, DocumentError> {
        if let Some(made) = self.made.get(unit) {
            return Ok(made.clone());
        }
        let document = self.documents[unit];
        let origin = &document.origin;
        let refused = |(field, problem): (String, String)| wrong(origin, &field, problem);
        let source = match &document.resource {
            Resource::GitRepository(it) => self.git(unit, &it.spec, origin, path)?,
            Resource::OciRepository(it) => {
                let spec = it.spec.clone();
                oci::check(&spec).map_err(refused)?;
                let names = oci::secrets(&spec);
                self.referring(unit, origin, names, Box::new(move |secrets| oci::make(&spec, secrets)))?
            }
            Resource::Bucket(it) => {
                let spec = it.spec.clone();
                bucket::check(&spec).map_err(refused)?;
                let names = bucket::secrets(&spec);
                self.referring(unit, origin, names, Box::new(move |secrets| bucket::make(&spec, secrets)))?
            }
            Resource::HelmChart(it) => self.chart(unit, &it.spec, origin)?,
            Resource::HelmRepository(_) | Resource::Kustomization(_) => {
                return Err(wrong(origin, "kind", format!("{unit} is no source of files")));
            }
        };
        self.made.insert(unit.clone(), source.clone());
        Ok(source)
    }

    /// A source that is made anew when its Secrets change; at once if it has none.
    fn referring(
        &self,
        unit: &Unit,
        origin: &Origin,
        names: Names,
        make: Make,
    ) -> Result<Arc<dyn Source>, DocumentError> {
        if names.is_empty() {
            return make(&Secrets::default()).map_err(|error| at(origin, error));
        }
        let shown = unit.to_string();
        Ok(Arc::new(SecretSource::new(self.cluster.clone(), unit.namespace(), &shown, names, make)))
    }

    fn git(
        &mut self,
        unit: &Unit,
        spec: &GitRepositorySpec,
        origin: &Origin,
        path: &mut Vec<Unit>,
    ) -> Result<Arc<dyn Source>, DocumentError> {
        git::check(spec).map_err(|(field, problem)| wrong(origin, &field, problem))?;
        let mut builder = git::builder(spec);
        path.push(unit.clone());
        for (index, include) in spec.include.iter().enumerate() {
            let field = format!("spec.include[{index}].repository.name");
            let other = Unit::new("GitRepository", unit.namespace(), include.repository.name.as_str());
            if path.contains(&other) {
                return Err(wrong(origin, &field, format!("{other} is included in itself")));
            }
            self.must_be_known(&other, origin, &field)?;
            let to = include.to_path.as_deref().filter(|to| !to.is_empty()).unwrap_or(&include.repository.name);
            let part = Include::new(self.source(&other, path)?, to);
            builder = builder.include(part.from_path(include.from_path.clone().unwrap_or_default()));
        }
        path.pop();
        let (spec, names) = (spec.clone(), git::secrets(spec));
        let make = move |secrets: &Secrets| -> Result<Arc<dyn Source>, SourceError> {
            Ok(Arc::new(git::make(&spec, builder.clone(), secrets)?))
        };
        self.referring(unit, origin, names, Box::new(make))
    }

    fn chart(&mut self, unit: &Unit, spec: &HelmChartSpec, origin: &Origin) -> Result<Arc<dyn Source>, DocumentError> {
        let refused = |(field, problem): (String, String)| wrong(origin, &field, problem);
        let other = Unit::new(spec.source_ref.kind.as_str(), unit.namespace(), spec.source_ref.name.as_str());
        let kind = spec.source_ref.kind.as_str();
        if !matches!(kind, "HelmRepository" | "GitRepository" | "Bucket") {
            let problem = format!("`{kind}` is none of HelmRepository, GitRepository and Bucket");
            return Err(wrong(origin, "spec.sourceRef.kind", problem));
        }
        self.must_be_known(&other, origin, "spec.sourceRef")?;
        let chart = spec.clone();
        if let Some(repository) = self.repository(unit.namespace(), spec).cloned() {
            chart::check(&repository).map_err(|(field, problem)| {
                wrong(origin, "spec.sourceRef", format!("{other} cannot be used: {field}: {problem}"))
            })?;
            chart::check_chart(spec, Some(&repository)).map_err(refused)?;
            let names = chart::secrets(spec, &repository);
            let make: Make = Box::new(move |secrets| chart::in_repository(&chart, &repository, secrets));
            return self.referring(unit, origin, names, make);
        }
        chart::check_chart(spec, None).map_err(refused)?;
        let source = self.source(&other, &mut Vec::new())?;
        let repositories: Vec<(String, HelmRepositorySpec)> = self.repositories_of(unit.namespace());
        let names = chart::secrets_of_all(&repositories);
        let make: Make = Box::new(move |secrets| chart::in_tree(&chart, source.clone(), &repositories, secrets));
        self.referring(unit, origin, names, make)
    }

    /// The repositories in which dependencies of a chart may be, by name.
    fn repositories_of(&self, namespace: &str) -> Vec<(String, HelmRepositorySpec)> {
        let there = self.documents.iter().filter(|(unit, _)| unit.namespace() == namespace);
        there
            .filter_map(|(unit, document)| match &document.resource {
                Resource::HelmRepository(repository) => Some((unit.name().to_owned(), repository.spec.clone())),
                _ => None,
            })
            .collect()
    }

    fn must_be_known(&self, other: &Unit, origin: &Origin, field: &str) -> Result<(), DocumentError> {
        if self.documents.contains_key(other) {
            return Ok(());
        }
        let problem = format!("{other} is not among the documents; add it, or correct the reference");
        Err(wrong(origin, field, problem))
    }
}

fn at(origin: &Origin, error: SourceError) -> DocumentError {
    match error {
        SourceError::Invalid { field, problem } => wrong(origin, &field, problem),
        other => wrong(origin, "spec", other.to_string()),
    }
}
