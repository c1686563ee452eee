//! Carrying a plan out, stage by stage, and saying what was done.

use std::collections::HashSet;
use std::time::Duration;

use flux_core::applier::Outcome;
use flux_core::cluster::WriteOptions;
use flux_core::plan::{FieldChange, Observed};
use flux_core::{Action, ApplyError, Change, ClusterError, Context, Inventory, Object, ObjectRef, Plan, Report};

use super::judge::{Case, refused};
use super::order::Stage;
use super::prepare::defines;
use super::{ServerSideApplier, lock, managers};
use crate::health::{Kstatus, Wait};

/// How long the objects of one stage may take to be ready for the next; Flux's own figure.
const STAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a write is tried again when the object changes meanwhile.
const ATTEMPTS: usize = 5;
/// How long a kind that was just defined may take until it is served.
const SERVED_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries a plan out.
pub(super) async fn apply(applier: &ServerSideApplier, cx: &Context, plan: Plan) -> Report {
    if let Err(error) = applier.guards.check(&plan) {
        return Report::failed(plan.owned, error);
    }
    let detached = |change: &Change| change.action.is_change() && change.digest.is_some() && change.desired().is_none();
    if plan.changes.iter().any(detached) {
        return Report::failed(plan.owned, ApplyError::Detached);
    }
    let (desired, stale): (Vec<&Change>, Vec<&Change>) =
        plan.changes.iter().partition(|change| change.digest.is_some());
    let mut run = Run {
        applier,
        cx,
        inventory: plan.owned.clone(),
        outcomes: Vec::with_capacity(plan.changes.len()),
        errors: Vec::new(),
        made: Made::default(),
    };
    let stage = |change: &Change| Stage::of(&change.object.id, &applier.custom_stage);
    let mut complete = true;
    for changes in desired.chunk_by(|a, b| stage(a) == stage(b)) {
        let awaited = changes.first().is_some_and(|change| stage(change).is_awaited());
        complete = run.stage(changes).await && (!awaited || run.settle(changes, &desired).await);
        if !complete {
            break;
        }
    }
    // Law: nothing is deleted after anything failed.
    if complete {
        run.prune(&stale).await;
    }
    applier.forget_all_but(|id| run.inventory.contains(id));
    run.report()
}

/// What this run has made that others depend on.
#[derive(Debug, Default)]
struct Made {
    namespaces: HashSet<String>,
    kinds: HashSet<(String, String)>,
}

impl Made {
    /// Whether a change was planned before what it depends on was there.
    fn affects(&self, object: &ObjectRef) -> bool {
        let id = &object.id;
        (!self.namespaces.is_empty() && self.namespaces.contains(&id.namespace))
            || (!self.kinds.is_empty() && self.kinds.contains(&(id.group.clone(), id.kind.clone())))
    }
}

struct Run<'a> {
    applier: &'a ServerSideApplier,
    cx: &'a Context,
    /// What is owned: never less than what may be there.
    inventory: Inventory,
    outcomes: Vec<Outcome>,
    errors: Vec<ApplyError>,
    made: Made,
}

