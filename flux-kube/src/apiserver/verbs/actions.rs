//! What is posted to an object to have something done to it: bindings and evictions of pods.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{DeleteOptions, State, Target};
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::selector::LabelSelector;
use crate::apiserver::status::Status;
use crate::apiserver::store::Record;

fn text<'a>(v: Option<&'a Value>, key: &str) -> &'a str {
    v.and_then(|v| v.get(key)).and_then(Value::as_str).unwrap_or("")
}

/// The answer to an action that was done.
fn done() -> Fields {
    [("kind", json!("Status")), ("apiVersion", json!("v1")), ("metadata", json!({})), ("status", json!("Success"))]
        .into_iter()
        .chain([("code", json!(201))])
        .map(|(k, v)| (k.to_owned(), v))
        .collect()
}

/// Sets a condition of a pod.
fn set_condition(pod: &mut Fields, condition: Value) {
    let status = pod.entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|c| c.get("type") == condition.get("type")) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

impl State {
    /// Puts a pod on a node. Nobody comes to own what that changes.
    pub(crate) fn bind(&mut self, target: &Target, binding: &Fields, now: &Arc<str>) -> Result<Fields, Status> {
        let node = binding.get("target");
        if text(node, "name").is_empty() {
            return Err(Status::internal("target.name: Required value"));
        }
        let pod = self.pod_of(target, binding)?;
        let old = self.find(&pod)?;
        let on = text(old.object.get("spec"), "nodeName");
        if !on.is_empty() {
            let why = format!("pod {} is already assigned to node {on:?}", pod.name);
            return Err(Status::conflict("", "pods/binding", &pod.name, &why));
        }
        let mut object = (*old.object).clone();
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("nodeName".into(), json!(text(node, "name")));
        }
        set_condition(
            &mut object,
            json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": &**now}),
        );
        self.store.put(pod.resource.key(), object, old.managers.clone());
        Ok(done())
    }

    /// The pod that an action is about: of the path, or named in the body.
    fn pod_of(&self, target: &Target, body: &Fields) -> Result<Target, Status> {
        let resource = self.registry.resource("", "v1", "pods").cloned().ok_or_else(Status::no_resource)?;
        let name = if target.name.is_empty() { text(body.get("metadata"), "name") } else { &target.name };
        Ok(Target { resource, namespace: target.namespace.clone(), name: name.to_owned(), subresource: String::new() })
    }

    /// Deletes a pod, unless a disruption budget has nothing left to give.
    pub(crate) fn evict(
        &mut self,
        target: &Target,
        eviction: &Fields,
        options: &DeleteOptions,
        now: &Arc<str>,
    ) -> Result<Fields, Status> {
        let named = text(eviction.get("metadata"), "name");
        if !named.is_empty() && named != target.name {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        let pod = self.pod_of(target, eviction)?;
        let old = self.find(&pod)?;
        // Pods that do not run, or not any more, are nobody's loss.
        let phase = text(old.object.get("status"), "phase");
        let runs = !matches!(phase, "Succeeded" | "Failed" | "Pending") && old.meta("deletionTimestamp").is_none();
        if runs {
            self.spend_budget(&pod, &old, options.dry_run)?;
        }
        if !options.dry_run {
            let mut object = (*old.object).clone();
            set_condition(
                &mut object,
                json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null, "lastTransitionTime": &**now,
                    "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}),
            );
            self.store.put(pod.resource.key(), object, old.managers.clone());
        }
        self.delete(&pod, options)?;
        Ok(done())
    }

    fn spend_budget(&mut self, pod: &Target, record: &Record, dry_run: bool) -> Result<(), Status> {
        let key = ResourceKey::new("policy", "poddisruptionbudgets");
        let prefix = format!("{}/", pod.namespace);
        let covers = |budget: &Record| {
            let selector = budget.object.get("spec").and_then(|s| s.get("selector"));
            selector.is_some_and(|s| LabelSelector::from_object(s).matches(&record.object))
        };
        let table = self.store.table(&key);
        let found = table.into_iter().flat_map(|t| t.range(&prefix)).find(|(_, b)| covers(b));
        let Some((_, budget)) = found.map(|(k, b)| (k.clone(), b.clone())) else { return Ok(()) };
        let name = budget.meta_str("name");
        let status = budget.object.get("status");
        let count = |key: &str| status.and_then(|s| s.get(key)).and_then(Value::as_i64).unwrap_or(0);
        let generation = budget.meta("generation").and_then(Value::as_i64).unwrap_or(0);
        if count("observedGeneration") < generation {
            let why = format!("The disruption budget {name} is still being processed by the server.");
            return Err(over_budget(&why, Some(10)));
        }
        let left = count("disruptionsAllowed");
        if left < 1 {
            let (wanted, have) = (count("desiredHealthy"), count("currentHealthy"));
            let why = format!("The disruption budget {name} needs {wanted} healthy pods and has {have} currently");
            return Err(over_budget(&why, None));
        }
        if !dry_run {
            let mut object = (*budget.object).clone();
            if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
                status.insert("disruptionsAllowed".into(), json!(left - 1));
            }
            self.store.put(&key, object, budget.managers.clone());
        }
        Ok(())
    }
}

fn over_budget(why: &str, retry: Option<u64>) -> Status {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut status = Status::new(429, "TooManyRequests", message);
    let mut details = Fields::new();
    details.insert("causes".into(), json!([{"reason": "DisruptionBudget", "message": why}]));
    if let Some(seconds) = retry {
        details.insert("retryAfterSeconds".into(), json!(seconds));
    }
    status.details = Some(details);
    status
}
