//! From Flux documents to running sources and pipelines.

use std::sync::Arc;
use std::time::Duration;

use flux_appliers::kustomize::{self, FluxImage, FluxKustomization, FluxPatch, FluxSelector, KustomizeRenderer};
use flux_appliers::observe::Observer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::Schedule;
use flux_core::{Cluster, Origin, SourceError};
use flux_sources::git::{GitSource, Reference};

use crate::api::{
    Document, DocumentError, GitRepository, GitRepositoryRef, Image, Kustomization, KustomizationSpec, Patch, Resource,
};

/// The namespace of documents that name none: kubectl's own default.
const DEFAULT_NAMESPACE: &str = "default";

/// What documents describe, ready to be added to an engine. Nothing has run yet, and nothing is added before every
/// document is found to be right.
#[derive(Debug, Default)]
pub struct Composition {
    sources: Vec<(Unit, GitSource, Schedule<Unit>)>,
    pipelines: Vec<Pipeline>,
}

impl Composition {
    /// Builds the sources and pipelines that documents describe; pipelines apply to `cluster`.
    ///
    /// # Errors
    /// A field that does not make sense, or a reference to something that is not among the documents.
    pub fn new(documents: &[Document], cluster: &Arc<dyn Cluster>) -> Result<Self, DocumentError> {
        let mut this = Self::default();
        // One for all pipelines: what nobody touches is followed by one watch a kind.
        let observer = Observer::new(cluster.clone(), Owner::KUSTOMIZE);
        for document in documents {
            let unit = unit(&document.resource);
            if this.units().any(|known| *known == unit) {
                return Err(wrong(&document.origin, "metadata.name", format!("{unit} is described twice")));
            }
            match &document.resource {
                Resource::GitRepository(git) => this.sources.push(source(unit, git, &document.origin)?),
                Resource::Kustomization(kustomization) => {
                    this.pipelines.push(pipeline(unit, kustomization, cluster, &observer));
                }
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

fn wrong(origin: &Origin, field: &str, problem: String) -> DocumentError {
    DocumentError { origin: origin.clone(), field: field.to_owned(), problem }
}

fn unit(resource: &Resource) -> Unit {
    let (kind, metadata) = match resource {
        Resource::GitRepository(git) => ("GitRepository", &git.metadata),
        Resource::Kustomization(kustomization) => ("Kustomization", &kustomization.metadata),
    };
    Unit::new(kind, namespace_or_default(&metadata.namespace), metadata.name.as_str())
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

fn source(
    unit: Unit,
    git: &GitRepository,
    origin: &Origin,
) -> Result<(Unit, GitSource, Schedule<Unit>), DocumentError> {
    let spec = &git.spec;
    let mut builder = GitSource::builder(&spec.url);
    if let Some(reference) = &spec.reference {
        builder = builder.reference(reference_of(reference));
    }
    if let Some(ignore) = &spec.ignore {
        builder = builder.ignore(ignore);
    }
    let source = builder.build().map_err(|error| match error {
        SourceError::Invalid { field, problem } => wrong(origin, &field, problem),
        other => wrong(origin, "spec", other.to_string()),
    })?;
    // A source has its own timeout, whatever its interval: 60 seconds in Flux.
    let timeout = spec.timeout.map_or(Duration::from_secs(60), |timeout| timeout.get());
    let schedule = Schedule::every(spec.interval.get()).timeout(timeout).suspend(spec.suspend);
    Ok((unit, source, schedule))
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

fn pipeline(unit: Unit, kustomization: &Kustomization, cluster: &Arc<dyn Cluster>, observer: &Observer) -> Pipeline {
    let spec = &kustomization.spec;
    let owner = Owner::new(unit.name(), unit.namespace());
    let applier =
        ServerSideApplier::new(cluster.clone(), owner).prune(spec.prune).force(spec.force).observed_by(observer);
    let mut schedule = Schedule::every(spec.interval.get()).after(dependencies_of(kustomization)).suspend(spec.suspend);
    schedule.retry_interval = spec.retry_interval.map(|interval| interval.get());
    if let Some(timeout) = spec.timeout {
        schedule = schedule.timeout(timeout.get());
    }
    let renderer = KustomizeRenderer::new(&spec.path).with_settings(settings_of(spec));
    Pipeline::new(unit, source_of(kustomization), renderer, applier).schedule(schedule).wait(spec.wait)
}

fn settings_of(spec: &KustomizationSpec) -> FluxKustomization {
    let common = spec.common_metadata.clone().unwrap_or_default();
    FluxKustomization {
        target_namespace: spec.target_namespace.clone().unwrap_or_default(),
        name_prefix: spec.name_prefix.clone().unwrap_or_default(),
        name_suffix: spec.name_suffix.clone().unwrap_or_default(),
        patches: spec.patches.iter().map(patch_of).collect(),
        images: spec.images.iter().map(image_of).collect(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        common_metadata: kustomize::CommonMetadata { labels: common.labels, annotations: common.annotations },
    }
}

fn patch_of(patch: &Patch) -> FluxPatch {
    let target = patch.target.clone().map(|target| FluxSelector {
        group: target.group.unwrap_or_default(),
        version: target.version.unwrap_or_default(),
        kind: target.kind.unwrap_or_default(),
        name: target.name.unwrap_or_default(),
        namespace: target.namespace.unwrap_or_default(),
        annotation_selector: target.annotation_selector.unwrap_or_default(),
        label_selector: target.label_selector.unwrap_or_default(),
    });
    FluxPatch { patch: patch.patch.clone(), target }
}

fn image_of(image: &Image) -> FluxImage {
    let Image { name, new_name, new_tag, digest } = image.clone();
    FluxImage {
        name,
        new_name: new_name.unwrap_or_default(),
        new_tag: new_tag.unwrap_or_default(),
        digest: digest.unwrap_or_default(),
    }
}
