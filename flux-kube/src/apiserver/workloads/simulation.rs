//! The simulation itself: what is to be looked at, and when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Behaviour, Workloads};
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::store::{Address, Change, Record};
use crate::apiserver::verbs::{Propagation, State, Target, Validation, WriteOptions};
use crate::apiserver::{ApiServer, Inner};

/// Who writes what the controllers of a cluster write.
pub(super) const CONTROLLER: &str = "kube-controller-manager";

/// More owners than an object has above it; a circle of them ends here.
const MAX_OWNERS: usize = 8;

/// Workloads that are simulated.
#[derive(Debug, Clone)]
pub(crate) struct Simulation {
    workloads: Workloads,
    /// When to look at what again; the number tells apart what is due at the same time. There is one for an object,
    /// the earliest: whoever looks finds out what else is to come.
    timers: BTreeMap<(Instant, u64), Address>,
    timer_of: HashMap<Address, (Instant, u64)>,
    count: u64,
    /// When what takes its time began to, by uid.
    since: HashMap<String, Instant>,
    /// What changed and was not looked at since.
    dirty: BTreeSet<Address>,
    wake: Arc<Notify>,
}

/// Runs what is due, until the server is gone or simulates something else.
async fn drive(server: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let next = {
            let Some(inner) = server.upgrade() else { return };
            ApiServer { inner }.run_due(&wake)
        };
        match next {
            Due::Never => return,
            Due::Sometime => wake.notified().await,
            Due::At(at) => {
                let _ = tokio::time::timeout_at(at, wake.notified()).await;
            }
        }
    }
}

/// When there is something to do.
enum Due {
    At(Instant),
    /// When something changes.
    Sometime,
    /// The simulation is over.
    Never,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The task that drives a simulation ends with the server.
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(simulation) = &state.simulation {
            simulation.wake();
        }
    }
}

impl ApiServer {
    /// Looks at what is due; answers when the next is.
    fn run_due(&self, wake: &Arc<Notify>) -> Due {
        let mut state = self.lock();
        let Some(simulation) = state.simulation.as_mut().filter(|s| Arc::ptr_eq(&s.wake, wake)) else {
            return Due::Never;
        };
        let now = Instant::now();
        while let Some(timer) = simulation.timers.first_entry()
            && timer.key().0 <= now
        {
            let at = timer.remove();
            simulation.timer_of.remove(&at);
            simulation.dirty.insert(at);
        }
        if !simulation.dirty.is_empty() {
            state.settle(&self.inner.clock.stamp());
        }
        let next = state.simulation.as_ref().and_then(|s| s.timers.first_key_value());
        next.map_or(Due::Sometime, |((at, _), _)| Due::At(*at))
    }

    /// Starts to drive the simulation that the state holds, if it holds one, in place of whoever did so before.
    pub(crate) fn drive_simulation(&self) {
        if let Some(simulation) = &mut self.lock().simulation {
            simulation.wake = Arc::default();
            tokio::spawn(drive(Arc::downgrade(&self.inner), simulation.wake.clone()));
        }
    }
}

impl Simulation {
    /// The task that drives it looks whether it still has anything to do.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The next object to look at.
    pub(crate) fn next(&mut self) -> Option<Address> {
        self.dirty.pop_first()
    }

    /// Takes over what changed.
    pub(crate) fn note(&mut self, change: &Change) {
        if change.deleted {
            self.since.remove(change.record.meta_str("uid"));
        } else if is_simulated(&change.at.0) {
            self.dirty.insert(change.at.clone());
        }
    }

    fn look_at(&mut self, at: Address, after: Duration) {
        let when = Instant::now() + after;
        if let Some(timer) = self.timer_of.get(&at) {
            if timer.0 <= when {
                return;
            }
            self.timers.remove(timer);
        }
        let first = self.timers.first_key_value().is_none_or(|((next, _), _)| when < *next);
        self.count += 1;
        self.timer_of.insert(at.clone(), (when, self.count));
        self.timers.insert((when, self.count), at);
        if first {
            self.wake.notify_one();
        }
    }
}

fn is_simulated(resource: &ResourceKey) -> bool {
    matches!(
        (&*resource.group, &*resource.plural),
        ("", "pods" | "persistentvolumeclaims" | "services")
            | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
            | ("batch", "jobs")
    )
}