impl Run<'_> {
    /// Applies the objects of one stage. Answers whether all of them are as desired. A refused object does not stop the
    /// others of its stage; a server that cannot be reached does.
    async fn stage(&mut self, changes: &[&Change]) -> bool {
        for change in changes {
            if let Err(interrupted) = self.cx.check() {
                self.errors.push(interrupted.into());
                return false;
            }
            match self.bring_about(change).await {
                Ok((action, fields)) => {
                    self.inventory.insert(change.object.clone());
                    self.outcomes.push(Outcome { id: change.object.id.clone(), action });
                    if action.is_change() && !self.record(change, action, fields) {
                        return false;
                    }
                }
                Err(error) => {
                    if may_be_there(&error) {
                        self.inventory.insert(change.object.clone());
                    }
                    let stop = is_hopeless(&error);
                    self.errors.push(error);
                    if stop {
                        return false;
                    }
                }
            }
        }
        self.errors.is_empty()
    }

    /// Keeps the journal, and in mind what was made. Answers whether the journal could be kept.
    fn record(&mut self, change: &Change, action: Action, fields: Vec<FieldChange>) -> bool {
        if let Some(desired) = change.desired() {
            if desired.kind() == "Namespace" && desired.gvk().group.is_empty() {
                self.made.namespaces.insert(desired.name().to_owned());
            }
            if let Some(kind) = defines(desired) {
                let changed = |id: &flux_core::ObjectId| (id.group.as_str(), id.kind.as_str()) == (&*kind.0, &*kind.1);
                lock(&self.applier.record).retain(|id| !changed(id));
                self.made.kinds.insert(kind);
            }
        }
        let by = &self.applier.field_manager;
        match self.cx.record(by, change.object.id.clone(), action, fields) {
            Ok(()) => true,
            Err(error) => {
                self.errors.push(error.into());
                false
            }
        }
    }

    /// Brings one object about.
    async fn bring_about(&mut self, change: &Change) -> Result<(Action, Vec<FieldChange>), ApplyError> {
        let early = self.made.affects(&change.object);
        let Some(desired) = change.desired().filter(|_| early || change.action.is_change()) else {
            return Ok((change.action, Vec::new()));
        };
        if change.action == Action::Skip && !early {
            return Ok((change.action, Vec::new()));
        }
        let deadline = tokio::time::Instant::now() + SERVED_TIMEOUT;
        loop {
            match self.write(change, desired, early).await {
                // Discovery may lag behind the definition that was just made.
                Err(ApplyError::Object { error: ClusterError::UnknownKind(_), .. })
                    if early && tokio::time::Instant::now() < deadline =>
                {
                    self.cx.run(tokio::time::sleep(Duration::from_millis(500))).await?;
                }
                result => return result,
            }
        }
    }

    /// Writes one object, if it is still what the plan was made from. `early` says that the plan could not know.
    async fn write(
        &mut self,
        change: &Change,
        desired: &Object,
        early: bool,
    ) -> Result<(Action, Vec<FieldChange>), ApplyError> {
        let (applier, cx) = (self.applier, self.cx);
        let origin = change.origin.clone().unwrap_or_default();
        let refused = |operation, error| refused(operation, desired, &origin, error);
        for _ in 0..ATTEMPTS {
            let live = applier.cluster.get(cx, &change.object).await.map_err(|error| refused("read", error))?;
            let planned = (change.action, change.fields.clone());
            let (action, fields) = if early || change.observed != live.as_ref().map(Observed::of) {
                let digest = change.digest.clone().unwrap_or_else(|| desired.digest());
                let (desired, origin) = (desired.clone(), origin.clone());
                let case = Case { desired, digest, origin, live: live.clone(), ahead: None };
                let now = applier.judge(cx, &case).await?;
                let now = (now.action, now.fields);
                if !early && now.0.is_change() && now != planned {
                    return Err(stale(change, live.as_ref()));
                }
                now
            } else {
                planned
            };
            if action.is_change() {
                applier.unsettle(&change.object);
            }
            let written = match (action, &live) {
                (Action::Unchanged | Action::Skip | Action::Delete, _) => return Ok((action, fields)),
                (Action::Create, _) | (_, None) => applier.cluster.apply(cx, desired, &applier.options(false)).await,
                (Action::Update, Some(live)) => self.update(change, desired, live).await?,
                (Action::Recreate, Some(live)) => {
                    applier.clear(cx, live).await?;
                    let gone = applier.until_gone(cx, &change.object, live.uid().unwrap_or_default()).await;
                    let made = match &gone {
                        Ok(()) => applier.cluster.apply(cx, desired, &applier.options(false)).await,
                        Err(_) => Err(ClusterError::Cancelled),
                    };
                    if made.is_err() {
                        self.half_done(change, Action::Delete)?;
                    }
                    gone?;
                    made
                }
            };
            match written {
                Ok(stored) => {
                    let digest = change.digest.clone().unwrap_or_else(|| desired.digest());
                    applier.settle(cx, change.object.id.clone(), digest, &stored);
                    return Ok((action, fields));
                }
                // Somebody wrote in between: look again.
                Err(ClusterError::Api(status)) if status.code == 409 && action == Action::Update => {}
                Err(error) => return Err(refused("apply", error)),
            }
        }
        Err(refused("apply", ClusterError::api(409, "Conflict", "the object keeps changing")))
    }

    /// Applies over the live object that was looked at, and over no other.
    async fn update(
        &mut self,
        change: &Change,
        desired: &Object,
        live: &Object,
    ) -> Result<Result<Object, ClusterError>, ApplyError> {
        let (applier, cx) = (self.applier, self.cx);
        let mut version = live.resource_version().map(str::to_owned);
        let mut taken_over = false;
        if !applier.directives().merges(desired, live)
            && let Some(takeover) = managers::takeover(live, &applier.field_manager, &applier.override_managers)
        {
            let options = WriteOptions { field_manager: applier.field_manager.clone(), ..WriteOptions::default() };
            match applier.cluster.patch(cx, &live.object_ref(), &takeover.patch, &options).await {
                Ok(patched) => version = patched.resource_version().map(str::to_owned),
                Err(error) => return Ok(Err(error)),
            }
            taken_over = true;
        }
        let mut desired = applier.ignore.adopt(desired, live, &applier.field_manager);
        if let Some(version) = version {
            desired.metadata_mut().insert("resourceVersion".into(), version.into());
        }
        let stored = applier.cluster.apply(cx, &desired, &applier.options(false)).await;
        if taken_over && stored.is_err() {
            self.half_done(change, Action::Update)?;
        }
        Ok(stored)
    }

    /// Part of a change was made and the rest failed: what was made is told and recorded.
    fn half_done(&mut self, change: &Change, action: Action) -> Result<(), ApplyError> {
        self.outcomes.push(Outcome { id: change.object.id.clone(), action });
        Ok(self.cx.record(&self.applier.field_manager, change.object.id.clone(), action, Vec::new())?)
    }

    /// Waits until what the next stages build on is ready: what this one has changed, and the definitions of the kinds
    /// that are still to be written, which an interrupted run may have left behind.
    async fn settle(&mut self, changes: &[&Change], all: &[&Change]) -> bool {
        let groups: HashSet<&str> = all
            .iter()
            .filter(|change| change.action.is_change())
            .map(|change| change.object.id.group.as_str())
            .collect();
        let is_needed = |change: &Change| {
            let id = &change.object.id;
            change.action.is_change()
                || (id.kind == "CustomResourceDefinition"
                    && id.name.split_once('.').is_some_and(|(_, group)| groups.contains(group)))
        };
        let objects: Vec<ObjectRef> =
            changes.iter().filter(|change| is_needed(change)).map(|change| change.object.clone()).collect();
        if objects.is_empty() {
            return true;
        }
        let wait = Wait { cluster: &*self.applier.cluster, fail_fast: true, ignore: &|_| false, judge: &Kstatus };
        let cx = self.cx.clone().with_timeout(STAGE_TIMEOUT);
        match wait.until_ready(&cx, &objects).await {
            Ok(health) if health.is_ready() => true,
            Ok(health) => {
                self.errors.push(ApplyError::NotHealthy(format!("what the rest builds on is not ready: {health}")));
                false
            }
            Err(interrupted) => {
                self.errors.push(interrupted.into());
                false
            }
        }
    }

    /// Deletes what is no longer desired. One failure does not stop the others, and what could not be deleted stays in
    /// the inventory.
    async fn prune(&mut self, stale: &[&Change]) {
        for change in stale {
            if let Err(interrupted) = self.cx.check() {
                self.errors.push(interrupted.into());
                return;
            }
            let id = &change.object.id;
            let mut action = change.action;
            if action == Action::Delete {
                let uid = change.observed.as_ref().map(|observed| observed.uid.as_str()).filter(|uid| !uid.is_empty());
                match self.applier.delete(self.cx, &change.object, uid).await {
                    Ok(true) => {}
                    Ok(false) => action = Action::Skip,
                    Err(error) => {
                        let stop = is_hopeless(&error);
                        self.errors.push(error);
                        if stop {
                            return;
                        }
                        continue;
                    }
                }
            }
            if action == Action::Skip {
                match self.applier.awaits_claimant(self.cx, &change.object).await {
                    Ok(false) => {}
                    // It stays ours until it is taken: should nobody want it after all, it is deleted.
                    Ok(true) => continue,
                    Err(error) => {
                        self.errors.push(error);
                        continue;
                    }
                }
            }
            self.inventory.remove(id);
            self.outcomes.push(Outcome { id: id.clone(), action });
            if action == Action::Delete && !self.record(change, action, Vec::new()) {
                return;
            }
        }
    }

    fn report(self) -> Report {
        Report { inventory: self.inventory, outcomes: self.outcomes, error: ApplyError::of_several(self.errors) }
    }
}

fn stale(change: &Change, live: Option<&Object>) -> ApplyError {
    let what = match (&change.observed, live) {
        (None, _) => "was created",
        (_, None) => "was deleted",
        _ => "was changed",
    };
    ApplyError::Stale { object: change.object.id.clone(), change: what }
}

/// Whether the object may be in the cluster although the request failed: an answer may have been lost.
fn may_be_there(error: &ApplyError) -> bool {
    match error {
        ApplyError::Object { error: ClusterError::Api(status), .. } => status.code >= 500,
        ApplyError::Object { error: ClusterError::UnknownKind(_) | ClusterError::Invalid(_), .. }
        | ApplyError::OwnedByOther { .. }
        | ApplyError::Stale { .. } => false,
        _ => true,
    }
}

/// Whether the next request would fare no better.
fn is_hopeless(error: &ApplyError) -> bool {
    match error {
        ApplyError::Object { error, .. } => match error {
            ClusterError::Unreachable(_) | ClusterError::Timeout | ClusterError::Cancelled => true,
            ClusterError::Api(status) => matches!(status.code, 401 | 429 | 503 | 504),
            _ => false,
        },
        ApplyError::Interrupted(_) | ApplyError::Audit(_) => true,
        _ => false,
    }
}
