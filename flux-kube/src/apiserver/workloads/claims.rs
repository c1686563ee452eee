//! Volume claims: a volume is made for each, and goes with it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Behaviour;
use super::simulation::{CONTROLLER, part};
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::store::{Address, Change, Record};
use crate::apiserver::verbs::{State, metadata_mut};

fn volume_of(claim: &Record) -> String {
    format!("pvc-{}", claim.meta_str("uid"))
}

impl State {
    pub(super) fn advance_claim(&mut self, at: &Address, claim: &Arc<Record>, now: &Arc<str>) {
        let settled = part(claim, "status", "/phase") == "Bound" || claim.meta("deletionTimestamp").is_some();
        let Behaviour::ReadyAfter(delay) = self.behaviour(claim) else { return };
        if settled || !self.waited(at, claim, delay) {
            return;
        }
        let name = volume_of(claim);
        let size = part(claim, "spec", "/resources/requests/storage").clone();
        let modes = part(claim, "spec", "/accessModes").clone();
        let class = part(claim, "spec", "/storageClassName").clone();
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "simulated"}},
            "spec": {"capacity": {"storage": size}, "accessModes": modes, "storageClassName": class,
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": format!("/simulated/{name}")},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.meta_str("name"),
                    "namespace": claim.meta_str("namespace"), "uid": claim.meta_str("uid")}}});
        self.make("", "PersistentVolume", "", volume, now);
        let volume_at = (ResourceKey::new("", "persistentvolumes"), name.clone());
        self.report_status(&volume_at, json!({"phase": "Bound"}), now);
        self.write_at(at, CONTROLLER, "", now, |claim| {
            let annotations = metadata_mut(claim).entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert("pv.kubernetes.io/bind-completed".into(), json!("yes"));
                annotations.insert("pv.kubernetes.io/bound-by-controller".into(), json!("yes"));
            }
            if let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("volumeName".into(), json!(name));
            }
        });
        let status = json!({"phase": "Bound", "accessModes": modes, "capacity": {"storage": size}});
        self.report_status(at, status, now);
    }

    /// A claim went: so does the volume that was made for it.
    pub(super) fn claim_went(&mut self, change: &Change, now: &Arc<str>) {
        self.unmake(&(ResourceKey::new("", "persistentvolumes"), volume_of(&change.record)), now);
    }
}
