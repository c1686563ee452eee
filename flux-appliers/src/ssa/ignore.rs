//! Fields of live objects that may differ from what was applied: Flux's `spec.ignore`.

use std::fmt;
use std::sync::Arc;

use flux_core::Object;
use flux_core::object::{FieldPath, Step, managers_of};
use serde_json::{Map, Value};

/// Fields whose drift is ignored, and of which objects. A field that somebody else changes is not changed back, be it by
/// itself or when another field of the object is; a new object is made as its manifest has it.
#[derive(Clone)]
pub struct IgnoreRule {
    paths: Vec<FieldPath>,
    applies: Arc<dyn Fn(&Object) -> bool + Send + Sync>,
}

impl IgnoreRule {
    /// These fields, of every object for which `applies` is true.
    pub fn new(
        paths: impl IntoIterator<Item = FieldPath>,
        applies: impl Fn(&Object) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { paths: paths.into_iter().collect(), applies: Arc::new(applies) }
    }
}

impl fmt::Debug for IgnoreRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IgnoreRule").field("paths", &self.paths).finish_non_exhaustive()
    }
}

/// The rules of a pipeline.
#[derive(Clone, Debug, Default)]
pub(super) struct IgnoreRules(Vec<IgnoreRule>);

impl IgnoreRules {
    pub(super) fn new(rules: impl IntoIterator<Item = IgnoreRule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// The ignored fields of an object.
    fn of<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a FieldPath> {
        self.0.iter().filter(|rule| (rule.applies)(object)).flat_map(|rule| &rule.paths)
    }

    /// The ignored fields of an object; none where nothing is ignored.
    pub(super) fn paths(&self, object: &Object) -> Vec<FieldPath> {
        self.of(object).cloned().collect()
    }

    /// A desired object as it is to be applied over a live one: an ignored field that another manager applies is left to
    /// it, and any other stays as it is, so that applying does not take it away.
    pub(super) fn adopt(&self, desired: &Object, live: &Object, manager: &str) -> Object {
        let mut adopted = desired.clone();
        for path in self.of(desired) {
            let (wanted, found) = (path.find_in(desired), path.find_in(live));
            let managers = managers_of(live, path);
            let ours = managers.iter().any(|owner| owner.name == manager && owner.operation == "Apply");
            if wanted == found || (wanted.is_none() && !ours) {
                continue;
            }
            let theirs = managers.iter().any(|owner| owner.name != manager && owner.operation == "Apply");
            match found.filter(|_| !theirs) {
                Some(value) => put(adopted.as_map_mut(), path.steps(), value.clone()),
                None => remove(adopted.as_map_mut(), path.steps()),
            }
        }
        adopted
    }
}

/// An object without these fields, and without word of who owns them: what is left has to stay as it was applied.
pub(super) fn without(object: &Object, paths: &[FieldPath]) -> Object {
    let mut rest = object.clone();
    for path in paths {
        disown(&mut rest, object, path);
        remove(rest.as_map_mut(), path.steps());
    }
    rest
}

fn step_mut<'a>(value: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match (step, value) {
        (Step::Field(name), Value::Object(map)) => map.get_mut(name),
        (step, Value::Array(items)) => {
            let index = step.place(items)?;
            items.get_mut(index)
        }
        _ => None,
    }
}

