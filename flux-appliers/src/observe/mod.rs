//! Following what pipelines own in a cluster, so that nobody has to ask for what has not changed.
//!
//! An [`Observer`] keeps one watch for each kind of which anything is owned, however many pipelines there are, and of
//! every owned object a small record: its resource version, a fingerprint of what was applied, and its health. With it a
//! set of objects that nobody touched is known to be in place without a request, drift is seen when it happens, and
//! waiting for readiness costs nothing beyond the watch.
//!
//! # Guarantees
//! A record vouches for an object only while its kind is being watched without a gap, and only until
//! [`resync`](Observer::resync) has passed since the whole set was last looked at. In every other case the answer is that
//! nothing is known, and whoever asked looks for himself.

mod fingerprint;
mod follow;
mod ledger;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flux_core::applier::{DriftNotify, ObjectHealth};
use flux_core::plan::Observed;
use flux_core::{Cluster, Context, Gvk, Health, HealthStatus, Object, ObjectId, ObjectRef, Standing};

pub(crate) use fingerprint::Fingerprint;
use follow::Follower;
use ledger::{Ledger, Look};

/// How long a watch may take until it stands.
const PATIENCE: Duration = Duration::from_secs(2);

/// Follows what pipelines own in one cluster. A clone follows the same.
///
/// ```
/// use std::sync::Arc;
/// use flux_appliers::observe::Observer;
/// use flux_appliers::ssa::{Owner, ServerSideApplier};
/// use flux_core::Cluster;
///
/// fn applier(cluster: Arc<dyn Cluster>, observer: &Observer) -> ServerSideApplier {
///     ServerSideApplier::new(cluster, Owner::new("my-app", "flux-system")).observed_by(observer)
/// }
/// ```
#[derive(Clone)]
pub struct Observer(Arc<Shared>);

struct Shared {
    cluster: Arc<dyn Cluster>,
    /// Objects without this label are nobody's.
    selector: String,
    resync: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ledger: Ledger,
    followers: HashMap<Gvk, Follower>,
}

/// What a pipeline's applier makes of the live state of its objects.
pub(crate) trait Interest: Send + Sync {
    /// What must stay the same of an object that was applied.
    fn fingerprint(&self, live: &Object) -> Fingerprint;
    /// How far a live object is.
    fn health(&self, cx: &Context, live: &Object) -> ObjectHealth;
    /// Whom to call when one of its objects drifts.
    fn notify(&self) -> Option<DriftNotify>;
    /// Told whenever the record of one of its objects has changed.
    fn wake(&self);
}

impl Observer {
    /// How long a set may go without being looked at as a whole, unless told otherwise.
    pub const RESYNC: Duration = Duration::from_secs(60 * 60);

    /// Follows objects in `cluster` that carry the labels of this group, such as
    /// [`Owner::KUSTOMIZE`](crate::ssa::Owner::KUSTOMIZE). Nothing is watched before something is applied.
    pub fn new(cluster: Arc<dyn Cluster>, label_group: &str) -> Self {
        Self(Arc::new(Shared {
            cluster,
            selector: format!("{label_group}/name"),
            resync: Self::RESYNC,
            state: Mutex::default(),
        }))
    }

    /// The same with another time after which a set is looked at as a whole. To be called before it is shared.
    #[must_use]
    pub fn resync(self, after: Duration) -> Self {
        let Shared { cluster, selector, .. } = &*self.0;
        Self(Arc::new(Shared {
            cluster: cluster.clone(),
            selector: selector.clone(),
            resync: after,
            state: Mutex::default(),
        }))
    }

    /// How many objects are followed.
    pub fn len(&self) -> usize {
        self.0.lock().ledger.len()
    }

    /// Whether nothing is followed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `other` is the same observer.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn resync_after(&self) -> Duration {
        self.0.resync
    }

    /// An object is as it should be: from here on it is followed.
    pub(crate) fn settle(&self, cx: &Context, interest: &Arc<dyn Interest>, live: &Object) {
        let look = Look::of(cx, &**interest, live);
        let drifted = {
            let mut state = self.0.lock();
            state.follow(&self.0, live.gvk());
            state.ledger.settle(interest, live, look)
        };
        if drifted {
            notify(&**interest);
        }
    }

    /// An object is about to be written: what happens to it until it is settled again is no drift.
    pub(crate) fn unsettle(&self, interest: &Arc<dyn Interest>, object: &ObjectRef) {
        self.0.lock().ledger.unsettle(interest, object);
    }

    /// Of what belongs to `interest`, only what is wanted is followed any longer.
    pub(crate) fn retain(&self, interest: &Arc<dyn Interest>, wanted: impl Fn(&ObjectId) -> bool) {
        self.0.lock().ledger.retain(interest, wanted);
    }

    /// The live state of an object that is known to be as it was settled.
    pub(crate) fn in_place(&self, interest: &Arc<dyn Interest>, object: &ObjectRef) -> Option<Observed> {
        let state = self.0.lock();
        if state.is_live(&object.gvk()) { state.ledger.in_place(interest, &object.id) } else { None }
    }

    /// What is known of a set as a whole.
    pub(crate) fn standing<'a>(
        &self,
        interest: &Arc<dyn Interest>,
        objects: impl IntoIterator<Item = &'a ObjectRef>,
    ) -> Standing {
        let state = self.0.lock();
        let mut standing = Standing::Ready;
        for object in objects {
            if !state.is_live(&object.gvk()) || state.ledger.in_place(interest, &object.id).is_none() {
                return Standing::Unknown;
            }
            if state.ledger.health(interest, &object.id).is_none_or(|health| health.status != HealthStatus::Current) {
                standing = Standing::InPlace;
            }
        }
        standing
    }

    /// Waits until the kinds of a set are followed, if they are to be. Answers whether they are, after a while.
    pub(crate) async fn until_live(&self, objects: &[ObjectRef]) -> bool {
        let waits: Vec<_> = {
            let state = self.0.lock();
            let kinds: HashSet<Gvk> = objects.iter().map(ObjectRef::gvk).collect();
            let waits = kinds.iter().map(|gvk| state.followers.get(gvk).map(Follower::live));
            match waits.collect::<Option<_>>() {
                Some(waits) => waits,
                None => return false,
            }
        };
        let all = futures::future::join_all(
            waits.into_iter().map(|mut live| async move { live.wait_for(|live| *live).await.is_ok() }),
        );
        tokio::time::timeout(PATIENCE, all).await.is_ok_and(|live| live.into_iter().all(|live| live))
    }

    /// The health of a set, if every object of it is being followed.
    pub(crate) fn health(&self, interest: &Arc<dyn Interest>, objects: &[ObjectRef]) -> Option<Health> {
        let state = self.0.lock();
        let health = |object: &ObjectRef| {
            state.is_live(&object.gvk()).then(|| state.ledger.health(interest, &object.id)).flatten()
        };
        Some(Health { objects: objects.iter().map(health).collect::<Option<_>>()? })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is a single insert or assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_live(&self, gvk: &Gvk) -> bool {
        self.followers.get(gvk).is_some_and(Follower::is_live)
    }

    /// Follows a kind, if it is not followed already.
    fn follow(&mut self, shared: &Arc<Shared>, gvk: Gvk) {
        self.followers.entry(gvk).or_insert_with_key(|gvk| Follower::start(shared, gvk.clone()));
    }
}

fn notify(interest: &dyn Interest) {
    if let Some(notify) = interest.notify() {
        notify();
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Observer")
            .field("kinds", &state.followers.len())
            .field("objects", &state.ledger.len())
            .finish_non_exhaustive()
    }
}
