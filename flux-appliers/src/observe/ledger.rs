//! The record of every object that is followed.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use flux_core::applier::ObjectHealth;
use flux_core::plan::Observed;
use flux_core::{Context, Gvk, HealthStatus, Object, ObjectId, ObjectRef};

use super::{Fingerprint, Interest};

/// One object that is followed.
struct Known {
    interest: Weak<dyn Interest>,
    version: String,
    uid: String,
    resource_version: String,
    /// Its newest state; none once it is gone.
    now: Option<Fingerprint>,
    /// Its state when it was settled; none while it is being written.
    settled: Option<Fingerprint>,
    health: HealthStatus,
    message: String,
}

impl Known {
    fn is_in_place(&self) -> bool {
        self.now.is_some() && self.now == self.settled
    }

    fn is_of(&self, interest: &Arc<dyn Interest>) -> bool {
        std::ptr::addr_eq(self.interest.as_ptr(), Arc::as_ptr(interest))
    }
}

/// What is known of every object that is followed.
#[derive(Default)]
pub(super) struct Ledger(HashMap<ObjectId, Known>);

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// An object is as it should be. Answers whether it has drifted from that already: a watch may be faster than the
    /// answer to a write.
    pub(super) fn settle(&mut self, interest: &Arc<dyn Interest>, live: &Object, look: Look) -> bool {
        let Look { fingerprint: settled, health } = look;
        let id = live.id();
        if let Some(known) = self.0.get_mut(&id)
            && is_newer(&known.resource_version, live.resource_version().unwrap_or_default())
        {
            known.interest = Arc::downgrade(interest);
            known.settled = Some(settled);
            return !known.is_in_place();
        }
        self.0.insert(
            id,
            Known {
                interest: Arc::downgrade(interest),
                version: live.gvk().version,
                uid: live.uid().unwrap_or_default().to_owned(),
                resource_version: live.resource_version().unwrap_or_default().to_owned(),
                now: Some(settled.clone()),
                settled: Some(settled),
                health: health.status,
                message: health.message,
            },
        );
        false
    }

    pub(super) fn unsettle(&mut self, interest: &Arc<dyn Interest>, object: &ObjectRef) {
        let unseen = || Known {
            interest: Arc::downgrade(interest),
            version: object.version.clone(),
            uid: String::new(),
            resource_version: String::new(),
            now: None,
            settled: None,
            health: HealthStatus::Unknown,
            message: String::new(),
        };
        self.0.entry(object.id.clone()).or_insert_with(unseen).settled = None;
    }

    pub(super) fn retain(&mut self, interest: &Arc<dyn Interest>, wanted: impl Fn(&ObjectId) -> bool) {
        self.0.retain(|id, known| !known.is_of(interest) || wanted(id));
    }

    /// The live state of an object that is as `interest` settled it: another pipeline may have it meanwhile.
    pub(super) fn in_place(&self, interest: &Arc<dyn Interest>, id: &ObjectId) -> Option<Observed> {
        let known = self.0.get(id).filter(|known| known.is_in_place() && known.is_of(interest))?;
        Some(Observed { uid: known.uid.clone(), resource_version: known.resource_version.clone() })
    }

    pub(super) fn health(&self, interest: &Arc<dyn Interest>, id: &ObjectId) -> Option<ObjectHealth> {
        let known = self.0.get(id).filter(|known| known.is_of(interest))?;
        Some(ObjectHealth { id: id.clone(), status: known.health, message: known.message.clone() })
    }

    /// Who is to look at the state of an object that a watch shows; none where it is nobody's, or nothing new.
    pub(super) fn interest(&mut self, live: &Object) -> Option<Arc<dyn Interest>> {
        let id = live.id();
        let known = self.0.get(&id)?;
        let version = live.resource_version().unwrap_or_default();
        if is_newer(&known.resource_version, version) || known.resource_version == version {
            return None;
        }
        let interest = known.interest.upgrade();
        if interest.is_none() {
            self.0.remove(&id);
        }
        interest
    }

    /// A watch shows the state of an object, and `interest` has looked at it. Answers who is to be told that it has
    /// drifted, and who that anything has changed.
    ///
    /// # Errors
    /// The object has become somebody else's meanwhile, who is to look at it first.
    pub(super) fn see(
        &mut self,
        live: &Object,
        interest: Arc<dyn Interest>,
        look: Look,
    ) -> Result<Option<Sight>, Arc<dyn Interest>> {
        match self.interest(live) {
            None => return Ok(None),
            Some(other) if !std::ptr::addr_eq(Arc::as_ptr(&other), Arc::as_ptr(&interest)) => return Err(other),
            Some(_) => {}
        }
        let Some(known) = self.0.get_mut(&live.id()) else { return Ok(None) };
        let before = known.is_in_place();
        known.now = Some(look.fingerprint);
        known.uid = live.uid().unwrap_or_default().to_owned();
        known.resource_version = live.resource_version().unwrap_or_default().to_owned();
        known.version = live.gvk().version;
        (known.health, known.message) = (look.health.status, look.health.message);
        Ok(Some(Sight { drifted: before && !known.is_in_place(), interest }))
    }

    /// A watch shows that an object is gone, or lost the labels of its owner. `last` is its last state.
    pub(super) fn lose(&mut self, last: &Object) -> Option<Sight> {
        // A job that cleans up after itself has done its work: it is made again at the interval, and not at once.
        let done = last.kind() == "Job" && last.pointer("/spec/ttlSecondsAfterFinished").is_some_and(|v| !v.is_null());
        let known = self.0.get_mut(&last.id())?;
        let version = last.resource_version().unwrap_or_default();
        if is_newer(&known.resource_version, version) {
            return None;
        }
        known.resource_version = version.to_owned();
        self.gone(&last.id(), done)
    }

    /// The objects of a kind that a complete list at `revision` does not show are gone.
    pub(super) fn missing(&mut self, gvk: &Gvk, revision: &str, listed: impl Fn(&ObjectId) -> bool) -> Vec<Sight> {
        let gone = |id: &ObjectId, known: &Known| {
            id.group == gvk.group
                && id.kind == gvk.kind
                && known.version == gvk.version
                && known.now.is_some()
                && !listed(id)
                && !is_newer(&known.resource_version, revision)
        };
        let mut gone: Vec<ObjectId> =
            self.0.iter().filter(|(id, known)| gone(id, known)).map(|(id, _)| id.clone()).collect();
        gone.sort_unstable();
        gone.iter().filter_map(|id| self.gone(id, false)).collect()
    }

    fn gone(&mut self, id: &ObjectId, done: bool) -> Option<Sight> {
        let known = self.0.get_mut(id)?;
        let Some(interest) = known.interest.upgrade() else {
            self.0.remove(id);
            return None;
        };
        let before = known.is_in_place();
        known.now = None;
        let (health, message) = if done {
            (HealthStatus::Current, "Job finished and was cleaned up")
        } else {
            (HealthStatus::NotFound, "Resource was deleted")
        };
        (known.health, known.message) = (health, message.to_owned());
        Some(Sight { drifted: before && !done, interest })
    }
}

/// What a pipeline makes of the state of one of its objects. It is made before the record is locked: it takes longer than
/// anything else here.
pub(super) struct Look {
    fingerprint: Fingerprint,
    health: ObjectHealth,
}

impl Look {
    pub(super) fn of(cx: &Context, interest: &dyn Interest, live: &Object) -> Self {
        Self { fingerprint: interest.fingerprint(live), health: interest.health(cx, live) }
    }
}

/// What came of an event.
pub(super) struct Sight {
    /// Whether the object is no longer as it was settled.
    pub(super) drifted: bool,
    /// Whose object it is.
    pub(super) interest: Arc<dyn Interest>,
}

/// Whether `a` is a newer resource version than `b`. They are numbers that grow, on every server there is; what is not a
/// number is never newer, and so whatever comes last counts.
fn is_newer(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a > b,
        _ => false,
    }
}
