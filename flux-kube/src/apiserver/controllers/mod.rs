//! The controllers inside the server. They run right after each write, until nothing is left to do: no time passes
//! and no task waits. What is simulated comes after them.

mod definitions;
mod garbage;
mod namespaces;
mod protection;
mod roles;

use std::sync::Arc;

use serde_json::{Value, json};

use super::fields::Fields;
use super::registry::ResourceKey;
use super::store::{Address, Change, Record};
use super::verbs::{DeleteOptions, KindVersions, State, Target};
use super::workloads::Simulation;

/// More rounds than any real cascade needs; a loop between controllers ends here.
const MAX_CHANGES: usize = 1_000_000;

impl State {
    /// Lets the controllers look at what was written since the last time.
    pub(crate) fn settle(&mut self, now: &Arc<str>) {
        for _ in 0..MAX_CHANGES {
            if let Some(change) = self.store.next_change() {
                self.look(&change, now);
            } else if let Some(at) = self.simulation.as_mut().and_then(Simulation::next) {
                self.advance(&at, now);
            } else {
                return;
            }
        }
    }

    /// Looks at one write.
    fn look(&mut self, change: &Change, now: &Arc<str>) {
        let (resource, _) = &change.at;
        match (&*resource.group, &*resource.plural) {
            ("", "namespaces") => self.namespace_changed(change, now),
            ("apiextensions.k8s.io", "customresourcedefinitions") => self.definition_changed(change, now),
            ("rbac.authorization.k8s.io", "clusterroles") => self.cluster_role_changed(now),
            ("" | "storage.k8s.io", _) => self.storage_changed(change, now),
            _ => {}
        }
        self.collect_garbage(change, now);
        if change.deleted {
            self.custom_object_went(resource, now);
            self.content_went(change, now);
        }
        self.note_change(change, now);
    }

    /// The target that stands for a stored object.
    pub(super) fn target_of(&self, at: &Address) -> Option<Target> {
        let resource = self.registry.stored(&at.0)?.clone();
        let (namespace, name) = match at.1.split_once('/') {
            Some((ns, name)) if resource.namespaced => (ns.to_owned(), name.to_owned()),
            _ => (String::new(), at.1.clone()),
        };
        Some(Target { resource, namespace, name, subresource: String::new() })
    }

    pub(super) fn record_at(&self, at: &Address) -> Option<Arc<Record>> {
        self.store.get(&at.0, &at.1).cloned()
    }

    pub(super) fn delete_at(&mut self, at: &Address, propagation: super::verbs::Propagation, now: &Arc<str>) {
        if let Some(target) = self.target_of(at) {
            let options =
                DeleteOptions { propagation: Some(propagation), now: now.parse().ok(), ..DeleteOptions::default() };
            // What is gone already need not be deleted.
            let _ = self.delete(&target, &options);
        }
    }

    /// The scheduler puts a pod on a node.
    pub(super) fn bind_pod(&mut self, at: &Address, node: &str, now: &Arc<str>) {
        self.write_at(at, "kube-scheduler", "binding", now, |pod| {
            if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("nodeName".into(), json!(node));
            }
            let generation = super::verbs::metadata_mut(pod).get("generation").cloned().unwrap_or_default();
            let placed = json!([{"type": "PodScheduled", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": &**now, "observedGeneration": generation}]);
            if let Some(status) = pod.entry("status").or_insert_with(|| json!({})).as_object_mut() {
                status.insert("phase".into(), json!("Pending"));
                status.insert("conditions".into(), placed);
            }
        });
    }

    /// Stores a controller's change to an object, owned by `manager`; does nothing if nothing changed.
    pub(super) fn write_at(
        &mut self,
        at: &Address,
        manager: &str,
        subresource: &str,
        now: &Arc<str>,
        change: impl FnOnce(&mut Fields),
    ) {
        let (Some(old), Some(target)) = (self.record_at(at), self.target_of(at)) else { return };
        let mut object = (*old.object).clone();
        change(&mut object);
        if object == *old.object {
            return;
        }
        let target = Target { subresource: subresource.to_owned(), ..target };
        let resource = target.resource.clone();
        super::verbs::metadata_mut(&mut object).shift_remove("managedFields");
        let live = super::verbs::without_managed(&old.object);
        let versions = KindVersions { registry: &self.registry, resource: &resource };
        let managers =
            Self::field_manager(&versions, &target, now).update(Some(&live), &object, old.managers.clone(), manager);
        let mut managers = managers;
        super::verbs::encode_managers(&mut object, &mut managers, Some(&old));
        super::verbs::order_metadata(super::verbs::metadata_mut(&mut object));
        if super::verbs::is_finished(&resource, &object) {
            self.store.remove(&at.0, &at.1);
        } else {
            self.store.put(&at.0, object, managers);
        }
    }
}

/// Whether an object has this finalizer.
pub(super) fn has_finalizer(record: &Record, name: &str) -> bool {
    record.meta("finalizers").and_then(Value::as_array).is_some_and(|f| f.iter().any(|f| f.as_str() == Some(name)))
}

pub(super) fn remove_finalizer(object: &mut Fields, name: &str) {
    let meta = super::verbs::metadata_mut(object);
    if let Some(list) = meta.get_mut("finalizers").and_then(Value::as_array_mut) {
        list.retain(|f| f.as_str() != Some(name));
        if list.is_empty() {
            meta.shift_remove("finalizers");
        }
    }
}

pub(super) fn namespaces() -> ResourceKey {
    ResourceKey::new("", "namespaces")
}
