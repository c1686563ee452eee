//! Replica sets, and what all sets of pods have in common.

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::{self, status};
use super::simulation::{number, owner_reference, part};
use crate::apiserver::fields::Fields;
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::{State, metadata_mut};

/// A set gets no more pods than this.
pub(super) const MAX_PODS: i64 = 1000;

/// A pod of a set, as its set sees it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) at: Address,
    pub(super) record: Arc<Record>,
    pub(super) ready: bool,
    pub(super) available: bool,
}

impl State {
    pub(super) fn advance_replicaset(&mut self, at: &Address, set: &Arc<Record>, now: &Arc<str>) {
        let wanted = number(set, "spec", "/replicas").unwrap_or(1).clamp(0, MAX_PODS);
        let mut pods = self.members(at, set, now);
        let found = pods.len() as i64;
        for _ in found..wanted {
            self.make_pod(set, None, &[], now);
        }
        // Those that are not ready go first, then the youngest.
        pods.sort_by_cached_key(|p| (p.ready, std::cmp::Reverse(p.record.revision())));
        for pod in pods.iter().take(usize::try_from(found - wanted).unwrap_or(0)) {
            self.unmake(&pod.at, now);
        }
        if found != wanted {
            pods = self.members(at, set, now);
        }
        let count = |f: fn(&Member) -> bool| pods.iter().filter(|p| f(p)).count() as i64;
        let labels = part(set, "spec", "/template/metadata/labels").clone();
        let labelled = pods.iter().filter(|p| has_labels(&p.record, &labels)).count() as i64;
        let generation = number(set, "metadata", "/generation").unwrap_or(1);
        let counts = [
            ("fullyLabeledReplicas", labelled),
            ("readyReplicas", count(|p| p.ready)),
            ("availableReplicas", count(|p| p.available)),
            ("observedGeneration", generation),
        ];
        let new = status(&counts, [("replicas", json!(pods.len()))]);
        self.report_status(at, new, now);
    }

    /// The pods of a set that are not on their way out.
    pub(super) fn members(&mut self, at: &Address, set: &Record, now: &Arc<str>) -> Vec<Member> {
        let min_ready = number(set, "spec", "/minReadySeconds").unwrap_or(0);
        let pods = self.controlled(set.meta_str("uid"), "pods");
        let pods = pods.into_iter().filter(|(_, pod)| {
            let ended = matches!(part(pod, "status", "/phase").as_str(), Some("Succeeded" | "Failed"));
            pod.meta("deletionTimestamp").is_none() && !ended
        });
        pods.map(|(pod_at, record)| {
            let list = conditions::of(&record.object);
            let condition = conditions::find(&list, "Ready");
            let ready = conditions::is(condition, "status", "True");
            let since = condition.and_then(|c| c.get("lastTransitionTime")).cloned().unwrap_or_default();
            let available = ready && (min_ready == 0 || self.passed(at, &since, min_ready, now));
            Member { at: pod_at, record, ready, available }
        })
        .collect()
    }

    /// Makes a pod from the template of a set: of this name, or of one made up, with more labels.
    pub(super) fn make_pod(&mut self, set: &Record, name: Option<&str>, more: &[(&str, &str)], now: &Arc<str>) {
        let template = part(set, "spec", "/template");
        let mut meta = template.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        meta.shift_remove("creationTimestamp");
        let labels = meta.entry("labels").or_insert_with(|| json!({}));
        for (key, value) in more {
            if let Some(labels) = labels.as_object_mut() {
                labels.insert((*key).to_owned(), json!(value));
            }
        }
        match name {
            Some(name) => meta.insert("name".into(), json!(name)),
            None => meta.insert("generateName".into(), json!(format!("{}-", set.meta_str("name")))),
        };
        meta.insert("ownerReferences".into(), json!([owner_reference(set)]));
        let mut spec = template.get("spec").cloned().unwrap_or_default();
        if let (Some(name), Some(spec)) = (name, spec.as_object_mut()) {
            spec.insert("hostname".into(), json!(name));
        }
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec});
        self.make("", "Pod", set.meta_str("namespace"), pod, now);
    }
}

fn has_labels(pod: &Record, labels: &Value) -> bool {
    labels.as_object().is_none_or(|labels| {
        labels.iter().all(|(key, value)| pod.meta("labels").and_then(|l| l.get(key)) == Some(value))
    })
}

/// A number of pods that is given as such or as a share of all.
pub(super) fn share(value: &Value, of: i64, up: bool) -> i64 {
    if let Some(count) = value.as_i64() {
        return count;
    }
    let percent = value.as_str().and_then(|v| v.strip_suffix('%')).and_then(|v| v.parse::<i64>().ok()).unwrap_or(25);
    let exact = percent.saturating_mul(of);
    if up { (exact + 99) / 100 } else { exact / 100 }
}

/// Sets how many pods a set is to have: its next generation.
pub(super) fn set_replicas(set: &mut Fields, count: i64) {
    if let Some(spec) = set.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("replicas".into(), json!(count));
    }
    let meta = metadata_mut(set);
    let generation = meta.get("generation").and_then(Value::as_i64).unwrap_or(0);
    meta.insert("generation".into(), json!(generation + 1));
}

/// Counts in a status, zero where there are none.
pub(super) fn counted(record: &Record, key: &str) -> i64 {
    number(record, "status", &format!("/{key}")).unwrap_or(0)
}
