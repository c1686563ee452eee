//! What must stay the same of an object for it to be as it was applied.

use flux_core::{Digest, Object};
use serde_json::{Map, Value};

/// A digest of what must stay the same of a live object.
///
/// Where a field manager has applied the object, that is the set of fields it owns with their values: what others own may
/// change, and a field that somebody else sets changes hands. Otherwise it is everything but the status and what the
/// server keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(Digest);

/// What the server keeps for itself.
const BOOKKEEPING: [&str; 3] = ["resourceVersion", "managedFields", "generation"];

impl Fingerprint {
    /// The fingerprint of a live object applied by `manager`; `intruders` are managers that have no business there.
    pub(crate) fn of(live: &Object, manager: &str, intruders: &[String]) -> Self {
        let mut text = Vec::with_capacity(512);
        match owned_fields(live, manager) {
            Some(fields) => {
                text.extend_from_slice(b"fields ");
                write_owned(&|key| find_in(live.as_map(), key), fields, &mut text);
            }
            None => {
                text.extend_from_slice(b"content ");
                write_content(live, &mut text);
            }
        }
        // Being deleted is drift whoever owns what.
        let deleting = live.metadata().is_some_and(|metadata| metadata.contains_key("deletionTimestamp"));
        text.push(u8::from(deleting));
        text.extend_from_slice(live.uid().unwrap_or_default().as_bytes());
        for intruder in intruders {
            text.push(b' ');
            text.extend_from_slice(intruder.as_bytes());
        }
        Self(Digest::sha256(&text))
    }
}

/// The fields that a manager has applied, as `metadata.managedFields` has them.
fn owned_fields<'a>(live: &'a Object, manager: &str) -> Option<&'a Map<String, Value>> {
    let entries = live.metadata()?.get("managedFields")?.as_array()?;
    let text = |entry: &'a Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let ours = entries.iter().find(|entry| {
        text(entry, "manager") == manager
            && text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
    })?;
    ours.get("fieldsV1")?.as_object()
}

/// Writes owned fields with their values, as `find` finds them. Items of lists are found by their keys; a path that leads
/// nowhere is written as such, since a field that is gone has changed.
fn write_owned<'a>(find: &dyn Fn(&str) -> Option<&'a Value>, fields: &Map<String, Value>, text: &mut Vec<u8>) {
    let mut keys: Vec<&String> = fields.keys().collect();
    keys.sort_unstable();
    for key in keys {
        text.extend_from_slice(key.as_bytes());
        text.push(b'=');
        let below = fields[key].as_object().filter(|below| !below.is_empty());
        if key == "." {
            continue;
        }
        match (find(key), below) {
            (None, _) => text.push(b'-'),
            (Some(found), Some(below)) => {
                text.push(b'{');
                write_owned(&|key| self::find(found, key), below, text);
                text.push(b'}');
            }
            (Some(found), None) => write_sorted(found, text),
        }
    }
}

/// As [`find`], from the root of an object.
fn find_in<'a>(object: &'a Map<String, Value>, element: &str) -> Option<&'a Value> {
    object.get(element.strip_prefix("f:")?)
}

/// What a path element of `fieldsV1` names: `f:` a field, `k:` the item of a list by its keys, `v:` an item by its value,
/// `i:` one by its place.
fn find<'a>(value: &'a Value, element: &str) -> Option<&'a Value> {
    let (kind, rest) = element.split_once(':')?;
    match kind {
        "f" => value.get(rest),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
            let mut items = value.as_array()?.iter();
            // A key that an item does not show has its default: those that it shows tell it apart.
            items.find(|item| keys.iter().all(|(key, wanted)| item.get(key).is_none_or(|found| found == wanted)))
        }
        "v" => {
            let wanted: Value = serde_json::from_str(rest).ok()?;
            value.as_array()?.iter().find(|item| **item == wanted)
        }
        "i" => value.get(rest.parse::<usize>().ok()?),
        _ => None,
    }
}

