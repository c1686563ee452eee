//! Schemas of v3 as v2 can say them.

use serde_json::{Map, Value, json};

/// Keywords that v2 does not know. Defaults are known, but a real server leaves them out too.
const LEFT_OUT: [&str; 7] = ["anyOf", "default", "deprecated", "not", "nullable", "oneOf", "writeOnly"];

/// A schema of v2 that accepts whatever this one of v3 accepts.
pub(super) fn converted(schema: Value) -> Value {
    let Value::Object(schema) = schema else { return json!({}) };
    let is = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or(false);
    // What v2 cannot say stays open: clients that check objects against it must not refuse what the server takes.
    let open = is("nullable") || is("x-kubernetes-preserve-unknown-fields");
    let untyped = open || is("x-kubernetes-int-or-string");
    let alternatives = schema.contains_key("oneOf") && !schema.contains_key("type");
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            key if LEFT_OUT.contains(&key) => {}
            "type" if untyped => {}
            "items" | "properties" if open => {}
            "$ref" => {
                let name = value.as_str().map(|r| r.replace("#/components/schemas/", "#/definitions/"));
                out.insert(key, json!(name));
            }
            // One type with a description of its own.
            "allOf" => match value {
                Value::Array(mut all) if all.len() == 1 && all[0].get("$ref").is_some() => {
                    if let Value::Object(reference) = converted(all.remove(0)) {
                        out.extend(reference);
                    }
                }
                Value::Array(all) => {
                    out.insert(key, all.into_iter().map(converted).collect());
                }
                _ => {}
            },
            "properties" => {
                if let Value::Object(properties) = value {
                    let properties = properties.into_iter().map(|(name, of)| (name, converted(of)));
                    out.insert(key, Value::Object(properties.collect()));
                }
            }
            "items" => {
                out.insert(key, converted(value));
            }
            "additionalProperties" => {
                let value = if value.is_object() { converted(value) } else { value };
                out.insert(key, value);
            }
            _ => {
                out.insert(key, value);
            }
        }
    }
    // Quantities and numbers or names: text is the only type that v2 has for both.
    if alternatives {
        out.insert("type".to_owned(), json!("string"));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_v2_cannot_say_stays_open() {
        let custom = json!({"type": "object", "properties": {
            "a": {"type": "string", "nullable": true, "default": "x"},
            "b": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "c": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"d": {"type": "string"}}},
            "e": {"type": "object", "additionalProperties": {"type": "integer", "nullable": true}},
        }});
        let expected = json!({"type": "object", "properties": {
            "a": {},
            "b": {"x-kubernetes-int-or-string": true},
            "c": {"x-kubernetes-preserve-unknown-fields": true},
            "e": {"type": "object", "additionalProperties": {}},
        }});
        assert_eq!(converted(custom), expected);
        let field = json!({"allOf": [{"$ref": "#/components/schemas/io.x"}], "default": {}, "description": "d"});
        assert_eq!(converted(field), json!({"$ref": "#/definitions/io.x", "description": "d"}));
    }
}
