//! Custom resource definitions: names accepted, served, and cleaned up after.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{has_finalizer, remove_finalizer};
use crate::apiserver::crd;
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::store::{Address, Change, Record};
use crate::apiserver::verbs::{Propagation, State, metadata_mut};

const MANAGER: &str = "kube-apiserver";
/// Holds a definition until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

fn text<'a>(v: Option<&'a Value>, key: &str) -> &'a str {
    v.and_then(|v| v.get(key)).and_then(Value::as_str).unwrap_or("")
}

impl State {
    pub(super) fn definition_changed(&mut self, change: &Change, now: &Arc<str>) {
        let name = change.at.1.clone();
        if change.deleted {
            self.registry.set_custom(&name, Vec::new());
            // A name that was taken is free: others may have it now.
            let others: Vec<Address> = {
                let key = change.at.0.clone();
                let table = self.store.table(&key);
                table.into_iter().flat_map(|t| t.range("")).map(|(k, _)| (key.clone(), k.clone())).collect()
            };
            for other in others {
                self.accept_names(&other, now);
            }
            return;
        }
        if change.record.meta("deletionTimestamp").is_some() {
            self.clean_up(&change.at, &change.record, now);
            return;
        }
        self.accept_names(&change.at, now);
        if let Some(record) = self.record_at(&change.at) {
            let established = condition(&record.object, "Established").is_some_and(|c| c == "True");
            if established && !has_finalizer(&record, CLEANUP) {
                self.write_at(&change.at, MANAGER, "", now, |object| {
                    let meta = metadata_mut(object);
                    let list = meta.entry("finalizers").or_insert_with(|| json!([]));
                    if let Some(list) = list.as_array_mut() {
                        list.push(json!(CLEANUP));
                    }
                });
            }
        }
        if let Some(record) = self.record_at(&change.at) {
            let established = condition(&record.object, "Established").is_some_and(|c| c == "True");
            let resources = if established { crd::resources(&record.object) } else { Vec::new() };
            self.registry.set_custom(&name, resources);
        }
    }

    /// Deletes the objects of a definition that is being deleted; lets it go when they are gone.
    fn clean_up(&mut self, at: &Address, record: &Record, now: &Arc<str>) {
        if !has_finalizer(record, CLEANUP) {
            return;
        }
        let spec = record.object.get("spec");
        let names = record.object.get("status").and_then(|s| s.get("acceptedNames"));
        let key = ResourceKey::new(text(spec, "group"), text(names, "plural"));
        let objects: Vec<String> =
            self.store.table(&key).into_iter().flat_map(|t| t.range("")).map(|(k, _)| k.clone()).collect();
        for object in objects {
            self.delete_at(&(key.clone(), object), Propagation::Background, now);
        }
        let left = self.store.table(&key).map_or(0, |t| t.len());
        let terminating = json!({"type": "Terminating", "status": if left > 0 { "True" } else { "False" },
            "lastTransitionTime": &**now,
            "reason": if left > 0 { "InstanceDeletionInProgress" } else { "InstanceDeletionCompleted" },
            "message": if left > 0 { "CustomResource deletion is in progress" } else { "removed all instances" }});
        if left > 0 {
            self.write_at(at, MANAGER, "status", now, |object| set_condition(object, terminating));
        } else {
            self.write_at(at, MANAGER, "", now, |object| {
                set_condition(object, terminating);
                remove_finalizer(object, CLEANUP);
            });
        }
    }

    /// An object of a definition that waits for its objects went.
    pub(super) fn custom_object_went(&mut self, resource: &ResourceKey, now: &Arc<str>) {
        let name = format!("{}.{}", resource.plural, resource.group);
        let at: Address = (ResourceKey::new("apiextensions.k8s.io", "customresourcedefinitions"), name);
        if let Some(record) = self.record_at(&at)
            && record.meta("deletionTimestamp").is_some()
        {
            self.clean_up(&at, &record, now);
        }
    }

