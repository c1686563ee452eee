//! Pods: placed at once, running after their time, gone when they are deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Behaviour;
use super::simulation::{controller, part};
use crate::apiserver::fields::Fields;
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::{DeleteOptions, Propagation, State, metadata_mut};

const KUBELET: &str = "kubelet";

/// The first pause before a crashed container is started again; it doubles each time.
const FIRST_BACKOFF: i64 = 10;
/// The longest.
const MAX_BACKOFF: i64 = 300;
/// After this many restarts a crashing container is left waiting for its next.
const MAX_RESTARTS: i64 = 6;

/// How far a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Placed, and its containers are made.
    Starting,
    /// Its containers run.
    Running { ready: bool },
    /// Its containers exited with an error and will be started again.
    Crashed { restarts: i64 },
    /// Its containers have exited for good.
    Ended { well: bool },
}

impl State {
    pub(super) fn advance_pod(&mut self, at: &Address, pod: &Arc<Record>, now: &Arc<str>) {
        if pod.meta("deletionTimestamp").is_some() {
            // The kubelet stops it and says so.
            if let Some(target) = self.target_of(at) {
                let options = DeleteOptions {
                    grace: Some(0),
                    propagation: Some(Propagation::Background),
                    now: now.parse().ok(),
                    ..DeleteOptions::default()
                };
                let _ = self.delete(&target, &options);
            }
            return;
        }
        if part(pod, "spec", "/nodeName").is_null() {
            self.place(at, pod, now);
            return;
        }
        if matches!(part(pod, "status", "/phase").as_str(), Some("Succeeded" | "Failed")) {
            return;
        }
        let delay = match self.behaviour(pod) {
            Behaviour::ReadyAfter(delay) => delay,
            _ => self.delay(),
        };
        if !self.waited(at, pod, delay) {
            if part(pod, "status", "/containerStatuses").is_null() {
                self.report(at, pod, Stage::Starting, now);
            }
            return;
        }
        // Only jobs have pods that end well.
        let job = self.owner_kind(pod) == "Job" || part(pod, "spec", "/restartPolicy") == "Never";
        let stage = match self.behaviour(pod) {
            Behaviour::ReadyAfter(_) if job => Stage::Ended { well: true },
            Behaviour::ReadyAfter(_) => Stage::Running { ready: true },
            Behaviour::NeverReady => Stage::Running { ready: false },
            Behaviour::Fails => Stage::Ended { well: false },
            Behaviour::Crashes if part(pod, "spec", "/restartPolicy") == "Never" => Stage::Ended { well: false },
            Behaviour::Crashes => match self.next_crash(at, pod, now) {
                Some(restarts) => Stage::Crashed { restarts },
                None => return,
            },
        };
        self.report(at, pod, stage, now);
    }

    /// How often a crashing pod was restarted, once it crashes again.
    fn next_crash(&mut self, at: &Address, pod: &Record, now: &Arc<str>) -> Option<i64> {
        let container = part(pod, "status", "/containerStatuses/0");
        let crashed = container.pointer("/lastState/terminated/finishedAt");
        let Some(crashed) = crashed else { return Some(0) };
        let restarts = container.get("restartCount").and_then(Value::as_i64).unwrap_or(0);
        let backoff = |restarts: i64| (FIRST_BACKOFF << restarts).min(MAX_BACKOFF);
        if restarts >= MAX_RESTARTS || !self.passed(at, crashed, backoff(restarts), now) {
            return None;
        }
        Some(restarts + 1)
    }

