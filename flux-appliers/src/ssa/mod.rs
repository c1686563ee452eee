//! The server-side-apply engine: what Flux's kustomize-controller does between a rendered set and a cluster.
//!
//! ```text
//! Manifests ─▶ prepare ─▶ read what is live ─▶ judge by dry run ─▶ Plan ─▶ apply, stage by stage ─▶ prune ─▶ Report
//! ```
//!
//! [`ServerSideApplier`] plans first, with every object dry-run, and changes something only when the whole set is
//! accepted. An object that has not changed since it was last judged costs one look and no dry run.

mod annotations;
mod apply;
mod drift;
mod following;
mod guard;
mod ignore;
mod judge;
mod live;
mod managers;
mod normalise;
mod order;
mod owner;
mod plan;
mod prepare;
mod prune;
mod record;
mod redact;
mod remake;
mod teardown;

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flux_core::applier::DriftNotify;
use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Applier, ApplyError, Context, Health, Inventory, Manifests, ObjectRef, Plan, Report, Standing};
use futures::StreamExt as _;
use futures::future::BoxFuture;

use annotations::Directives;
use following::Following;
use ignore::IgnoreRules;
use prepare::Prepared;
use record::Record;

use crate::health::{Judge, Kstatus};
use crate::observe::Observer;

pub use guard::Guards;
pub use ignore::IgnoreRule;
pub use owner::{ForeignOwner, Owner};
pub use teardown::DeletionPolicy;

/// What happens to an object that somebody changed in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Drift {
    /// It is changed back.
    #[default]
    Repair,
    /// The plan shows what differs, and the object is left as it is until its manifest changes.
    Report,
}

/// Brings objects into a cluster by server-side apply, as Flux's kustomize-controller does.
///
/// The defaults are Flux's, but for two that decide over other people's objects: an object that carries the labels of
/// another pipeline is refused, and so is a set without any object where some are owned.
///
/// ```
/// use std::sync::Arc;
/// use flux_appliers::ssa::{Owner, ServerSideApplier};
/// use flux_core::Cluster;
///
/// fn applier(cluster: Arc<dyn Cluster>) -> ServerSideApplier {
///     ServerSideApplier::new(cluster, Owner::new("my-app", "flux-system")).prune(true).max_deletions(20)
/// }
/// ```
pub struct ServerSideApplier {
    cluster: Arc<dyn Cluster>,
    owner: Owner,
    field_manager: String,
    override_managers: Vec<String>,
    custom_stage: Vec<String>,
    prune: bool,
    force: bool,
    fail_fast: bool,
    foreign_owner: ForeignOwner,
    drift: Drift,
    ignore: IgnoreRules,
    deletion_policy: DeletionPolicy,
    guards: Guards,
    concurrency: usize,
    health_checks: Vec<ObjectRef>,
    judge: Arc<dyn Judge>,
    record: Mutex<Record>,
    prepared: Mutex<Option<Arc<Prepared>>>,
    following: Option<Following>,
    place: Option<Arc<str>>,
}

impl ServerSideApplier {
    /// Flux's name for itself as a field manager.
    pub const FIELD_MANAGER: &'static str = "kustomize-controller";

    /// An applier for one pipeline into one cluster.
    pub fn new(cluster: Arc<dyn Cluster>, owner: Owner) -> Self {
        Self {
            cluster,
            owner,
            field_manager: Self::FIELD_MANAGER.to_owned(),
            override_managers: Vec::new(),
            custom_stage: Vec::new(),
            prune: false,
            force: false,
            fail_fast: true,
            foreign_owner: ForeignOwner::default(),
            drift: Drift::default(),
            ignore: IgnoreRules::default(),
            deletion_policy: DeletionPolicy::default(),
            guards: Guards::default(),
            concurrency: 4,
            health_checks: Vec::new(),
            judge: Arc::new(Kstatus),
            record: Mutex::default(),
            prepared: Mutex::default(),
            following: None,
            place: None,
        }
    }

    /// Who owns the applied fields; `kustomize-controller` by default.
    #[must_use]
    pub fn field_manager(mut self, name: impl Into<String>) -> Self {
        self.field_manager = name.into();
        self
    }

    /// More managers whose fields are taken over, beside those of kubectl (`--override-manager`).
    #[must_use]
    pub fn override_managers(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.override_managers = names.into_iter().collect();
        self
    }

    /// Kinds, as `group/Kind`, that are applied ahead of the rest (`--custom-apply-stage-kinds`).
    #[must_use]
    pub fn custom_stage(mut self, kinds: impl IntoIterator<Item = String>) -> Self {
        self.custom_stage = kinds.into_iter().collect();
        self
    }

    /// Whether what is owned and no longer desired is deleted (`spec.prune`); otherwise it is left behind.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Whether objects are deleted and made anew when a field cannot be changed (`spec.force`).
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Whether waiting ends as soon as one object has failed. On by default, as in Flux.
    #[must_use]
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// What happens when a desired object carries the labels of another pipeline.
    #[must_use]
    pub fn foreign_owner(mut self, policy: ForeignOwner) -> Self {
        self.foreign_owner = policy;
        self
    }

