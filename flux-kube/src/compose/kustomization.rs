//! A Kustomization as a pipeline.

use std::sync::Arc;
use std::time::Duration;

use flux_appliers::health::HealthExpressions;
use flux_appliers::kustomize::{
    self, CommonMetadataRenderer, FluxImage, FluxKustomization, FluxPatch, FluxSelector, KustomizeRenderer,
    ObjectSelector,
};
use flux_appliers::ssa::{self, IgnoreRule, Owner, ServerSideApplier};
use flux_appliers::substitute::{SourceKind, Strategy, SubstituteFrom, SubstitutingRenderer, Substitution, Variables};
use flux_core::cluster::Identity;
use flux_core::engine::{Pipeline, Unit};
use flux_core::object::InvalidFieldPath;
use flux_core::reconcile::Schedule;
use flux_core::{Cluster, Gvk, ObjectId, ObjectRef, Renderer};

use super::readiness::ReadyExpression;
use super::{Host, Policy, Problem, namespace_or_default, source_of};
use crate::api::{
    BuildMetadata, DeletionPolicy, HealthCheck, Image, Kustomization, KustomizationSpec, Patch, Selector,
    SubstituteKind, SubstituteStrategy,
};

/// The shortest timeout of a Kustomization, whatever it says.
const MIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The pipeline that a Kustomization describes, into its own cluster or the one that its kubeconfig leads to.
pub(super) fn pipeline(unit: Unit, kustomization: &Kustomization, host: &Host<'_>) -> Result<Pipeline, Problem> {
    let Host { cluster, observer, policy } = *host;
    let spec = &kustomization.spec;
    check_reach(&unit, kustomization, policy)?;
    let target = target(&unit, spec, cluster, policy)?;
    let owner = Owner::new(unit.name(), unit.namespace());
    let mut applier = ServerSideApplier::new(target, owner)
        .prune(spec.prune)
        .force(spec.force)
        .deletion_policy(deletion_policy(spec.deletion_policy))
        .place(place(&unit, spec))
        .health_checks(health_checks(spec))
        .judged_by(health_expressions(spec)?)
        .ignore_drift(ignore_rules(spec)?);
    // The observer follows the host's own cluster.
    if spec.kube_config.is_none() {
        applier = applier.observed_by(observer);
    }
    let wait = spec.wait || !spec.health_checks.is_empty();
    let renderer = renderer(&unit, spec, cluster, policy)?;
    let mut pipeline = Pipeline::new(unit.clone(), source_of(kustomization), renderer, applier)
        .wait(wait)
        .roll_back(policy.roll_back)
        .document(document(kustomization));
    let mut schedule = schedule(spec);
    for (i, dependency) in spec.depends_on.iter().enumerate() {
        let namespace = dependency.namespace.as_deref().unwrap_or(unit.namespace());
        let on = Unit::new("Kustomization", namespace_or_default(namespace), dependency.name.as_str());
        match &dependency.ready_expr {
            None => schedule = schedule.after([on]),
            Some(text) => {
                let condition = ReadyExpression::new(text)
                    .map_err(|error| (format!("spec.dependsOn[{i}].readyExpr"), error.to_string()))?;
                pipeline = pipeline.after_if(on, condition);
            }
        }
    }
    Ok(pipeline.schedule(schedule))
}

fn document(kustomization: &Kustomization) -> serde_json::Value {
    let mut document = serde_json::to_value(kustomization).unwrap_or_default();
    document["apiVersion"] = "kustomize.toolkit.fluxcd.io/v1".into();
    document
}

/// What lies in another namespace is out of reach unless the policy lets it be.
fn check_reach(unit: &Unit, kustomization: &Kustomization, policy: &Policy) -> Result<(), Problem> {
    let spec = &kustomization.spec;
    let source = std::iter::once(("spec.sourceRef".to_owned(), spec.source_ref.namespace.as_deref()));
    let dependencies = spec.depends_on.iter().enumerate();
    let dependencies = dependencies.map(|(i, on)| (format!("spec.dependsOn[{i}]"), on.namespace.as_deref()));
    for (field, namespace) in source.chain(dependencies) {
        if let Some(namespace) = namespace
            && !policy.cross_namespace
            && namespace_or_default(namespace) != unit.namespace()
        {
            let problem = format!(
                "namespace {namespace} cannot be reached from {}: references across namespaces are not allowed here",
                unit.namespace()
            );
            return Err((format!("{field}.namespace"), problem));
        }
    }
    Ok(())
}