impl State {
    pub(super) fn begin_simulation(&mut self, workloads: Workloads, now: &Arc<str>) {
        if let Some(before) = self.simulation.take() {
            before.wake();
        }
        let dirty: BTreeSet<Address> = self
            .store
            .tables()
            .filter(|(resource, _)| is_simulated(resource))
            .flat_map(|(resource, table)| table.range("").map(|(key, _)| (resource.clone(), key.clone())))
            .collect();
        let nodes = workloads.nodes;
        self.simulation = Some(Simulation {
            workloads,
            timers: BTreeMap::new(),
            timer_of: HashMap::new(),
            count: 0,
            since: HashMap::new(),
            dirty,
            wake: Arc::default(),
        });
        for n in 1..=nodes {
            self.make_node(&format!("node-{n}"), now);
        }
    }

    fn make_node(&mut self, name: &str, now: &Arc<str>) {
        let at = (ResourceKey::new("", "nodes"), name.to_owned());
        if self.record_at(&at).is_some() {
            return;
        }
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}}});
        self.make("", "Node", "", node, now);
        self.write_at(&at, "kubelet", "status", now, |node| {
            let resources = json!({"cpu": "8", "memory": "32Gi", "pods": "110"});
            node.insert("status".into(), json!({"capacity": resources, "allocatable": resources,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
                    "message": "kubelet is posting ready status", "lastHeartbeatTime": &**now, "lastTransitionTime": &**now}],
                "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"}}));
        });
    }

    /// The names of the nodes, in order.
    pub(super) fn nodes(&self) -> Vec<String> {
        let table = self.store.table(&ResourceKey::new("", "nodes"));
        table.into_iter().flat_map(|t| t.range("")).map(|(name, _)| name.clone()).collect()
    }

    /// The names of the nodes that take pods.
    pub(super) fn open_nodes(&self) -> Vec<String> {
        let table = self.store.table(&ResourceKey::new("", "nodes"));
        let nodes = table.into_iter().flat_map(|t| t.range(""));
        nodes.filter(|(_, n)| part(n, "spec", "/unschedulable") != true).map(|(name, _)| name.clone()).collect()
    }

    /// Brings one object on, and lets its owner know.
    pub(crate) fn advance(&mut self, at: &Address, now: &Arc<str>) {
        let Some(record) = self.record_at(at) else { return };
        match &*at.0.plural {
            "pods" => self.advance_pod(at, &record, now),
            "persistentvolumeclaims" => self.advance_claim(at, &record, now),
            "services" => self.advance_service(at, &record, now),
            // What is going is left to the garbage collector.
            _ if record.meta("deletionTimestamp").is_some() => {}
            "deployments" => self.advance_deployment(at, &record, now),
            "replicasets" => self.advance_replicaset(at, &record, now),
            "statefulsets" => self.advance_statefulset(at, &record, now),
            "daemonsets" => self.advance_daemonset(at, &record, now),
            "jobs" => self.advance_job(at, &record, now),
            _ => {}
        }
    }

    /// An object changed or went: it, and what controls it, is to be looked at.
    pub(crate) fn note_change(&mut self, change: &Change, now: &Arc<str>) {
        if self.simulation.is_none() {
            return;
        }
        match &*change.at.0.plural {
            "persistentvolumeclaims" if change.deleted => self.claim_went(change, now),
            "nodes" => self.nodes_changed(),
            _ => {}
        }
        let owner = controller(&change.record).and_then(|uid| self.store.address(uid));
        if let Some(simulation) = &mut self.simulation {
            simulation.note(change);
            simulation.dirty.extend(owner.filter(|owner| is_simulated(&owner.0)));
        }
    }

    /// There may be room for pods that had none, and daemon sets have more nodes, or fewer.
    fn nodes_changed(&mut self) {
        let all = |group: &str, plural: &str| {
            let key = ResourceKey::new(group, plural);
            let table = self.store.table(&key);
            let records = table.into_iter().flat_map(|t| t.range(""));
            records.map(|(at, r)| ((key.clone(), at.clone()), r.clone())).collect::<Vec<_>>()
        };
        let waiting = all("", "pods").into_iter().filter(|(_, pod)| part(pod, "spec", "/nodeName").is_null());
        let dirty: Vec<Address> = waiting.chain(all("apps", "daemonsets")).map(|(at, _)| at).collect();
        if let Some(simulation) = &mut self.simulation {
            simulation.dirty.extend(dirty);
        }
    }

    /// Looks at an object again after some time.
    pub(super) fn look_at(&mut self, at: &Address, after: Duration) {
        if let Some(simulation) = &mut self.simulation {
            simulation.look_at(at.clone(), after);
        }
    }

    /// Whether this time has passed since the simulation first saw an object; if not, it is looked at again then.
    pub(super) fn waited(&mut self, at: &Address, record: &Record, time: Duration) -> bool {
        let Some(simulation) = &mut self.simulation else { return false };
        let now = Instant::now();
        let since = *simulation.since.entry(record.meta_str("uid").to_owned()).or_insert(now);
        if now < since + time {
            simulation.look_at(at.clone(), since + time - now);
        }
        now >= since + time
    }

    /// Whether this time has passed since then, as far as an object tells; if not, it is looked at again then.
    pub(super) fn passed(&mut self, at: &Address, time: &Value, period: i64, now: &str) -> bool {
        let left = period - seconds_since(time, now).unwrap_or(period);
        if left > 0 {
            self.look_at(at, Duration::from_secs(left.unsigned_abs()));
        }
        left <= 0
    }

    /// How an object behaves: by the first rule for it or for what owns it.
    pub(super) fn behaviour(&self, record: &Arc<Record>) -> Behaviour {
        let Some(simulation) = &self.simulation else { return Behaviour::NeverReady };
        let mut chain = vec![record.clone()];
        while let Some(owner) = chain.last().and_then(|r| controller(r)).and_then(|uid| self.store.address(uid))
            && let Some(owner) = self.record_at(&owner)
            && chain.len() < MAX_OWNERS
        {
            chain.push(owner);
        }
        let rule =
            simulation.workloads.rules.iter().find(|(objects, _)| chain.iter().any(|r| objects.include(&r.object)));
        rule.map_or(Behaviour::ReadyAfter(simulation.workloads.delay), |(_, behaviour)| *behaviour)
    }

    /// The objects of a resource that this uid controls, in order.
    pub(super) fn controlled(&self, uid: &str, plural: &str) -> Vec<(Address, Arc<Record>)> {
        let dependents = self.store.dependents(uid).into_iter().filter(|at| &*at.0.plural == plural);
        dependents
            .filter_map(|at| self.record_at(&at).map(|record| (at, record)))
            .filter(|(_, record)| controller(record) == Some(uid))
            .collect()
    }

    /// Makes an object, as a controller does; nothing if it may not be made.
    pub(super) fn make(
        &mut self,
        group: &str,
        kind: &str,
        namespace: &str,
        object: Value,
        now: &Arc<str>,
    ) -> Option<Arc<Fields>> {
        let resource = self.registry.kind(group, "v1", kind)?.clone();
        let target =
            Target { resource, namespace: namespace.to_owned(), name: String::new(), subresource: String::new() };
        let options = WriteOptions {
            dry_run: false,
            manager: CONTROLLER.to_owned(),
            validation: Validation::Ignore,
            now: now.clone(),
            duplicates: Vec::new(),
        };
        let Value::Object(object) = object else { return None };
        self.create(&target, object, &options).ok().map(|written| written.object)
    }

    /// Reports a status, as a controller does.
    pub(super) fn report_status(&mut self, at: &Address, status: Value, now: &Arc<str>) {
        self.write_at(at, CONTROLLER, "status", now, |object| {
            object.insert("status".into(), status);
        });
    }

    /// How long what is simulated takes if nothing else is said.
    pub(super) fn delay(&self) -> Duration {
        self.simulation.as_ref().map_or(Duration::ZERO, |s| s.workloads.delay)
    }

    /// Deletes an object, as a controller does.
    pub(super) fn unmake(&mut self, at: &Address, now: &Arc<str>) {
        self.delete_at(at, Propagation::Background, now);
    }
}