    /// What happens to an object that somebody changed in the cluster.
    #[must_use]
    pub fn drift(mut self, drift: Drift) -> Self {
        self.drift = drift;
        self
    }

    /// Fields that others may change without being changed back (`spec.ignore`).
    #[must_use]
    pub fn ignore_drift(mut self, rules: impl IntoIterator<Item = IgnoreRule>) -> Self {
        self.ignore = IgnoreRules::new(rules);
        self
    }

    /// What a teardown does (`spec.deletionPolicy`).
    #[must_use]
    pub fn deletion_policy(mut self, policy: DeletionPolicy) -> Self {
        self.deletion_policy = policy;
        self
    }

    /// Refuses to carry out a plan that deletes more objects than this.
    #[must_use]
    pub fn max_deletions(mut self, count: usize) -> Self {
        self.guards.max_deletions = Some(count);
        self
    }

    /// Refuses to carry out a plan that deletes more than this part of what is owned, in percent.
    #[must_use]
    pub fn max_deletion_percent(mut self, percent: u8) -> Self {
        self.guards.max_deletion_percent = Some(percent);
        self
    }

    /// Whether a set without any object may delete all that is owned. Off by default, unlike in Flux.
    #[must_use]
    pub fn allow_empty(mut self, allow: bool) -> Self {
        self.guards.allow_empty = allow;
        self
    }

    /// How many requests are under way at once when reading and dry-running; 4 by default (`--concurrent-ssa`).
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Has `observer` follow what is applied: then what nobody touched costs no request, and drift is known when it
    /// happens. It must follow the same cluster, and as somebody who may list and watch what is applied; where that is
    /// not allowed, everything is asked for as without one.
    #[must_use]
    pub fn observed_by(mut self, observer: &Observer) -> Self {
        self.following = Some(Following::new(observer));
        self
    }

    /// Waits for these objects, which need not be its own, instead of for all that was applied (`spec.healthChecks`).
    #[must_use]
    pub fn health_checks(mut self, objects: impl IntoIterator<Item = ObjectRef>) -> Self {
        self.health_checks = objects.into_iter().collect();
        self
    }

    /// Who tells whether an object is ready; [`Kstatus`] by default.
    #[must_use]
    pub fn judged_by(mut self, judge: impl Judge + 'static) -> Self {
        self.judge = Arc::new(judge);
        self
    }

    /// What the cluster is called among the pipelines of an engine: those that name the same hand objects over to each
    /// other. Without a name, pipelines are taken to apply to one cluster when they were given the very same one.
    #[must_use]
    pub fn place(mut self, name: impl Into<Arc<str>>) -> Self {
        self.place = Some(name.into());
        self
    }

    /// The pipeline that owns what is applied.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    fn directives(&self) -> Directives<'_> {
        Directives::new(&self.owner.group)
    }

    fn options(&self, dry_run: bool) -> ApplyOptions {
        ApplyOptions { field_manager: self.field_manager.clone(), force: true, dry_run }
    }

    /// The results of several requests in their order, so many at once.
    async fn concurrently<T>(&self, requests: Vec<BoxFuture<'_, T>>) -> Vec<T> {
        futures::stream::iter(requests).buffered(self.concurrency).collect().await
    }
}

impl fmt::Debug for ServerSideApplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSideApplier")
            .field("owner", &self.owner)
            .field("field_manager", &self.field_manager)
            .field("prune", &self.prune)
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Applier for ServerSideApplier {
    async fn plan(&self, cx: &Context, desired: &Manifests, owned: &Inventory) -> Result<Plan, ApplyError> {
        plan::plan(self, cx, desired, owned).await
    }

    async fn apply(&self, cx: &Context, plan: Plan) -> Report {
        apply::apply(self, cx, plan).await
    }

    async fn wait(&self, cx: &Context, owned: &Inventory) -> Result<Health, ApplyError> {
        // What describes the pipeline is not ready before the pipeline is.
        let own = || owned.iter().filter(|object| !self.owner.is_described_by(&object.id)).collect();
        let objects: Vec<_> = if self.health_checks.is_empty() { own() } else { self.health_checks.clone() };
        if self.health_checks.is_empty()
            && let Some(health) = self.wait_following(cx, &objects).await?
        {
            return Ok(health);
        }
        let wait = crate::health::Wait {
            cluster: &*self.cluster,
            fail_fast: self.fail_fast,
            ignore: &|live| self.directives().unwatched(live),
            judge: &*self.judge,
        };
        Ok(wait.until_ready(cx, &objects).await?)
    }

    async fn teardown(&self, cx: &Context, owned: &Inventory) -> Report {
        teardown::teardown(self, cx, owned).await
    }

    fn standing(&self, desired: &Manifests, owned: &Inventory) -> Standing {
        self.known_standing(desired, owned)
    }

    fn place(&self) -> Option<Arc<str>> {
        let address = || format!("cluster at {:p}", Arc::as_ptr(&self.cluster)).into();
        Some(self.place.clone().unwrap_or_else(address))
    }

    fn on_drift(&self, notify: DriftNotify) {
        self.notify_of_drift(notify);
    }
}

/// Whatever a poisoned lock protects is still whole: every change under these locks is a single insert or assignment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
