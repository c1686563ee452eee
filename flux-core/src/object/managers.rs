//! Who owns which field of an object, as `metadata.managedFields` has it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Object;
use super::field::{FieldPath, Step};

/// A manager that owns a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldManager {
    /// Its name, such as `kustomize-controller`.
    pub name: String,
    /// How it came to own the field: `Apply` or `Update`.
    pub operation: String,
    /// The subresource it wrote, such as `status` or `scale`; empty for the object itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// When it last wrote, as the server has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What one manager owns.
#[derive(Clone, Copy)]
enum Owned<'a> {
    /// A set of fields below the one looked at.
    Some(&'a Map<String, Value>),
    /// The whole of it.
    All,
}

/// The managers that own a field of a live object: the field itself, something that holds it as a whole, or anything
/// below it.
pub fn managers_of(live: &Object, path: &FieldPath) -> Vec<FieldManager> {
    let entries = live.metadata().and_then(|metadata| metadata.get("managedFields")).and_then(Value::as_array);
    let owns = |entry: &&Value| {
        entry.get("fieldsV1").and_then(Value::as_object).is_some_and(|fields| owns(fields, live.as_map(), path.steps()))
    };
    entries.into_iter().flatten().filter(owns).map(manager).collect()
}

fn manager(entry: &Value) -> FieldManager {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    FieldManager {
        name: text("manager"),
        operation: text("operation"),
        subresource: text("subresource"),
        time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
    }
}

/// Whether a set of fields has something to do with what the steps lead to.
fn owns(fields: &Map<String, Value>, object: &Map<String, Value>, steps: &[Step]) -> bool {
    let mut owned = Owned::Some(fields);
    let mut value = None;
    for (i, step) in steps.iter().enumerate() {
        let Owned::Some(fields) = owned else { return true };
        let next = if i == 0 { step.find_in(object) } else { value.and_then(|value| step.find(value)) };
        let Some(below) = fields.iter().find_map(|(element, below)| names(element, step, value, next).then_some(below))
        else {
            return false;
        };
        owned = match below.as_object() {
            Some(below) if !below.is_empty() => Owned::Some(below),
            _ => Owned::All,
        };
        value = next;
    }
    true
}

/// Whether an element of `fieldsV1` names what a step leads to: `f:` a field, `k:` an item by its keys, `v:` one by its
/// value, `i:` one by its place. `within` is what the step starts from, unless that is the object itself, and `found` what it leads to.
fn names(element: &str, step: &Step, within: Option<&Value>, found: Option<&Value>) -> bool {
    let Some((kind, rest)) = element.split_once(':') else { return false };
    match kind {
        "f" => matches!(step, Step::Field(name) if name == rest),
        "k" => {
            let Ok(keys) = serde_json::from_str::<Map<String, Value>>(rest) else { return false };
            // A key that an item does not show has its default: those that it shows tell it apart.
            found.is_some_and(|item| {
                item.is_object() && keys.iter().all(|(key, wanted)| item.get(key).is_none_or(|shown| shown == wanted))
            })
        }
        "v" => found.is_some_and(|item| serde_json::from_str::<Value>(rest).is_ok_and(|wanted| *item == wanted)),
        "i" => rest.parse::<usize>().is_ok_and(|index| {
            let items = within.and_then(Value::as_array);
            items.and_then(|items| items.get(index)).zip(found).is_some_and(|(item, found)| std::ptr::eq(item, found))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live() -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"a": "1"}, "finalizers": ["x"], "managedFields": [
                {"manager": "flux", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x\"": {}}},
                    "f:spec": {"f:template": {"f:spec": {"f:containers": {
                        "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}},
                {"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "tool", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
            ]},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "1"}},
                "template": {"spec": {"containers": [{"name": "side", "image": "s"}, {"name": "app", "image": "a"}]}}},
        }))
        .unwrap()
    }

    fn of(path: &str) -> Vec<String> {
        managers_of(&live(), &path.parse().unwrap()).into_iter().map(|manager| manager.name).collect()
    }

    #[test]
    fn every_kind_of_element_is_followed() {
        assert_eq!(of(".spec.replicas"), ["hpa"]);
        assert_eq!(of(".metadata.labels.a"), ["flux"]);
        assert_eq!(of(".metadata.finalizers[0]"), ["flux"]);
        assert_eq!(of(".spec.template.spec.containers[name=app].image"), ["flux"]);
        assert_eq!(of("/spec/template/spec/containers/1/image"), ["flux"]);
        assert_eq!(of(".spec.selector.matchLabels.a"), ["tool"], "what is owned as a whole");
        assert_eq!(of(".spec"), ["flux", "hpa", "tool"], "whoever owns something below");
        assert!(of(".spec.template.spec.containers[name=side].image").is_empty());
        assert!(of(".spec.paused").is_empty());
    }
}
