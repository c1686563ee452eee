//! Waiting until objects are ready, told by watches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use flux_core::applier::ObjectHealth;
use flux_core::cluster::{Cluster, ClusterError, WatchEvent, WatchOptions, WatchStream};
use flux_core::{Context, Gvk, Health, HealthStatus, Interrupted, Object, ObjectId, ObjectRef};
use futures::StreamExt as _;
use futures::stream::SelectAll;

use super::Judge;

/// How long to wait before looking again where a watch broke or could not be had.
const RETRY: Duration = Duration::from_secs(2);

/// Waits until objects are ready.
pub struct Wait<'a> {
    /// Where they are.
    pub cluster: &'a dyn Cluster,
    /// Whether to stop as soon as one has failed.
    pub fail_fast: bool,
    /// Which live objects are nobody's business: they count as ready.
    pub ignore: &'a (dyn Fn(&Object) -> bool + Sync),
    /// Who tells how far an object is.
    pub judge: &'a dyn Judge,
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("cluster", &self.cluster)
            .field("fail_fast", &self.fail_fast)
            .field("judge", &self.judge)
            .finish_non_exhaustive()
    }
}

impl Wait<'_> {
    /// Waits until every object is ready, one has failed, or the deadline of the context passes, and says how each is.
    ///
    /// # Errors
    /// The work was cancelled. A deadline is no error: the health says who was waited for.
    pub async fn until_ready(&self, cx: &Context, objects: &[ObjectRef]) -> Result<Health, Interrupted> {
        let mut watched = Watched::new(objects);
        loop {
            match cx.run(self.round(cx, &mut watched)).await {
                Ok(()) if watched.is_over(self.fail_fast) => return Ok(watched.health()),
                Ok(()) => {}
                Err(Interrupted::DeadlineExceeded) => return Ok(watched.health()),
                Err(interrupted) => return Err(interrupted),
            }
            match cx.run(tokio::time::sleep(RETRY)).await {
                Ok(()) => {}
                // Once there is no time left a round ends before it has begun, and so would every other.
                Err(Interrupted::DeadlineExceeded) => return Ok(watched.health()),
                Err(interrupted) => return Err(interrupted),
            }
        }
    }

    /// Looks at every object that is not ready, then follows what happens to them until nothing is left to wait for or a
    /// watch ends.
    async fn round(&self, cx: &Context, watched: &mut Watched) {
        for object in watched.pending() {
            let answer = self.cluster.get(cx, &object).await;
            watched.note(&object.id, self.health_of(cx, &object.id, answer));
        }
        if watched.is_over(self.fail_fast) {
            return;
        }
        let Some(mut events) = self.watches(cx, &watched.pending()).await else { return };
        while let Some(event) = events.next().await {
            let (object, gone) = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => (object, false),
                Ok(WatchEvent::Deleted(object)) => (object, true),
                Ok(WatchEvent::Bookmark(_)) => continue,
                Err(_) => return,
            };
            let id = object.id();
            if watched.is_watched(&id) {
                let health = if gone { self.gone(&id, &object) } else { self.health_of(cx, &id, Ok(Some(object))) };
                watched.note(&id, health);
                if watched.is_over(self.fail_fast) {
                    return;
                }
            }
        }
    }

    /// One watch for each kind and namespace; none if one of them cannot be had.
    async fn watches(&self, cx: &Context, objects: &[ObjectRef]) -> Option<SelectAll<WatchStream>> {
        let mut groups: BTreeMap<(Gvk, &str), Vec<&str>> = BTreeMap::new();
        for object in objects {
            groups.entry((object.gvk(), &object.id.namespace)).or_default().push(&object.id.name);
        }
        let mut streams = SelectAll::new();
        for ((gvk, namespace), names) in groups {
            let options = WatchOptions {
                namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
                field_selector: match names.as_slice() {
                    [name] => Some(format!("metadata.name={name}")),
                    _ => None,
                },
                ..WatchOptions::default()
            };
            streams.push(self.cluster.watch(cx, &gvk, &options).await.ok()?);
        }
        Some(streams)
    }

    fn health_of(&self, cx: &Context, id: &ObjectId, answer: Result<Option<Object>, ClusterError>) -> ObjectHealth {
        let health = |status, message| ObjectHealth { id: id.clone(), status, message };
        match answer {
            Ok(Some(live)) => ObjectHealth { id: id.clone(), ..of_live(cx, &live, self.ignore, self.judge) },
            Ok(None) => health(HealthStatus::NotFound, "Resource not found".into()),
            Err(error) => health(HealthStatus::Unknown, error.to_string()),
        }
    }

    /// A job that cleans up after itself has done its work when it goes.
    fn gone(&self, id: &ObjectId, last: &Object) -> ObjectHealth {
        let done =
            last.kind() == "Job" && last.pointer("/spec/ttlSecondsAfterFinished").is_some_and(|ttl| !ttl.is_null());
        let (status, message) = if done {
            (HealthStatus::Current, "Job finished and was cleaned up")
        } else {
            (HealthStatus::NotFound, "Resource was deleted")
        };
        ObjectHealth { id: id.clone(), status, message: message.into() }
    }
}

/// How far a live object is; what `ignore` says is nobody's business counts as ready.
pub(crate) fn of_live(
    cx: &Context,
    live: &Object,
    ignore: &(dyn Fn(&Object) -> bool + Sync),
    judge: &dyn Judge,
) -> ObjectHealth {
    let health = |status, message| ObjectHealth { id: live.id(), status, message };
    if ignore(live) {
        return health(HealthStatus::Current, "is not looked at".into());
    }
    match judge.health(live, cx.now()) {
        Ok(status) => health(status.status, status.message),
        Err(error) => health(HealthStatus::Unknown, error),
    }
}

/// The objects waited for and how they are.
struct Watched {
    objects: Vec<ObjectRef>,
    health: HashMap<ObjectId, ObjectHealth>,
    unfinished: HashSet<ObjectId>,
    failed: HashSet<ObjectId>,
}

impl Watched {
    fn new(objects: &[ObjectRef]) -> Self {
        Self {
            objects: objects.to_vec(),
            health: HashMap::with_capacity(objects.len()),
            unfinished: objects.iter().map(|object| object.id.clone()).collect(),
            failed: HashSet::new(),
        }
    }

    fn is_watched(&self, id: &ObjectId) -> bool {
        self.unfinished.contains(id) || self.health.contains_key(id)
    }

    fn pending(&self) -> Vec<ObjectRef> {
        self.objects.iter().filter(|object| self.unfinished.contains(&object.id)).cloned().collect()
    }

    fn note(&mut self, id: &ObjectId, health: ObjectHealth) {
        let mark = |set: &mut HashSet<ObjectId>, is: bool| {
            if is { set.insert(id.clone()) } else { set.remove(id) }
        };
        mark(&mut self.failed, health.status == HealthStatus::Failed);
        mark(&mut self.unfinished, !matches!(health.status, HealthStatus::Current | HealthStatus::Failed));
        self.health.insert(id.clone(), health);
    }

    fn is_over(&self, fail_fast: bool) -> bool {
        self.unfinished.is_empty() || (fail_fast && !self.failed.is_empty())
    }

    fn health(&self) -> Health {
        let unseen = |id: &ObjectId| ObjectHealth {
            id: id.clone(),
            status: HealthStatus::Unknown,
            message: "was not looked at in time".into(),
        };
        let objects = self.objects.iter();
        Health { objects: objects.map(|o| self.health.get(&o.id).cloned().unwrap_or_else(|| unseen(&o.id))).collect() }
    }
}