/// The uid of what controls an object.
pub(super) fn controller(record: &Record) -> Option<&str> {
    let owners = record.meta("ownerReferences")?.as_array()?;
    owners.iter().find(|o| o.get("controller") == Some(&Value::Bool(true)))?.get("uid")?.as_str()
}

/// The reference to what controls an object that is made for it.
pub(super) fn owner_reference(record: &Record) -> Value {
    let text = |key: &str| record.object.get(key).cloned().unwrap_or_default();
    json!({"apiVersion": text("apiVersion"), "kind": text("kind"), "name": record.meta_str("name"),
        "uid": record.meta_str("uid"), "controller": true, "blockOwnerDeletion": true})
}

/// A part of an object; null if it is not there.
pub(super) fn part<'a>(record: &'a Record, top: &str, pointer: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    record.object.get(top).and_then(|v| v.pointer(pointer)).unwrap_or(&NULL)
}

/// A number in an object.
pub(super) fn number(record: &Record, top: &str, pointer: &str) -> Option<i64> {
    part(record, top, pointer).as_i64()
}

/// A time in an object, in seconds before `now`.
fn seconds_since(time: &Value, now: &str) -> Option<i64> {
    let (time, now): (jiff::Timestamp, jiff::Timestamp) = (time.as_str()?.parse().ok()?, now.parse().ok()?);
    Some(now.as_second() - time.as_second())
}
