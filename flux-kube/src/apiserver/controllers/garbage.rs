//! Garbage collection: objects go with their owners.

use std::sync::Arc;

use serde_json::Value;

use super::{has_finalizer, remove_finalizer};
use crate::apiserver::store::{Change, Record, owners};
use crate::apiserver::verbs::{Propagation, State, metadata_mut};

const MANAGER: &str = "kube-controller-manager";

impl State {
    pub(super) fn collect_garbage(&mut self, change: &Change, now: &Arc<str>) {
        let uid = change.record.meta_str("uid").to_owned();
        if change.deleted {
            self.owner_went(&uid, now);
            self.dependent_went(&change.record, now);
            return;
        }
        let record = &change.record;
        if record.meta("deletionTimestamp").is_some() {
            if has_finalizer(record, "orphan") {
                self.orphan(&uid, change, now);
            } else if has_finalizer(record, "foregroundDeletion") {
                self.foreground(&uid, change, now);
            }
        } else if !owners(record).is_empty() && !owners(record).iter().any(|o| self.store.has_uid(o)) {
            // None of its owners is there: it should not be either.
            self.delete_at(&change.at, Propagation::Background, now);
        }
    }

    fn owner_went(&mut self, uid: &str, now: &Arc<str>) {
        for at in self.store.dependents(uid) {
            let Some(record) = self.record_at(&at) else { continue };
            if owners(&record).iter().any(|o| self.store.has_uid(o)) {
                // Another owner is left: only the reference goes.
                self.write_at(&at, MANAGER, "", now, |object| drop_owner(object, uid));
            } else if record.meta("deletionTimestamp").is_none() {
                self.delete_at(&at, Propagation::Background, now);
            }
        }
    }

    /// A dependent went: an owner in foreground deletion may have been waiting for it.
    fn dependent_went(&mut self, record: &Record, now: &Arc<str>) {
        for owner in owners(record) {
            let Some(at) = self.store.address(&owner) else { continue };
            if let Some(record) = self.record_at(&at)
                && record.meta("deletionTimestamp").is_some()
                && has_finalizer(&record, "foregroundDeletion")
            {
                let change = Change { at, record, deleted: false };
                self.foreground(&owner, &change, now);
            }
        }
    }

    fn orphan(&mut self, uid: &str, change: &Change, now: &Arc<str>) {
        for at in self.store.dependents(uid) {
            self.write_at(&at, MANAGER, "", now, |object| drop_owner(object, uid));
        }
        self.write_at(&change.at, MANAGER, "", now, |object| remove_finalizer(object, "orphan"));
    }

    fn foreground(&mut self, uid: &str, change: &Change, now: &Arc<str>) {
        let mut blocked = false;
        for at in self.store.dependents(uid) {
            let Some(record) = self.record_at(&at) else { continue };
            let others = owners(&record).iter().any(|o| o != uid && self.store.has_uid(o));
            if others {
                self.write_at(&at, MANAGER, "", now, |object| drop_owner(object, uid));
                continue;
            }
            if record.meta("deletionTimestamp").is_none() {
                self.delete_at(&at, Propagation::Foreground, now);
            }
            let blocks = record.meta("ownerReferences").and_then(Value::as_array).into_iter().flatten().any(|o| {
                o.get("uid").and_then(Value::as_str) == Some(uid)
                    && o.get("blockOwnerDeletion") == Some(&Value::Bool(true))
            });
            blocked |= blocks && self.record_at(&at).is_some();
        }
        if !blocked {
            self.write_at(&change.at, MANAGER, "", now, |object| remove_finalizer(object, "foregroundDeletion"));
        }
    }
}

fn drop_owner(object: &mut crate::apiserver::fields::Fields, uid: &str) {
    let meta = metadata_mut(object);
    if let Some(list) = meta.get_mut("ownerReferences").and_then(Value::as_array_mut) {
        list.retain(|o| o.get("uid").and_then(Value::as_str) != Some(uid));
        if list.is_empty() {
            meta.shift_remove("ownerReferences");
        }
    }
}