fn write_content(live: &Object, text: &mut Vec<u8>) {
    write_map(live.as_map(), text, &|key, value, text| match (key, value) {
        ("status", _) => {}
        ("metadata", Value::Object(metadata)) => {
            text.extend_from_slice(b"metadata:");
            write_map(metadata, text, &|key, value, text| {
                if !BOOKKEEPING.contains(&key) {
                    write_field(key, value, text);
                }
            });
        }
        _ => write_field(key, value, text),
    });
}

/// Writes the fields of a map in their order, each by `field`.
fn write_map(map: &Map<String, Value>, text: &mut Vec<u8>, field: &dyn Fn(&str, &Value, &mut Vec<u8>)) {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    text.push(b'{');
    for key in keys {
        field(key, &map[key], text);
    }
    text.push(b'}');
}

fn write_field(key: &str, value: &Value, text: &mut Vec<u8>) {
    text.extend_from_slice(key.as_bytes());
    text.push(b':');
    write_sorted(value, text);
}

fn write_sorted(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(map) => write_map(map, text, &write_field),
        Value::Array(items) => {
            text.push(b'[');
            for item in items {
                write_sorted(item, text);
                text.push(b',');
            }
            text.push(b']');
        }
        // A scalar always has a JSON text and writing to memory does not fail.
        scalar => drop(serde_json::to_writer(text, scalar)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(spec: Value, fields: Value) -> Object {
        Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "uid": "1", "resourceVersion": "7", "annotations": {"seen": "1"},
                "managedFields": [
                    {"manager": "flux", "operation": "Apply", "fieldsV1": fields},
                    {"manager": "flux", "operation": "Apply", "subresource": "status", "fieldsV1": {}},
                ]},
            "spec": spec, "status": {"replicas": 1}}))
        .unwrap()
    }

    fn print(object: &Object) -> Fingerprint {
        Fingerprint::of(object, "flux", &[])
    }

    #[test]
    fn only_what_is_owned_counts() {
        let fields = json!({"f:spec": {"f:replicas": {}, "f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}}});
        let spec = json!({"replicas": 2, "paused": false,
            "ports": [{"port": 81, "name": "b"}, {"port": 80, "name": "a", "protocol": "TCP"}]});
        let base = live(spec.clone(), fields.clone());
        let with = |change: &dyn Fn(&mut Value)| {
            let mut spec = spec.clone();
            change(&mut spec);
            print(&live(spec, fields.clone()))
        };
        assert_eq!(print(&base), with(&|spec| spec["paused"] = json!(true)));
        assert_eq!(print(&base), with(&|spec| spec["ports"].as_array_mut().unwrap().reverse()));
        assert_ne!(print(&base), with(&|spec| spec["replicas"] = json!(3)));
        assert_ne!(print(&base), with(&|spec| spec["ports"][1]["name"] = json!("c")));
        assert_ne!(print(&base), with(&|spec| drop(spec["ports"].as_array_mut().unwrap().pop())));
        let less = live(spec.clone(), json!({"f:spec": {"f:replicas": {}}}));
        assert_ne!(print(&base), print(&less), "a field that changed hands");
    }

    #[test]
    fn without_an_owner_everything_but_bookkeeping_counts() {
        let object = |version: &str, status: i64, data: &str| {
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": data},
                "metadata": {"name": "a", "resourceVersion": version}, "status": {"n": status}}))
            .unwrap()
        };
        assert_eq!(print(&object("1", 1, "x")), print(&object("2", 2, "x")));
        assert_ne!(print(&object("1", 1, "x")), print(&object("1", 1, "y")));
    }

    #[test]
    fn an_object_that_is_being_deleted_or_made_anew_has_changed() {
        let base = live(json!({"replicas": 2}), json!({"f:spec": {"f:replicas": {}}}));
        let mut leaving = base.clone();
        leaving.metadata_mut().insert("deletionTimestamp".into(), "2026-01-01T00:00:00Z".into());
        assert_ne!(print(&base), print(&leaving));
        let mut other = base.clone();
        other.metadata_mut().insert("uid".into(), "2".into());
        assert_ne!(print(&base), print(&other));
    }
}
