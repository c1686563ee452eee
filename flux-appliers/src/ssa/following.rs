//! What an applier knows of its objects through an [`Observer`].

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use flux_core::applier::{DriftNotify, ObjectHealth};
use flux_core::plan::Observed;
use flux_core::{ApplyError, Context, Digest, Health, HealthStatus, Interrupted, Inventory, Manifests};
use flux_core::{Object, ObjectId, ObjectRef, Standing};
use tokio::sync::watch;
use tokio::time::Instant;

use super::annotations::Directives;
use super::ignore::{IgnoreRules, without};
use super::{ServerSideApplier, lock, managers};
use crate::health::{self, Judge};
use crate::observe::{Fingerprint, Interest, Observer};

/// The tie between one applier and the observer that follows its objects.
pub(super) struct Following {
    observer: Observer,
    /// Made when it is first needed: until then the applier may still be told its field manager.
    interest: OnceLock<Arc<Own>>,
    notify: RwLock<Option<DriftNotify>>,
    /// When the whole set was last looked at.
    looked: RwLock<Option<Instant>>,
}

/// An applier's side of the tie.
struct Own {
    manager: String,
    overridden: Vec<String>,
    group: String,
    ignore: IgnoreRules,
    judge: Arc<dyn Judge>,
    notify: Option<DriftNotify>,
    changed: watch::Sender<()>,
}

impl Interest for Own {
    fn fingerprint(&self, live: &Object) -> Fingerprint {
        let takeover = managers::takeover(live, &self.manager, &self.overridden);
        // Even where no manager is to be taken over, what other tools left behind is to go.
        let intruders = takeover.map(|takeover| [takeover.managers, vec![String::new()]].concat()).unwrap_or_default();
        let ignored = self.ignore.paths(live);
        if ignored.is_empty() {
            return Fingerprint::of(live, &self.manager, &intruders);
        }
        Fingerprint::of(&without(live, &ignored), &self.manager, &intruders)
    }

    fn health(&self, cx: &Context, live: &Object) -> ObjectHealth {
        health::of_live(cx, live, &|live| Directives::new(&self.group).unwatched(live), &*self.judge)
    }

    fn notify(&self) -> Option<DriftNotify> {
        self.notify.clone()
    }

    fn wake(&self) {
        self.changed.send_replace(());
    }
}

impl Following {
    pub(super) fn new(observer: &Observer) -> Self {
        Self {
            observer: observer.clone(),
            interest: OnceLock::new(),
            notify: RwLock::default(),
            looked: RwLock::default(),
        }
    }

    fn interest(&self, applier: &ServerSideApplier) -> Arc<dyn Interest> {
        self.own(applier).clone()
    }

    fn own(&self, applier: &ServerSideApplier) -> &Arc<Own> {
        self.interest.get_or_init(|| {
            Arc::new(Own {
                manager: applier.field_manager.clone(),
                overridden: applier.override_managers.clone(),
                group: applier.owner.group.clone(),
                ignore: applier.ignore.clone(),
                judge: applier.judge.clone(),
                notify: self.notify.read().unwrap_or_else(PoisonError::into_inner).clone(),
                changed: watch::Sender::new(()),
            })
        })
    }

    /// Whether the records may be relied on, or it is time to look at everything again.
    fn is_fresh(&self) -> bool {
        let looked = *self.looked.read().unwrap_or_else(PoisonError::into_inner);
        looked.is_some_and(|looked| looked.elapsed() < self.observer.resync_after())
    }
}

impl ServerSideApplier {
    /// Keeps in mind that a live object is as desired.
    pub(super) fn settle(&self, cx: &Context, id: ObjectId, digest: Digest, live: &Object) {
        lock(&self.record).settle(id, digest, live);
        if let Some(following) = &self.following {
            following.observer.settle(cx, &following.interest(self), live);
        }
    }

    /// What happens to an object from here on is our own doing.
    pub(super) fn unsettle(&self, object: &ObjectRef) {
        if let Some(following) = &self.following {
            following.observer.unsettle(&following.interest(self), object);
        }
    }

    /// Forgets every object that is not wanted any more.
    pub(super) fn forget_all_but(&self, wanted: impl Fn(&ObjectId) -> bool) {
        lock(&self.record).retain(&wanted);
        if let Some(following) = &self.following {
            following.observer.retain(&following.interest(self), wanted);
        }
    }

    /// The live state of a desired object that is known to be in place.
    pub(super) fn in_place(&self, object: &ObjectRef, digest: &Digest) -> Option<Observed> {
        let following = self.following.as_ref().filter(|following| following.is_fresh())?;
        if !lock(&self.record).was_desired(&object.id, digest) {
            return None;
        }
        following.observer.in_place(&following.interest(self), object)
    }

    /// The whole set was looked at.
    pub(super) fn looked(&self) {
        if let Some(following) = &self.following
            && !following.is_fresh()
        {
            *following.looked.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    pub(super) fn known_standing(&self, desired: &Manifests, owned: &Inventory) -> Standing {
        let Some(following) = self.following.as_ref().filter(|following| following.is_fresh()) else {
            return Standing::Unknown;
        };
        let prepared = lock(&self.prepared).clone().filter(|prepared| prepared.manifests == *desired.digest());
        let Some(prepared) = prepared else { return Standing::Unknown };
        let settled = {
            let record = lock(&self.record);
            prepared.entries.len() == owned.len()
                && prepared.entries.iter().all(|entry| {
                    let id = &entry.object.id;
                    owned.contains(id) && record.was_desired(id, &entry.digest)
                })
        };
        if !settled {
            return Standing::Unknown;
        }
        let entries = prepared.entries.iter().map(|entry| &entry.object);
        let standing = following.observer.standing(&following.interest(self), entries);
        // Of objects that are not its own, the observer knows nothing.
        if self.health_checks.is_empty() { standing } else { standing.min(Standing::InPlace) }
    }

    pub(super) fn notify_of_drift(&self, notify: DriftNotify) {
        if let Some(following) = &self.following {
            *following.notify.write().unwrap_or_else(PoisonError::into_inner) = Some(notify);
        }
    }

    /// Waits for objects as [`health::Wait`] does, without a request; `None` where they cannot all be followed.
    pub(super) async fn wait_following(
        &self,
        cx: &Context,
        objects: &[ObjectRef],
    ) -> Result<Option<Health>, ApplyError> {
        let Some(following) = &self.following else { return Ok(None) };
        let mut changed = following.own(self).changed.subscribe();
        match cx.run(following.observer.until_live(objects)).await {
            Ok(true) => {}
            Ok(false) | Err(Interrupted::DeadlineExceeded) => return Ok(None),
            Err(interrupted) => return Err(interrupted.into()),
        }
        loop {
            changed.borrow_and_update();
            let Some(health) = following.observer.health(&following.interest(self), objects) else { return Ok(None) };
            let failed = health.objects.iter().any(|object| object.status == HealthStatus::Failed);
            let pending = health
                .objects
                .iter()
                .any(|object| !matches!(object.status, HealthStatus::Current | HealthStatus::Failed));
            if !pending || (failed && self.fail_fast) {
                return Ok(Some(health));
            }
            match cx.run(changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(None),
                Err(Interrupted::DeadlineExceeded) => return Ok(Some(health)),
                Err(interrupted) => return Err(interrupted.into()),
            }
        }
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("observer", &self.observer).finish_non_exhaustive()
    }
}
