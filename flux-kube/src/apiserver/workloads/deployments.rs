//! Deployments: replica sets for their templates, rolled from one to the next.

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::{self, Condition, find, is, renew, set, status};
use super::replicasets::{counted, set_replicas, share};
use super::revisions::{TEMPLATE_HASH, hash, template};
use super::simulation::{CONTROLLER, number, owner_reference, part};
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::{State, metadata_mut};

/// The annotation that counts the templates of a deployment.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// The replica sets of a deployment, with the one of the current template.
struct Sets {
    new: Option<(Address, Arc<Record>)>,
    old: Vec<(Address, Arc<Record>)>,
}

impl Sets {
    fn all(&self) -> impl Iterator<Item = &(Address, Arc<Record>)> {
        self.old.iter().chain(&self.new)
    }

    /// How many pods all sets are to have.
    fn wanted(&self) -> i64 {
        self.all().map(|(_, set)| replicas(set)).sum()
    }

    fn counted(&self, key: &str) -> i64 {
        self.all().map(|(_, set)| counted(set, key)).sum()
    }
}

fn replicas(set: &Record) -> i64 {
    number(set, "spec", "/replicas").unwrap_or(1)
}

fn revision(record: &Record) -> i64 {
    let text = record.meta("annotations").and_then(|a| a.get(REVISION)).and_then(Value::as_str);
    text.and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn is_paused(deployment: &Record) -> bool {
    part(deployment, "spec", "/paused") == &Value::Bool(true)
}

/// How many pods may be too many, and too few, during a roll.
fn leeway(deployment: &Record) -> (i64, i64) {
    let wanted = replicas(deployment);
    if part(deployment, "spec", "/strategy/type") == "Recreate" {
        return (0, 0);
    }
    let surge = share(part(deployment, "spec", "/strategy/rollingUpdate/maxSurge"), wanted, true);
    let missing = share(part(deployment, "spec", "/strategy/rollingUpdate/maxUnavailable"), wanted, false);
    if surge == 0 && missing == 0 { (0, 1) } else { (surge, missing.min(wanted)) }
}

impl State {
    pub(super) fn advance_deployment(&mut self, at: &Address, deployment: &Arc<Record>, now: &Arc<str>) {
        let mut made = None;
        if is_paused(deployment) {
            // Nothing rolls, but the pods there are can be more or less.
            let sets = self.sets(deployment);
            if let Some((set_at, set)) = sets.all().filter(|(_, set)| replicas(set) > 0).last() {
                self.scale(set_at, set, replicas(deployment), now);
            }
        } else {
            made = self.make_set(deployment, now);
            self.roll(deployment, now);
        }
        let sets = self.sets(deployment);
        self.number_revisions(at, deployment, &sets, now);
        self.report_deployment(at, deployment, &sets, made.as_deref(), now);
        self.forget_old_sets(deployment, &sets, now);
    }

    fn sets(&self, deployment: &Record) -> Sets {
        let wanted = hash(template(deployment));
        let (mut new, mut old) = (None, Vec::new());
        for (at, set) in self.controlled(deployment.meta_str("uid"), "replicasets") {
            let label = set.meta("labels").and_then(|l| l.get(TEMPLATE_HASH)).and_then(Value::as_str);
            if label == Some(&wanted) { new = Some((at, set)) } else { old.push((at, set)) }
        }
        old.sort_by_key(|(_, set)| revision(set));
        Sets { new, old }
    }

    /// Makes the replica set of the current template, if there is none; answers its name then.
    fn make_set(&mut self, deployment: &Arc<Record>, now: &Arc<str>) -> Option<String> {
        let sets = self.sets(deployment);
        if sets.new.is_some() {
            return None;
        }
        let hash = hash(template(deployment));
        let name = format!("{}-{hash}", deployment.meta_str("name"));
        let label = |labels: &Value| {
            let mut labels = labels.as_object().cloned().unwrap_or_default();
            labels.insert(TEMPLATE_HASH.into(), json!(hash));
            labels
        };
        let mut template = template(deployment).clone();
        let labels = label(part(deployment, "spec", "/template/metadata/labels"));
        template["metadata"]["labels"] = json!(labels);
        let mut selector = part(deployment, "spec", "/selector").clone();
        selector["matchLabels"] = json!(label(part(deployment, "spec", "/selector/matchLabels")));
        let mut annotations = deployment.meta("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
        annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        let wanted = replicas(deployment);
        let last = sets.old.iter().map(|(_, set)| revision(set)).max().unwrap_or(0);
        for (key, value) in [
            ("deployment.kubernetes.io/desired-replicas", wanted),
            ("deployment.kubernetes.io/max-replicas", wanted + leeway(deployment).0),
            (REVISION, last + 1),
        ] {
            annotations.insert(key.into(), json!(value.to_string()));
        }
        let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "labels": labels, "annotations": annotations,
                "ownerReferences": [owner_reference(deployment)]},
            "spec": {"replicas": 0, "minReadySeconds": number(deployment, "spec", "/minReadySeconds").unwrap_or(0),
                "selector": selector, "template": template}});
        self.make("apps", "ReplicaSet", deployment.meta_str("namespace"), set, now)?;
        Some(name)
    }

    /// Moves pods from the old sets to the new one, as far as availability allows.
    fn roll(&mut self, deployment: &Arc<Record>, now: &Arc<str>) {
        let sets = self.sets(deployment);
        let Some((new_at, new)) = &sets.new else { return };
        let wanted = replicas(deployment);
        let (surge, missing) = leeway(deployment);
        let old_wanted: i64 = sets.old.iter().map(|(_, set)| replicas(set)).sum();
        if part(deployment, "spec", "/strategy/type") == "Recreate" {
            let old_left: i64 = sets.old.iter().map(|(_, set)| counted(set, "replicas")).sum();
            for (at, set) in &sets.old {
                self.scale(at, set, 0, now);
            }
            if old_wanted == 0 && old_left == 0 {
                self.scale(new_at, new, wanted, now);
            }
            return;
        }
        let have = replicas(new);
        let room = wanted + surge - sets.wanted();
        let next = if have > wanted { wanted } else { have + room.clamp(0, wanted - have) };
        self.scale(new_at, new, next, now);

        let least = wanted - missing;
        let unready = next - counted(new, "availableReplicas");
        let mut spare = old_wanted + next - least - unready;
        // Old pods that are of no use go first.
        let mut targets: Vec<i64> = sets.old.iter().map(|(_, set)| replicas(set)).collect();
        for ((_, set), target) in sets.old.iter().zip(&mut targets) {
            let useless = (*target - counted(set, "availableReplicas")).clamp(0, spare.max(0));
            *target -= useless;
            spare -= useless;
        }
        let mut spare = spare.min(sets.counted("availableReplicas") - least);
        for ((at, set), target) in sets.old.iter().zip(targets) {
            let down = target.clamp(0, spare.max(0));
            spare -= down;
            self.scale(at, set, target - down, now);
        }
    }

    fn scale(&mut self, at: &Address, set: &Record, count: i64, now: &Arc<str>) {
        if replicas(set) != count {
            self.write_at(at, CONTROLLER, "", now, |set| set_replicas(set, count));
        }
    }

    /// The current template is the latest revision, even if it was an old one before.
    fn number_revisions(&mut self, at: &Address, deployment: &Record, sets: &Sets, now: &Arc<str>) {
        let Some((new_at, new)) = &sets.new else { return };
        let last = sets.old.iter().map(|(_, set)| revision(set)).max().unwrap_or(0);
        let number = revision(new).max(last + 1);
        let annotate = |object: &mut crate::apiserver::fields::Fields| {
            let annotations = metadata_mut(object).entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(REVISION.into(), json!(number.to_string()));
            }
        };
        if revision(new) != number {
            self.write_at(new_at, CONTROLLER, "", now, annotate);
        }
        if revision(deployment) != number {
            self.write_at(at, CONTROLLER, "status", now, annotate);
        }
    }

    fn report_deployment(
        &mut self,
        at: &Address,
        deployment: &Arc<Record>,
        sets: &Sets,
        made: Option<&str>,
        now: &Arc<str>,
    ) {
        let wanted = replicas(deployment);
        let generation = number(deployment, "metadata", "/generation").unwrap_or(1);
        let new_count = |key: &str| sets.new.as_ref().map_or(0, |(_, set)| counted(set, key));
        let (total, available) = (sets.counted("replicas"), sets.counted("availableReplicas"));
        let (updated, ready) = (new_count("replicas"), sets.counted("readyReplicas"));
        let mut list = conditions::of(&deployment.object);
        let (_, missing) = leeway(deployment);
        let enough = available >= wanted - missing;
        set(
            &mut list,
            &Condition {
                kind: "Available",
                status: if enough { "True" } else { "False" },
                reason: if enough { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
                message: if enough {
                    "Deployment has minimum availability."
                } else {
                    "Deployment does not have minimum availability."
                },
            },
            now,
        );
        let before = |key: &str| counted(deployment, key);
        let complete = updated == wanted && total == wanted && available == wanted;
        let moved = updated > before("updatedReplicas")
            || total - updated < before("replicas") - before("updatedReplicas")
            || ready > before("readyReplicas")
            || available > before("availableReplicas");
        let name = sets.new.as_ref().map_or("", |(_, set)| set.meta_str("name")).to_owned();
        let step = Step { made, settled: updated == total, complete, moved, name: &name };
        self.report_progress(at, deployment, &mut list, &step, now);
        let counts = [
            ("observedGeneration", generation),
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", (sets.wanted() - available).max(0)),
        ];
        self.report_status(at, status(&counts, [("conditions", Value::Array(list))]), now);
    }

    /// Says whether a deployment gets anywhere, in the words of the real controller.
    fn report_progress(
        &mut self,
        at: &Address,
        deployment: &Record,
        list: &mut Vec<Value>,
        step: &Step<'_>,
        now: &Arc<str>,
    ) {
        let Some(deadline) = number(deployment, "spec", "/progressDeadlineSeconds") else { return };
        fn progressing<'a>(status: &'a str, reason: &'a str, message: &'a str) -> Condition<'a> {
            Condition { kind: "Progressing", status, reason, message }
        }
        let name = step.name;
        if is_paused(deployment) {
            set(list, &progressing("Unknown", "DeploymentPaused", "Deployment is paused"), now);
            return;
        }
        if is(find(list, "Progressing"), "reason", "DeploymentPaused") {
            set(list, &progressing("Unknown", "DeploymentResumed", "Deployment is resumed"), now);
        }
        if let Some(made) = step.made {
            let message = format!("Created new replica set {made:?}");
            renew(list, &progressing("True", "NewReplicaSetCreated", &message), now);
        }
        let old = find(list, "Progressing");
        if is(old, "reason", "NewReplicaSetAvailable") && step.settled {
            // Pods that fail, or are scaled, after a roll are no roll.
            return;
        }
        if step.complete {
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            set(list, &progressing("True", "NewReplicaSetAvailable", &message), now);
            return;
        }
        if step.moved {
            let message = format!("ReplicaSet {name:?} is progressing.");
            renew(list, &progressing("True", "ReplicaSetUpdated", &message), now);
        } else if old.is_none() {
            let message = format!("Found new replica set {name:?}");
            set(list, &progressing("True", "FoundNewReplicaSet", &message), now);
        }
        let old = find(list, "Progressing");
        if is(old, "reason", "NewReplicaSetAvailable") || is(old, "reason", "ProgressDeadlineExceeded") {
            return;
        }
        let since = old.and_then(|c| c.get("lastUpdateTime")).cloned().unwrap_or_default();
        if self.passed(at, &since, deadline, now) {
            let message = format!("ReplicaSet {name:?} has timed out progressing.");
            set(list, &progressing("False", "ProgressDeadlineExceeded", &message), now);
        }
    }

    /// Old sets without pods are kept for rollbacks, up to a number.
    fn forget_old_sets(&mut self, deployment: &Record, sets: &Sets, now: &Arc<str>) {
        let limit = number(deployment, "spec", "/revisionHistoryLimit").unwrap_or(10);
        let empty: Vec<&Address> = sets
            .old
            .iter()
            .filter(|(_, set)| replicas(set) == 0 && counted(set, "replicas") == 0)
            .map(|(at, _)| at)
            .collect();
        let surplus = (empty.len() as i64 - limit.max(0)).max(0);
        for at in empty.into_iter().take(usize::try_from(surplus).unwrap_or(0)) {
            self.unmake(at, now);
        }
    }
}

/// What happened to a deployment since its last report.
struct Step<'a> {
    /// The replica set that was made.
    made: Option<&'a str>,
    /// All its pods are of the current template.
    settled: bool,
    /// And all of them are available.
    complete: bool,
    /// There are more pods than before that count for something.
    moved: bool,
    /// The current replica set.
    name: &'a str,
}