    fn owner_kind(&self, pod: &Record) -> String {
        let owner = controller(pod).and_then(|uid| self.store.address(uid)).and_then(|at| self.record_at(&at));
        owner.and_then(|o| o.object.get("kind").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default()
    }

    /// The scheduler puts a pod on a node.
    fn place(&mut self, at: &Address, pod: &Arc<Record>, now: &Arc<str>) {
        // A daemon set's pods say where they belong.
        let wanted = part(
            pod,
            "spec",
            "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0",
        );
        let node = match wanted.as_str() {
            Some(wanted) => self.nodes().into_iter().find(|n| n == wanted),
            None => {
                let nodes = self.open_nodes();
                let random = self.ids.next() as usize;
                nodes.get(random.checked_rem(nodes.len()).unwrap_or(0)).cloned()
            }
        };
        let Some(node) = node else { return };
        self.bind_pod(at, &node, now);
    }

    /// The kubelet says how far a pod is.
    fn report(&mut self, at: &Address, pod: &Arc<Record>, stage: Stage, now: &Arc<str>) {
        let address = match part(pod, "status", "/podIP").as_str() {
            Some(address) => address.to_owned(),
            None => self.pod_address(),
        };
        self.write_at(at, KUBELET, "status", now, |pod| {
            let containers = pod.get("spec").and_then(|s| s.get("containers")).and_then(Value::as_array).cloned();
            let old = pod.get("status").and_then(|s| s.get("containerStatuses")).cloned().unwrap_or_default();
            let containers: Vec<Value> = containers
                .unwrap_or_default()
                .iter()
                .enumerate()
                .map(|(i, c)| container(c, old.get(i).unwrap_or(&Value::Null), stage, now))
                .collect();
            let generation = generation(pod);
            let status = status_mut(pod);
            status.insert("observedGeneration".into(), json!(generation));
            status.insert("phase".into(), json!(phase(stage)));
            let old = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            status.insert("conditions".into(), Value::Array(conditions(&old, stage, generation, now)));
            status.entry("hostIP").or_insert_with(|| json!("192.0.2.1"));
            status.entry("startTime").or_insert_with(|| json!(&**now));
            if stage != Stage::Starting {
                status.insert("podIP".into(), json!(address));
                status.insert("podIPs".into(), json!([{"ip": address}]));
            }
            status.insert("containerStatuses".into(), Value::Array(containers));
        });
    }

    fn pod_address(&mut self) -> String {
        let random = self.ids.next();
        format!("10.244.{}.{}", (random >> 8) & 0xff, 1 + (random & 0xff) % 254)
    }
}

fn generation(object: &mut Fields) -> i64 {
    metadata_mut(object).get("generation").and_then(Value::as_i64).unwrap_or(1)
}

pub(super) fn status_mut(object: &mut Fields) -> &mut Fields {
    let slot = object.entry("status").or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    match slot {
        Value::Object(map) => map,
        // Just made one.
        _ => unreachable!("the status is a map"),
    }
}

fn phase(stage: Stage) -> &'static str {
    match stage {
        Stage::Starting => "Pending",
        Stage::Running { .. } | Stage::Crashed { .. } => "Running",
        Stage::Ended { well: true } => "Succeeded",
        Stage::Ended { well: false } => "Failed",
    }
}

fn conditions(old: &[Value], stage: Stage, generation: i64, now: &str) -> Vec<Value> {
    let ready = stage == Stage::Running { ready: true };
    let ended = matches!(stage, Stage::Ended { .. });
    let reason = match stage {
        Stage::Ended { well: true } => Some("PodCompleted"),
        Stage::Ended { well: false } => Some("PodFailed"),
        Stage::Running { ready: true } => None,
        _ => Some("ContainersNotReady"),
    };
    let made = stage != Stage::Starting && !ended;
    [
        ("PodReadyToStartContainers", made, None),
        ("Initialized", true, if stage == (Stage::Ended { well: true }) { reason } else { None }),
        ("Ready", ready, reason),
        ("ContainersReady", ready, reason),
        ("PodScheduled", true, None),
    ]
    .into_iter()
    .map(|(kind, status, reason)| {
        let status = if status { "True" } else { "False" };
        let before = super::conditions::find(old, kind).filter(|c| super::conditions::is(Some(c), "status", status));
        let since = before.and_then(|c| c.get("lastTransitionTime")).cloned().unwrap_or_else(|| json!(now));
        let mut condition = json!({"type": kind, "status": status, "observedGeneration": generation,
            "lastProbeTime": null, "lastTransitionTime": since});
        if let (Some(reason), Some(condition)) = (reason, condition.as_object_mut()) {
            condition.insert("reason".into(), json!(reason));
            if reason == "ContainersNotReady" {
                condition.insert("message".into(), json!("containers with unready status"));
            }
        }
        condition
    })
    .collect()
}

fn container(spec: &Value, old: &Value, stage: Stage, now: &str) -> Value {
    let text = |key: &str| spec.get(key).cloned().unwrap_or_default();
    let name = text("name");
    let ended = |code: i64| {
        json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
            "startedAt": started(old, now), "finishedAt": now})
    };
    let (state, last, restarts) = match stage {
        Stage::Starting => (json!({"waiting": {"reason": "ContainerCreating"}}), json!({}), 0),
        Stage::Running { .. } => (json!({"running": {"startedAt": started(old, now)}}), json!({}), 0),
        Stage::Crashed { restarts } => {
            let message = format!("back-off restarting failed container={}", name.as_str().unwrap_or(""));
            (
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}),
                json!({"terminated": ended(1)}),
                restarts,
            )
        }
        Stage::Ended { well } => (json!({"terminated": ended(i64::from(!well))}), json!({}), 0),
    };
    json!({"name": name, "state": state, "lastState": last, "ready": stage == Stage::Running { ready: true },
        "restartCount": restarts, "image": text("image"), "imageID": "", "started": matches!(stage, Stage::Running { .. })})
}

/// When a container started: when it did before, or now.
fn started(old: &Value, now: &str) -> Value {
    old.pointer("/state/running/startedAt").cloned().unwrap_or_else(|| json!(now))
}
