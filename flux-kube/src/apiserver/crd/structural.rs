//! Structural schemas: pruning and defaulting of custom resources.

use std::collections::BTreeMap;

use flux_core::re2::Pattern;
use serde_json::Value;

use super::rules::{self, Rule};
use crate::apiserver::fields::Fields;
use crate::apiserver::schema::{Schema, Type};

const MAX_DEPTH: usize = 64;

/// A node of a structural schema.
#[derive(Debug, Default)]
pub(crate) struct Structural {
    pub(crate) ty: String,
    pub(crate) properties: BTreeMap<String, Structural>,
    pub(crate) items: Option<Box<Structural>>,
    pub(crate) additional: Option<Box<Structural>>,
    pub(crate) additional_any: bool,
    pub(crate) default: Option<Value>,
    pub(crate) nullable: bool,
    pub(crate) preserve: bool,
    pub(crate) embedded: bool,
    pub(crate) int_or_string: bool,
    /// The schema as it was written, for its value validations.
    pub(crate) raw: Value,
    /// `pattern`, compiled.
    pub(crate) pattern: Option<Pattern>,
    /// `allOf`, `anyOf`, `oneOf` and `not`, in this order.
    pub(crate) combinations: [Vec<Structural>; 4],
    pub(crate) rules: Vec<Rule>,
    /// Whether there are rules here or below.
    pub(crate) has_rules: bool,
}

fn prune_metadata(meta: &mut Fields, path: &str, unknown: &mut Vec<String>) {
    let schema = Schema::built_in();
    let Some(Type::Map(fields)) = schema.named("meta.v1.ObjectMeta").map(|ty| schema.get(ty)) else { return };
    meta.retain(|key, _| {
        let known = fields.field(key).is_some();
        if !known {
            unknown.push(format!("{path}.{key}"));
        }
        known
    });
}

fn flag(v: &Value, key: &str) -> bool {
    v.get(key) == Some(&Value::Bool(true))
}

impl Structural {
    pub(crate) fn parse(schema: &Value, preserve: bool) -> Structural {
        let mut root = Self::node(schema, 0);
        root.preserve |= preserve;
        if root.ty.is_empty() {
            root.preserve |= root.properties.is_empty();
        }
        root
    }

