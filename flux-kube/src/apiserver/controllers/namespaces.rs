//! The deletion of a namespace: its content goes first.

use std::sync::Arc;

use serde_json::{Value, json};

use super::namespaces;
use crate::apiserver::store::{Address, Change};
use crate::apiserver::verbs::{Propagation, State};

impl State {
    pub(super) fn namespace_changed(&mut self, change: &Change, now: &Arc<str>) {
        if !change.deleted && change.record.meta("deletionTimestamp").is_some() {
            self.empty_namespace(&change.at.1, now);
        }
    }

    /// An object went: its namespace may be empty now, and be waiting for that.
    pub(super) fn content_went(&mut self, change: &Change, now: &Arc<str>) {
        let Some((namespace, _)) = change.at.1.split_once('/') else { return };
        let terminating =
            self.store.get(&namespaces(), namespace).is_some_and(|n| n.meta("deletionTimestamp").is_some());
        if terminating {
            self.empty_namespace(namespace, now);
        }
    }

    fn empty_namespace(&mut self, namespace: &str, now: &Arc<str>) {
        let at: Address = (namespaces(), namespace.to_owned());
        let prefix = format!("{namespace}/");
        let content: Vec<Address> = self
            .store
            .tables()
            .flat_map(|(resource, table)| table.range(&prefix).map(|(key, _)| (resource.clone(), key.clone())))
            .collect();
        let mut content = content;
        content.sort();
        for object in &content {
            if self.record_at(object).is_some_and(|r| r.meta("deletionTimestamp").is_none()) {
                self.delete_at(object, Propagation::Background, now);
            }
        }
        let left: Vec<Address> = content.into_iter().filter(|o| self.record_at(o).is_some()).collect();
        if left.is_empty() {
            self.write_at(&at, "kube-controller-manager", "finalize", now, |object| {
                if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.shift_remove("finalizers");
                }
            });
            return;
        }
        let conditions = self.remaining(&left, now);
        self.write_at(&at, "kube-controller-manager", "status", now, |object| {
            if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
                && !same_conditions(status.get("conditions"), &conditions)
            {
                status.insert("conditions".into(), conditions);
            }
        });
    }

    /// What a namespace says it is waiting for.
    fn remaining(&self, left: &[Address], now: &Arc<str>) -> Value {
        let mut counts: Vec<(String, usize)> = Vec::new();
        let mut finalizers: Vec<(String, usize)> = Vec::new();
        let count = |list: &mut Vec<(String, usize)>, key: String| match list.iter_mut().find(|(k, _)| *k == key) {
            Some((_, n)) => *n += 1,
            None => list.push((key, 1)),
        };
        for object in left {
            let Some(resource) = self.registry.stored(&object.0) else { continue };
            let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
            count(&mut counts, format!("{}{group}", resource.plural));
            let record = self.record_at(object);
            let list = record.as_ref().and_then(|r| r.meta("finalizers")).and_then(Value::as_array);
            for f in list.into_iter().flatten().filter_map(Value::as_str) {
                count(&mut finalizers, f.to_owned());
            }
        }
        counts.sort();
        finalizers.sort();
        let list = |items: &[(String, usize)], what: &str| {
            items.iter().map(|(k, n)| format!("{k} {what} {n} resource instances")).collect::<Vec<_>>().join(", ")
        };
        let condition = |kind: &str, status: &str, reason: &str, message: String| json!({"type": kind, "status": status, "lastTransitionTime": &**now, "reason": reason, "message": message});
        let content = format!("Some resources are remaining: {}", list(&counts, "has"));
        let mut out = vec![
            condition(
                "NamespaceDeletionDiscoveryFailure",
                "False",
                "ResourcesDiscovered",
                "All resources successfully discovered".into(),
            ),
            condition(
                "NamespaceDeletionGroupVersionParsingFailure",
                "False",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed".into(),
            ),
            condition(
                "NamespaceDeletionContentFailure",
                "False",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization".into(),
            ),
            condition("NamespaceContentRemaining", "True", "SomeResourcesRemain", content),
        ];
        if finalizers.is_empty() {
            out.push(condition(
                "NamespaceFinalizersRemaining",
                "False",
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished".into(),
            ));
        } else {
            let message =
                format!("Some content in the namespace has finalizers remaining: {}", list(&finalizers, "in"));
            out.push(condition("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", message));
        }
        Value::Array(out)
    }
}

/// Whether two lists of conditions say the same, whenever they began to.
fn same_conditions(old: Option<&Value>, new: &Value) -> bool {
    let strip = |v: &Value| -> Value {
        let items = v.as_array().into_iter().flatten().map(|c| {
            let mut c = c.clone();
            if let Some(c) = c.as_object_mut() {
                c.shift_remove("lastTransitionTime");
            }
            c
        });
        Value::Array(items.collect())
    };
    old.is_some_and(|old| strip(old) == strip(new))
}
