//! From Flux documents to running sources and pipelines.

mod bucket;
mod chart;
mod git;
mod kustomization;
mod oci;
mod policy;
mod readiness;
#[cfg(feature = "client")]
mod remote;
mod secrets;
mod sources;
#[cfg(all(test, feature = "apiserver"))]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use flux_appliers::observe::Observer;
use flux_appliers::ssa::Owner;
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::{Cluster, Origin};

use crate::api::{Document, DocumentError, Kustomization, Resource};
use sources::{Scheduled, Sources};

pub use policy::Policy;

/// The namespace of documents that name none: kubectl's own default.
const DEFAULT_NAMESPACE: &str = "default";

/// What documents describe, ready to be added to an engine. Nothing has run yet, and nothing is added before every
/// document is found to be right.
#[derive(Debug, Default)]
pub struct Composition {
    sources: Vec<Scheduled>,
    pipelines: Vec<Pipeline>,
}

impl Composition {
    /// Builds the sources and pipelines that documents describe; pipelines apply to `cluster`.
    ///
    /// # Errors
    /// A field that does not make sense, or a reference to something that is not among the documents.
    pub fn new(documents: &[Document], cluster: &Arc<dyn Cluster>) -> Result<Self, DocumentError> {
        Self::with_policy(documents, cluster, &Policy::default())
    }

    /// As [`new`](Self::new), with what documents may ask for.
    ///
    /// # Errors
    /// As [`new`](Self::new), and what the policy does not allow.
    pub fn with_policy(
        documents: &[Document],
        cluster: &Arc<dyn Cluster>,
        policy: &Policy,
    ) -> Result<Self, DocumentError> {
        let mut this = Self::default();
        let mut sources = Sources::new(documents, cluster);
        let mut known = BTreeSet::new();
        // One for all pipelines: what nobody touches is followed by one watch a kind.
        let observer = Observer::new(cluster.clone(), Owner::KUSTOMIZE);
        let host = Host { cluster, observer: &observer, policy };
        for document in documents {
            let unit = unit(&document.resource);
            if !known.insert(unit.clone()) {
                return Err(wrong(&document.origin, "metadata.name", format!("{unit} is described twice")));
            }
            match &document.resource {
                Resource::Kustomization(kustomization) => {
                    let pipeline = kustomization::pipeline(unit, kustomization, &host)
                        .map_err(|(field, problem)| wrong(&document.origin, &field, problem))?;
                    this.pipelines.push(pipeline);
                }
                _ => this.sources.extend(sources.scheduled(unit)?),
            }
        }
        this.check_references(documents)?;
        Ok(this)
    }

    /// The sources, then the pipelines.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.sources.iter().map(|(unit, ..)| unit).chain(self.pipelines())
    }

    /// The pipelines.
    pub fn pipelines(&self) -> impl Iterator<Item = &Unit> {
        self.pipelines.iter().map(Pipeline::unit)
    }

    /// Adds everything to an engine.
    pub fn add_to(self, engine: &Engine) {
        for (unit, source, schedule) in self.sources {
            engine.add_source(unit, source, schedule);
        }
        for pipeline in self.pipelines {
            engine.add_pipeline(pipeline);
        }
    }

    fn check_references(&self, documents: &[Document]) -> Result<(), DocumentError> {
        for document in documents {
            let Resource::Kustomization(kustomization) = &document.resource else { continue };
            let source = source_of(kustomization);
            let kind = kustomization.spec.source_ref.kind.as_str();
            if matches!(kind, "HelmChart" | "HelmRepository") {
                let problem = format!("`{kind}` is none of GitRepository, OCIRepository and Bucket");
                return Err(wrong(&document.origin, "spec.sourceRef.kind", problem));
            }
            if !self.sources.iter().any(|(unit, ..)| *unit == source) {
                let problem = format!("{source} is not among the documents; add it, or correct the reference");
                return Err(wrong(&document.origin, "spec.sourceRef", problem));
            }
            for (i, dependency) in dependencies_of(kustomization).enumerate() {
                if !self.pipelines().any(|unit| *unit == dependency) {
                    let problem = format!("{dependency} is not among the documents; add it, or correct the reference");
                    return Err(wrong(&document.origin, &format!("spec.dependsOn[{i}]"), problem));
                }
            }
        }
        Ok(())
    }
}

/// What the host gives to every pipeline.
#[derive(Clone, Copy)]
struct Host<'a> {
    cluster: &'a Arc<dyn Cluster>,
    observer: &'a Observer,
    policy: &'a Policy,
}

/// A field and what is wrong with it.
type Problem = (String, String);

fn wrong(origin: &Origin, field: &str, problem: String) -> DocumentError {
    DocumentError { origin: origin.clone(), field: field.to_owned(), problem }
}

fn unit(resource: &Resource) -> Unit {
    let metadata = resource.metadata();
    Unit::new(resource.kind(), namespace_or_default(&metadata.namespace), metadata.name.as_str())
}

fn namespace_or_default(namespace: &str) -> &str {
    if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }
}

fn source_of(kustomization: &Kustomization) -> Unit {
    let reference = &kustomization.spec.source_ref;
    let namespace = reference.namespace.as_deref().unwrap_or(&kustomization.metadata.namespace);
    Unit::new(reference.kind.as_str(), namespace_or_default(namespace), reference.name.as_str())
}

fn dependencies_of(kustomization: &Kustomization) -> impl Iterator<Item = Unit> {
    kustomization.spec.depends_on.iter().map(|dependency| {
        let namespace = dependency.namespace.as_deref().unwrap_or(&kustomization.metadata.namespace);
        Unit::new("Kustomization", namespace_or_default(namespace), dependency.name.as_str())
    })
}
