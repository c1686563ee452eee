//! `fieldsV1`: how a [`FieldSet`] is written in `managedFields`.

use serde_json::{Map, Value};

use super::element::PathElement;
use super::set::FieldSet;

/// Deeper sets are cut off: no real object comes near, and recursion stays bounded.
const MAX_DEPTH: usize = 128;

pub(crate) fn encode(set: &FieldSet) -> Value {
    Value::Object(contents(set, false))
}

fn contents(set: &FieldSet, member: bool) -> Map<String, Value> {
    let mut out = Map::with_capacity(set.nodes().len() + usize::from(member));
    if member && !set.is_empty() {
        out.insert(".".to_owned(), Value::Object(Map::new()));
    }
    for node in set.nodes() {
        out.insert(node.element.encode(), Value::Object(contents(&node.children, node.member)));
    }
    out
}

/// Reads `fieldsV1`. Elements of unknown kinds are left out, as the real server does.
pub(crate) fn decode(value: &Value) -> FieldSet {
    children(value, 0).0
}

fn children(value: &Value, depth: usize) -> (FieldSet, bool) {
    let mut set = FieldSet::default();
    let mut member = false;
    if let (Value::Object(map), true) = (value, depth < MAX_DEPTH) {
        for (key, below) in map {
            if key == "." {
                member = true;
            } else if let Some(element) = PathElement::decode(key) {
                let (grandchildren, is_member) = children(below, depth + 1);
                set.add(element, is_member, grandchildren);
            }
        }
    }
    let leaf = set.is_empty();
    (set, member || leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_decoded_encodes_the_same() {
        let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
                       "f:set": {"v:\"x\"": {}, "v:1": {}}}});
        let set = decode(&fields);
        // Sets sort numbers before strings, objects compare without order.
        assert_eq!(encode(&set), fields);
        assert_eq!(encode(&set.difference(&set)), json!({}));
        assert_eq!(set.union(&set), set);
        assert_eq!(set.intersection(&set), set);
    }
}
