//! Daemon sets: one pod on every node.

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::status;
use super::replicasets::{Member, share};
use super::revisions::REVISION_HASH;
use super::simulation::{number, part};
use crate::apiserver::store::{Address, Record};
use crate::apiserver::strategy::TEMPLATE_GENERATION;
use crate::apiserver::verbs::State;

/// The node a pod is on, or is to be on.
fn node_of(pod: &Record) -> Option<&str> {
    let wanted = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    part(pod, "spec", "/nodeName").as_str().or_else(|| part(pod, "spec", wanted).as_str())
}

impl State {
    pub(super) fn advance_daemonset(&mut self, at: &Address, set: &Arc<Record>, now: &Arc<str>) {
        let (_, hash) = self.revision_of(set, now);
        let nodes = self.nodes();
        let is_new = |pod: &Record| pod.meta("labels").and_then(|l| l.get(REVISION_HASH)) == Some(&json!(hash));
        let pods = self.members(at, set, now);
        let generation = set.meta("annotations").and_then(|a| a.get(TEMPLATE_GENERATION)).and_then(Value::as_str);
        let generation = generation.unwrap_or("1").to_owned();
        for node in &nodes {
            if !pods.iter().any(|p| node_of(&p.record) == Some(node)) {
                let labels = [(REVISION_HASH, hash.as_str()), ("pod-template-generation", generation.as_str())];
                self.make_pod(&on_node(set, node), None, &labels, now);
            }
        }
        if part(set, "spec", "/updateStrategy/type") != "OnDelete" {
            let most = part(set, "spec", "/updateStrategy/rollingUpdate/maxUnavailable");
            let most = share(most, nodes.len() as i64, true).max(1);
            let unavailable = nodes.len() as i64 - pods.iter().filter(|p| p.available).count() as i64;
            // Old pods that are of no use go at once, the others as far as may be missing.
            let (useful, useless): (Vec<&Member>, Vec<&Member>) =
                pods.iter().filter(|p| !is_new(&p.record)).partition(|p| p.available);
            let room = usize::try_from(most - unavailable).unwrap_or(0);
            for pod in useless.into_iter().chain(useful.into_iter().take(room)) {
                self.unmake(&pod.at, now);
            }
        }
        let pods = self.members(at, set, now);
        let count = |f: &dyn Fn(&Member) -> bool| pods.iter().filter(|p| f(p)).count() as i64;
        let wanted = nodes.len() as i64;
        let counts = [
            ("observedGeneration", number(set, "metadata", "/generation").unwrap_or(1)),
            ("updatedNumberScheduled", count(&|p| is_new(&p.record))),
            ("numberAvailable", count(&|p| p.available)),
            ("numberUnavailable", wanted - count(&|p| p.available)),
        ];
        let rest = [
            ("currentNumberScheduled", json!(pods.len())),
            ("numberMisscheduled", json!(0)),
            ("desiredNumberScheduled", json!(wanted)),
            ("numberReady", json!(count(&|p| p.ready))),
        ];
        self.report_status(at, status(&counts, rest), now);
    }
}

/// The set as it would be for one node only.
fn on_node(set: &Record, node: &str) -> Record {
    let mut object = (*set.object).clone();
    if let Some(spec) =
        object.get_mut("spec").and_then(|s| s.pointer_mut("/template/spec")).and_then(Value::as_object_mut)
    {
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
        spec.insert(
            "affinity".into(),
            json!({"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}),
        );
    }
    Record { object: Arc::new(object), managers: set.managers.clone(), settled: Default::default() }
}