fn remove(map: &mut Map<String, Value>, steps: &[Step]) {
    let Some((Step::Field(first), rest)) = steps.split_first() else { return };
    let Some((last, middle)) = rest.split_last() else {
        map.shift_remove(first);
        return;
    };
    let parent = map.get_mut(first).and_then(|value| middle.iter().try_fold(value, step_mut));
    match (last, parent) {
        (Step::Field(name), Some(Value::Object(map))) => drop(map.shift_remove(name)),
        (step, Some(Value::Array(items))) => {
            if let Some(index) = step.place(items).filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Puts a value where the steps lead; maps on the way are made, items of lists are not.
fn put(map: &mut Map<String, Value>, steps: &[Step], value: Value) {
    let Some((Step::Field(first), rest)) = steps.split_first() else { return };
    if rest.is_empty() {
        map.insert(first.clone(), value);
        return;
    }
    match map.entry(first.clone()).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(below) => put(below, rest, value),
        list => {
            if let Some(found) = rest.iter().try_fold(list, step_mut) {
                *found = value;
            }
        }
    }
}

/// Removes a field from what managers are said to own.
fn disown(object: &mut Object, as_it_is: &Object, path: &FieldPath) {
    if managers_of(as_it_is, path).is_empty() {
        return;
    }
    let entries = object.metadata_mut().get_mut("managedFields").and_then(Value::as_array_mut);
    let Some((Step::Field(first), rest)) = path.steps().split_first() else { return };
    // Who owns what of the metadata stays said.
    let found = as_it_is.as_map().get(first).filter(|_| first != "metadata");
    for entry in entries.into_iter().flatten() {
        if let Some(fields) = entry.get_mut("fieldsV1").and_then(Value::as_object_mut) {
            forget(fields, &format!("f:{first}"), found, rest);
        }
    }
}

/// Removes what the steps lead to below an element, which stands for `found`.
fn forget(fields: &mut Map<String, Value>, element: &str, found: Option<&Value>, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else {
        fields.shift_remove(element);
        return;
    };
    let (Some(Value::Object(below)), Some(found)) = (fields.get_mut(element), found) else { return };
    let next = step.find(found);
    let element = match (step, next) {
        (Step::Field(name), _) if found.is_object() => Some(format!("f:{name}")),
        (_, Some(item)) => below.keys().find(|element| is_item(element, item)).cloned(),
        _ => None,
    };
    if let Some(element) = element {
        forget(below, &element, next, rest);
    }
}

/// Whether an element of `fieldsV1` names this item of a list.
fn is_item(element: &str, item: &Value) -> bool {
    let keys = element.strip_prefix("k:").and_then(|keys| serde_json::from_str::<Map<String, Value>>(keys).ok());
    keys.is_some_and(|keys| keys.iter().all(|(key, wanted)| item.get(key).is_none_or(|shown| shown == wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(replicas: Value, manager: &str, operation: &str) -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "managedFields": [
                {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "flux", "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            ]},
            "spec": {"replicas": replicas, "paused": true},
        }))
        .unwrap()
    }

    fn rules(path: &str) -> IgnoreRules {
        IgnoreRules::new([IgnoreRule::new([path.parse().unwrap()], |object| object.kind() == "Deployment")])
    }

    #[test]
    fn what_another_applies_is_left_to_it_and_the_rest_stays_as_it_is() {
        let desired = object(json!(1), "flux", "Apply");
        let replicas =
            |live: &Object| rules("/spec/replicas").adopt(&desired, live, "flux").pointer("/spec/replicas").cloned();
        assert_eq!(replicas(&object(json!(5), "hpa", "Update")), Some(json!(5)), "stays as it is");
        assert_eq!(replicas(&object(json!(5), "keda", "Apply")), None, "left to whoever applies it");
        assert_eq!(replicas(&object(json!(1), "keda", "Apply")), Some(json!(1)), "no difference");
    }

    #[test]
    fn a_field_that_the_manifest_dropped_is_kept_where_it_is_ours() {
        let mut desired = object(json!(1), "flux", "Apply");
        desired.as_map_mut()["spec"].as_object_mut().unwrap().shift_remove("replicas");
        let replicas =
            |live: &Object| rules("/spec/replicas").adopt(&desired, live, "flux").pointer("/spec/replicas").cloned();
        assert_eq!(replicas(&object(json!(5), "flux", "Apply")), Some(json!(5)));
        assert_eq!(replicas(&object(json!(5), "hpa", "Update")), None);
    }

    #[test]
    fn an_object_without_a_field_has_no_owner_of_it_either() {
        let path = "/spec/replicas".parse().unwrap();
        let rest = without(&object(json!(5), "hpa", "Update"), &[path]);
        assert_eq!(rest.pointer("/spec"), Some(&json!({"paused": true})));
        let shown = rest.metadata().unwrap()["managedFields"].to_string();
        assert!(!shown.contains("f:replicas") && shown.contains("f:paused"), "{shown}");
    }

    #[test]
    fn items_of_lists_are_reached() {
        let list = |image: &str| {
            Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"},
                "spec": {"containers": [{"name": "a", "image": image}]}}))
            .unwrap()
        };
        let adopted = rules("/spec/containers/0/image").adopt(&list("a:1"), &list("a:2"), "flux");
        assert_eq!(adopted, list("a:2"));
        let bare = without(&list("a:1"), &["/spec/containers/0/image".parse().unwrap()]);
        assert_eq!(bare.pointer("/spec/containers/0"), Some(&json!({"name": "a"})));
    }
}