    fn accept_names(&mut self, at: &Address, now: &Arc<str>) {
        let Some(record) = self.record_at(at) else { return };
        if record.meta("deletionTimestamp").is_some() {
            return;
        }
        let spec = record.object.get("spec").cloned().unwrap_or(Value::Null);
        let group = text(Some(&spec), "group").to_owned();
        let names = spec.get("names").cloned().unwrap_or(json!({}));
        let conflict = self.name_conflict(&group, &at.1, &names);
        let accepted = match &conflict {
            None => names.clone(),
            Some(_) => record
                .object
                .get("status")
                .and_then(|s| s.get("acceptedNames"))
                .cloned()
                .unwrap_or(json!({"plural": "", "kind": ""})),
        };
        let was_established = condition(&record.object, "Established").is_some_and(|c| c == "True");
        let established = conflict.is_none() || was_established;
        let condition = |kind: &str, status: bool, reason: &str, message: &str| {
            json!({"type": kind, "status": if status { "True" } else { "False" }, "lastTransitionTime": &**now,
                "reason": reason, "message": message})
        };
        let accepted_condition = match &conflict {
            None => condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
            Some((reason, message)) => condition("NamesAccepted", false, reason, message),
        };
        let established_condition = if established {
            condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted")
        } else {
            condition("Established", false, "NotAccepted", "not all names are accepted")
        };
        let mut stored: Vec<Value> = record
            .object
            .get("status")
            .and_then(|s| s.get("storedVersions"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let versions = spec.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
        for v in versions.iter().filter(|v| v.get("storage") == Some(&Value::Bool(true))) {
            if let Some(name) = v.get("name")
                && !stored.contains(name)
            {
                stored.push(name.clone());
            }
        }
        self.write_at(at, MANAGER, "status", now, |object| {
            let status = object.entry("status").or_insert_with(|| json!({}));
            if let Some(status) = status.as_object_mut() {
                status.insert("acceptedNames".into(), accepted);
                status.insert("storedVersions".into(), Value::Array(stored));
            }
            set_condition(object, accepted_condition);
            set_condition(object, established_condition);
        });
    }

    /// A name that another resource of the group has.
    fn name_conflict(&self, group: &str, definition: &str, names: &Value) -> Option<(&'static str, String)> {
        let taken: Vec<_> = self
            .registry
            .custom()
            .filter(|(d, _)| *d != definition)
            .flat_map(|(_, resources)| resources)
            .filter(|r| r.group == group)
            .collect();
        let all_names = |r: &crate::apiserver::registry::Resource| {
            let mut out = vec![r.plural.clone(), r.singular.clone()];
            out.extend(r.short_names.iter().cloned());
            out
        };
        let name = |key: &str| text(Some(names), key).to_owned();
        let in_use = |n: &str| !n.is_empty() && taken.iter().any(|r| all_names(r).iter().any(|t| t == n));
        let kind_in_use = |n: &str| !n.is_empty() && taken.iter().any(|r| r.kind == n || r.list_kind == n);
        // The last of several conflicts is the one that is told.
        let mut found = None;
        if in_use(&name("plural")) {
            found = Some(("PluralConflict", name("plural")));
        }
        if in_use(&name("singular")) {
            found = Some(("SingularConflict", name("singular")));
        }
        for short in names.get("shortNames").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if in_use(short) {
                found = Some(("ShortNamesConflict", short.to_owned()));
            }
        }
        if kind_in_use(&name("kind")) {
            found = Some(("KindConflict", name("kind")));
        }
        if kind_in_use(&name("listKind")) {
            found = Some(("ListKindConflict", name("listKind")));
        }
        found.map(|(reason, name)| (reason, format!("{name:?} is already in use")))
    }
}

fn condition<'a>(object: &'a Fields, kind: &str) -> Option<&'a str> {
    let conditions = object.get("status")?.get("conditions")?.as_array()?;
    conditions.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))?.get("status")?.as_str()
}

/// Sets a condition; one that says the same keeps its time.
fn set_condition(object: &mut Fields, new: Value) {
    let status = object.entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return };
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return };
    match list.iter_mut().find(|c| c.get("type") == new.get("type")) {
        Some(old) => {
            let same_status = old.get("status") == new.get("status");
            let time = old.get("lastTransitionTime").cloned();
            *old = new;
            if let (true, Some(time), Some(old)) = (same_status, time, old.as_object_mut()) {
                old.insert("lastTransitionTime".into(), time);
            }
        }
        None => list.push(new),
    }
}