/// What the cluster is called among pipelines, whoever applies there: objects move between those of one cluster.
fn place(unit: &Unit, spec: &KustomizationSpec) -> String {
    let Some(reference) = &spec.kube_config else { return "the cluster".to_owned() };
    let (kind, name) = match (&reference.secret_ref, &reference.config_map_ref) {
        (Some(secret), _) => ("kubeconfig", secret.name.as_str()),
        (None, Some(map)) => ("ConfigMap", map.name.as_str()),
        (None, None) => return "the cluster".to_owned(),
    };
    format!("the cluster of the {kind} {}/{name}", unit.namespace())
}

/// The cluster to apply to, as whoever applies there.
fn target(
    unit: &Unit,
    spec: &KustomizationSpec,
    cluster: &Arc<dyn Cluster>,
    policy: &Policy,
) -> Result<Arc<dyn Cluster>, Problem> {
    let target = match &spec.kube_config {
        None => cluster.clone(),
        Some(reference) => remote(unit, reference, cluster, policy)?,
    };
    let account = spec.service_account_name.as_ref().or(policy.default_service_account.as_ref());
    let field = || "spec.serviceAccountName".to_owned();
    match account {
        Some(name) if name.is_empty() => {
            Err((field(), "is empty, which names nobody; name a service account, or leave it out".to_owned()))
        }
        Some(name) => {
            let identity = Identity::service_account(unit.namespace(), name);
            target.impersonate(&identity).map_err(|error| (field(), error.to_string()))
        }
        None if policy.require_service_account => Err((
            field(),
            "is missing; every Kustomization must name the service account that it applies as".to_owned(),
        )),
        None => Ok(target),
    }
}

#[cfg(feature = "client")]
fn remote(
    unit: &Unit,
    reference: &crate::api::KubeConfigReference,
    cluster: &Arc<dyn Cluster>,
    policy: &Policy,
) -> Result<Arc<dyn Cluster>, Problem> {
    use super::remote::{Access, RemoteCluster};
    let access = match (&reference.secret_ref, &reference.config_map_ref) {
        (Some(secret), None) => Access::Secret { name: secret.name.clone(), key: secret.key.clone() },
        (None, Some(map)) => Access::ConfigMap { name: map.name.clone() },
        _ => return Err(("spec.kubeConfig".to_owned(), "must have either secretRef or configMapRef".to_owned())),
    };
    Ok(Arc::new(RemoteCluster {
        local: cluster.clone(),
        namespace: unit.namespace().to_owned(),
        access,
        policy: policy.kubeconfigs,
        identity: None,
        connected: Arc::default(),
    }))
}

#[cfg(not(feature = "client"))]
fn remote(
    _: &Unit,
    _: &crate::api::KubeConfigReference,
    _: &Arc<dyn Cluster>,
    _: &Policy,
) -> Result<Arc<dyn Cluster>, Problem> {
    Err(("spec.kubeConfig".to_owned(), "this program is built without the feature `client` that it needs".to_owned()))
}

fn schedule(spec: &KustomizationSpec) -> Schedule<Unit> {
    let mut schedule = Schedule::every(spec.interval.get()).suspend(spec.suspend);
    schedule.retry_interval = spec.retry_interval.map(|interval| interval.get());
    if let Some(timeout) = spec.timeout {
        schedule = schedule.timeout(timeout.get().max(MIN_TIMEOUT));
    }
    schedule
}

