//! Stateful sets: pods with names of their own, one after the other, and their volumes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::status;
use super::replicasets::{MAX_PODS, Member};
use super::revisions::REVISION_HASH;
use super::simulation::{number, part};
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::State;

fn ordinal(set: &Record, pod: &Record) -> Option<i64> {
    pod.meta_str("name").strip_prefix(set.meta_str("name"))?.strip_prefix('-')?.parse().ok()
}

fn hash_of(pod: &Record) -> &str {
    pod.meta("labels").and_then(|l| l.get(REVISION_HASH)).and_then(Value::as_str).unwrap_or("")
}

impl State {
    pub(super) fn advance_statefulset(&mut self, at: &Address, set: &Arc<Record>, now: &Arc<str>) {
        let (update, _) = self.revision_of(set, now);
        let current = match part(set, "status", "/currentRevision").as_str() {
            Some(current) => current.to_owned(),
            None => update.clone(),
        };
        let first = number(set, "spec", "/ordinals/start").unwrap_or(0);
        let wanted = number(set, "spec", "/replicas").unwrap_or(1).clamp(0, MAX_PODS);
        let partition = number(set, "spec", "/updateStrategy/rollingUpdate/partition").unwrap_or(0);
        self.fill(at, set, &update, &current, first..first + wanted, now);
        let mut pods = self.members(at, set, now);
        if part(set, "spec", "/updateStrategy/type") != "OnDelete" {
            self.replace_outdated(set, &pods, &update, first + partition, now);
            pods = self.members(at, set, now);
        }
        let count = |f: &dyn Fn(&Member) -> bool| pods.iter().filter(|p| f(p)).count() as i64;
        let updated = count(&|p| hash_of(&p.record) == update);
        let all_ready = count(&|p| p.ready) == wanted;
        // A roll is over when every pod is of the new revision and ready.
        let current = if updated == wanted && all_ready { update.clone() } else { current };
        let counts = [
            ("readyReplicas", count(&|p| p.ready)),
            ("currentReplicas", count(&|p| hash_of(&p.record) == current)),
            ("updatedReplicas", updated),
            ("observedGeneration", number(set, "metadata", "/generation").unwrap_or(1)),
        ];
        let rest = [
            ("replicas", json!(pods.len())),
            ("availableReplicas", json!(count(&|p| p.available))),
            ("collisionCount", json!(0)),
            ("currentRevision", json!(current)),
            ("updateRevision", json!(update)),
        ];
        self.report_status(at, status(&counts, rest), now);
    }

    /// Makes the pods that are missing and removes those that are too many: in order, and one at a time unless they may
    /// go in parallel.
    fn fill(
        &mut self,
        at: &Address,
        set: &Arc<Record>,
        update: &str,
        current: &str,
        wanted: std::ops::Range<i64>,
        now: &Arc<str>,
    ) {
        let parallel = part(set, "spec", "/podManagementPolicy") == "Parallel";
        let partition = wanted.start + number(set, "spec", "/updateStrategy/rollingUpdate/partition").unwrap_or(0);
        for n in wanted.clone() {
            let name = format!("{}-{n}", set.meta_str("name"));
            let pod_at = (ResourceKey::new("", "pods"), super::super::store::key(set.meta_str("namespace"), &name));
            match self.record_at(&pod_at) {
                None => {
                    self.make_claims(set, n, now);
                    // Below the partition pods stay what they were.
                    let revision = if n < partition { current } else { update };
                    let index = n.to_string();
                    let more = [
                        ("apps.kubernetes.io/pod-index", index.as_str()),
                        (REVISION_HASH, revision),
                        ("statefulset.kubernetes.io/pod-name", name.as_str()),
                    ];
                    self.make_pod(set, Some(&name), &more, now);
                    if !parallel {
                        return;
                    }
                }
                Some(_) if parallel => {}
                Some(_) => {
                    let ready = self.members(at, set, now).iter().any(|p| p.at == pod_at && p.available);
                    if !ready {
                        return;
                    }
                }
            }
        }
        let mut surplus: Vec<(i64, Address)> = self
            .members(at, set, now)
            .into_iter()
            .filter_map(|p| Some((ordinal(set, &p.record)?, p.at)))
            .filter(|(n, _)| !wanted.contains(n))
            .collect();
        surplus.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        for (_, pod) in surplus {
            self.unmake(&pod, now);
            if !parallel {
                return;
            }
        }
    }

    /// Deletes the last pod of an old revision, once all others are ready: it is made again of the new one. One that is
    /// not ready holds up nothing but itself.
    fn replace_outdated(&mut self, set: &Record, pods: &[Member], update: &str, from: i64, now: &Arc<str>) {
        let mut pods: Vec<(i64, &Member)> =
            pods.iter().filter_map(|p| Some((ordinal(set, &p.record)?, p))).filter(|(n, _)| *n >= from).collect();
        pods.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        for (_, pod) in pods {
            if hash_of(&pod.record) != update {
                self.unmake(&pod.at, now);
                return;
            }
            if !pod.ready {
                return;
            }
        }
    }

    /// The claims of a pod, which stay when it goes.
    fn make_claims(&mut self, set: &Record, ordinal: i64, now: &Arc<str>) {
        let templates = part(set, "spec", "/volumeClaimTemplates").as_array().cloned().unwrap_or_default();
        for template in templates {
            let name = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
            let name = format!("{name}-{}-{ordinal}", set.meta_str("name"));
            let labels = part(set, "spec", "/selector/matchLabels");
            let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "labels": labels}, "spec": template.get("spec")});
            // It is there already when the pod was before.
            self.make("", "PersistentVolumeClaim", set.meta_str("namespace"), claim, now);
        }
    }
}