    fn node(s: &Value, depth: usize) -> Structural {
        if depth > MAX_DEPTH {
            return Structural { preserve: true, ..Default::default() };
        }
        let below = |v: &Value| Box::new(Self::node(v, depth + 1));
        let mut raw = s.clone();
        if let Some(raw) = raw.as_object_mut() {
            for key in ["properties", "items", "allOf", "anyOf", "oneOf", "not"] {
                raw.shift_remove(key);
            }
        }
        let parts = |key: &str| -> Vec<Structural> {
            match s.get(key) {
                Some(Value::Array(parts)) => parts.iter().map(|part| Self::node(part, depth + 1)).collect(),
                Some(part @ Value::Object(_)) => vec![Self::node(part, depth + 1)],
                _ => Vec::new(),
            }
        };
        let mut out = Structural {
            pattern: s.get("pattern").and_then(Value::as_str).and_then(|p| Pattern::compile(p).ok()),
            combinations: ["allOf", "anyOf", "oneOf", "not"].map(parts),
            rules: rules::compile(s),
            has_rules: false,
            ty: s.get("type").and_then(Value::as_str).unwrap_or("").to_owned(),
            properties: s
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), Self::node(v, depth + 1)))
                .collect(),
            items: s.get("items").filter(|v| v.is_object()).map(below),
            additional: s.get("additionalProperties").filter(|v| v.is_object()).map(below),
            additional_any: flag(s, "additionalProperties"),
            default: s.get("default").filter(|v| !v.is_null()).cloned(),
            nullable: flag(s, "nullable"),
            preserve: flag(s, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(s, "x-kubernetes-embedded-resource"),
            int_or_string: flag(s, "x-kubernetes-int-or-string"),
            raw,
        };
        let below = out.properties.values().chain(out.items.as_deref()).chain(out.additional.as_deref());
        out.has_rules = !out.rules.is_empty() || below.into_iter().any(|s| s.has_rules);
        out
    }

    /// A schema that is part of another.
    pub(crate) fn parse_part(schema: &Value) -> Structural {
        Self::node(schema, 0)
    }

    /// `x-kubernetes-list-map-keys`.
    pub(crate) fn list_keys(&self) -> Vec<&str> {
        let keys = self.raw.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The item of an old list that an item stands for, if items can be told apart.
    pub(crate) fn correlated<'a>(&self, item: &Value, old: &'a Value) -> Option<&'a Value> {
        let keys = self.list_keys();
        if keys.is_empty() {
            return None;
        }
        old.as_array()?.iter().find(|o| keys.iter().all(|k| o.get(*k) == item.get(*k)))
    }

    /// Removes fields the schema does not have; returns their paths.
    pub(crate) fn prune(&self, object: &mut Fields) -> Vec<String> {
        let mut unknown = Vec::new();
        self.prune_map(object, "", true, &mut unknown);
        unknown.sort();
        unknown
    }

    /// As [`prune`](Self::prune), for a value that is part of an object.
    pub(crate) fn prune_part(&self, value: &mut Fields) -> Vec<String> {
        let mut unknown = Vec::new();
        self.prune_map(value, "", false, &mut unknown);
        unknown
    }

    fn prune_map(&self, object: &mut Fields, path: &str, root: bool, unknown: &mut Vec<String>) {
        let mut gone = Vec::new();
        for (key, value) in object.iter_mut() {
            let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if (root || self.embedded) && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                // The metadata of what is embedded is metadata.
                if let (false, "metadata", Value::Object(meta)) = (root, key.as_str(), value) {
                    prune_metadata(meta, &at, unknown);
                }
                continue;
            }
            if let Some(property) = self.properties.get(key) {
                property.prune_value(value, &at, unknown);
            } else if let Some(additional) = &self.additional {
                additional.prune_value(value, &at, unknown);
            } else if !self.preserve && !self.additional_any {
                unknown.push(at);
                gone.push(key.clone());
            }
        }
        for key in gone {
            object.shift_remove(&key);
        }
    }

    fn prune_value(&self, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
        match value {
            Value::Object(map) => self.prune_map(map, path, false, unknown),
            Value::Array(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    if let Some(schema) = &self.items {
                        schema.prune_value(item, &format!("{path}[{i}]"), unknown);
                    }
                }
            }
            _ => {}
        }
    }

    /// Fills in defaults; a null where none may be counts as absent.
    pub(crate) fn fill(&self, object: &mut Fields) {
        for (key, property) in &self.properties {
            let Some(default) = &property.default else { continue };
            match object.get(key) {
                None => {
                    object.insert(key.clone(), default.clone());
                }
                Some(Value::Null) if !property.nullable => {
                    object.insert(key.clone(), default.clone());
                }
                _ => {}
            }
        }
        for (key, value) in object.iter_mut() {
            if let Some(property) = self.properties.get(key).or(self.additional.as_deref()) {
                property.default_value(value)
            }
        }
        // A null that may not be, and has no default, is as if it were not there.
        if !self.properties.is_empty() {
            object.retain(|key, value| {
                !value.is_null() || self.properties.get(key).is_none_or(|p| p.nullable || p.preserve)
            });
        }
    }

    fn default_value(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                if let Some(additional) = &self.additional
                    && let Some(default) = &additional.default
                    && !additional.nullable
                {
                    for v in map.values_mut().filter(|v| v.is_null()) {
                        *v = default.clone();
                    }
                }
                self.fill(map);
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    for item in items {
                        if item.is_null()
                            && !schema.nullable
                            && let Some(default) = &schema.default
                        {
                            *item = default.clone();
                        }
                        schema.default_value(item);
                    }
                }
            }
            _ => {}
        }
    }
}