/// In Flux's order: build, decrypt, substitute, and last of all the common metadata.
fn renderer(
    unit: &Unit,
    spec: &KustomizationSpec,
    cluster: &Arc<dyn Cluster>,
    policy: &Policy,
) -> Result<Arc<dyn Renderer>, Problem> {
    let built = KustomizeRenderer::new(&spec.path).with_settings(settings_of(spec));
    let mut renderer: Arc<dyn Renderer> = match &spec.decryption {
        None => Arc::new(built),
        Some(decryption) => decrypted(unit, built, decryption, cluster, policy)?,
    };
    if let Some(post_build) = &spec.post_build {
        let mut variables = Variables::new();
        for (name, value) in &post_build.substitute {
            variables
                .set(name, value)
                .map_err(|error| (format!("spec.postBuild.substitute.{name}"), error.to_string()))?;
        }
        let strategy = match post_build.substitute_strategy {
            SubstituteStrategy::WithVariables => Strategy::WithVariables,
            SubstituteStrategy::Always => Strategy::Always,
        };
        let substitution = Substitution::new(variables).strategy(strategy).strict(!policy.lenient_substitution);
        let from = post_build.substitute_from.iter().map(|reference| SubstituteFrom {
            kind: match reference.kind {
                SubstituteKind::ConfigMap => SourceKind::ConfigMap,
                SubstituteKind::Secret => SourceKind::Secret,
            },
            name: reference.name.clone(),
            optional: reference.optional,
        });
        let from: Vec<_> = from.collect();
        let mut substituting = SubstitutingRenderer::new(renderer, substitution);
        if !from.is_empty() {
            substituting = substituting.from(cluster.clone(), unit.namespace(), from);
        }
        renderer = Arc::new(substituting);
    }
    let common = spec.common_metadata.clone().unwrap_or_default();
    let common = kustomize::CommonMetadata { labels: common.labels, annotations: common.annotations };
    if !common.is_empty() {
        renderer = Arc::new(CommonMetadataRenderer::new(renderer, common));
    }
    Ok(renderer)
}

#[cfg(feature = "sops")]
fn decrypted(
    unit: &Unit,
    built: KustomizeRenderer,
    decryption: &crate::api::Decryption,
    cluster: &Arc<dyn Cluster>,
    policy: &Policy,
) -> Result<Arc<dyn Renderer>, Problem> {
    use flux_appliers::sops::{DecryptingRenderer, Decryptor, SecretKeys};
    if decryption.service_account_name.is_some() {
        let problem = "cloud identities of service accounts are not carried out; put the keys into a Secret and name it \
                       in secretRef";
        return Err(("spec.decryption.serviceAccountName".to_owned(), problem.to_owned()));
    }
    let mut renderer = DecryptingRenderer::new(built, Decryptor::default());
    if let Some(secret) = &decryption.secret_ref {
        let keys = SecretKeys::new(cluster.clone(), unit.namespace(), secret.name.as_str());
        renderer = renderer.keys(with_services(keys, policy)?);
    }
    Ok(Arc::new(renderer))
}

#[cfg(feature = "sops-services")]
fn with_services(
    keys: flux_appliers::sops::SecretKeys,
    policy: &Policy,
) -> Result<flux_appliers::sops::SecretKeys, Problem> {
    let client = flux_appliers::sops::HttpsClient::new();
    let client = client.map_err(|error| ("spec.decryption".to_owned(), error.to_string()))?;
    Ok(keys.services(Arc::new(client), policy.vault_addresses.iter().cloned()))
}

#[cfg(all(feature = "sops", not(feature = "sops-services")))]
fn with_services(
    keys: flux_appliers::sops::SecretKeys,
    _: &Policy,
) -> Result<flux_appliers::sops::SecretKeys, Problem> {
    Ok(keys)
}

#[cfg(not(feature = "sops"))]
fn decrypted(
    _: &Unit,
    _: KustomizeRenderer,
    _: &crate::api::Decryption,
    _: &Arc<dyn Cluster>,
    _: &Policy,
) -> Result<Arc<dyn Renderer>, Problem> {
    Err(("spec.decryption".to_owned(), "this program is built without the feature `sops` that it needs".to_owned()))
}

fn deletion_policy(policy: DeletionPolicy) -> ssa::DeletionPolicy {
    match policy {
        DeletionPolicy::MirrorPrune => ssa::DeletionPolicy::MirrorPrune,
        DeletionPolicy::Delete => ssa::DeletionPolicy::Delete,
        DeletionPolicy::WaitForTermination => ssa::DeletionPolicy::WaitForTermination,
        DeletionPolicy::Orphan => ssa::DeletionPolicy::Orphan,
    }
}

/// The objects to wait for; none where all are waited for.
fn health_checks(spec: &KustomizationSpec) -> Vec<ObjectRef> {
    if spec.wait {
        return Vec::new();
    }
    let object = |check: &HealthCheck| {
        let api_version = check.api_version.as_deref().filter(|version| !version.is_empty()).unwrap_or("apps/v1");
        let gvk = Gvk::from_api_version(api_version, &check.kind);
        let namespace = check.namespace.as_deref().unwrap_or_default();
        ObjectId::new(gvk.group, gvk.kind, namespace, check.name.as_str()).at(gvk.version)
    };
    spec.health_checks.iter().map(object).collect()
}

fn health_expressions(spec: &KustomizationSpec) -> Result<HealthExpressions, Problem> {
    let mut expressions = HealthExpressions::default();
    for (i, check) in spec.health_check_exprs.iter().enumerate() {
        let gvk = Gvk::from_api_version(&check.api_version, check.kind.as_deref().unwrap_or_default());
        expressions
            .add(gvk.group, gvk.kind, &check.current, check.failed.as_deref(), check.in_progress.as_deref())
            .map_err(|error| (format!("spec.healthCheckExprs[{i}]"), error.to_string()))?;
    }
    Ok(expressions)
}

/// Fields whose drift is ignored, and of which objects.
fn ignore_rules(spec: &KustomizationSpec) -> Result<Vec<IgnoreRule>, Problem> {
    let mut rules = Vec::with_capacity(spec.ignore.len());
    for (i, rule) in spec.ignore.iter().enumerate() {
        let mut paths = Vec::with_capacity(rule.paths.len());
        for (j, path) in rule.paths.iter().enumerate() {
            let field = || format!("spec.ignore[{i}].paths[{j}]");
            if !path.starts_with('/') {
                return Err((field(), format!("`{path}` is not a JSON pointer; it should read like /spec/replicas")));
            }
            paths.push(path.parse().map_err(|error: InvalidFieldPath| (field(), error.to_string()))?);
        }
        let selector = ObjectSelector::new(&rule.target.clone().map(selector_of).unwrap_or_default())
            .map_err(|error| (format!("spec.ignore[{i}].target"), error.to_string()))?;
        rules.push(IgnoreRule::new(paths, move |object| selector.matches(object)));
    }
    Ok(rules)
}

/// What changes the build; the common metadata comes later.
fn settings_of(spec: &KustomizationSpec) -> FluxKustomization {
    let build_metadata = spec.build_metadata.iter().map(|metadata| match metadata {
        BuildMetadata::OriginAnnotations => "originAnnotations".to_owned(),
        BuildMetadata::TransformerAnnotations => "transformerAnnotations".to_owned(),
    });
    FluxKustomization {
        target_namespace: spec.target_namespace.clone().unwrap_or_default(),
        name_prefix: spec.name_prefix.clone().unwrap_or_default(),
        name_suffix: spec.name_suffix.clone().unwrap_or_default(),
        patches: spec.patches.iter().map(patch_of).collect(),
        images: spec.images.iter().map(image_of).collect(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        build_metadata: build_metadata.collect(),
        common_metadata: kustomize::CommonMetadata::default(),
    }
}

fn patch_of(patch: &Patch) -> FluxPatch {
    let target = patch.target.clone().map(selector_of);
    FluxPatch { patch: patch.patch.clone(), target }
}

fn selector_of(selector: Selector) -> FluxSelector {
    FluxSelector {
        group: selector.group.unwrap_or_default(),
        version: selector.version.unwrap_or_default(),
        kind: selector.kind.unwrap_or_default(),
        name: selector.name.unwrap_or_default(),
        namespace: selector.namespace.unwrap_or_default(),
        annotation_selector: selector.annotation_selector.unwrap_or_default(),
        label_selector: selector.label_selector.unwrap_or_default(),
    }
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
