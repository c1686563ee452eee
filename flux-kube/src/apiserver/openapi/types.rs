//! The types of a document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::descriptions;
use crate::apiserver::registry::Resource;
use crate::apiserver::schema::{ListKind, Scalar, Schema, Type, TypeId};

/// The schemas of a document, with all they refer to.
#[derive(Default)]
pub(super) struct Components {
    done: Map<String, Value>,
    /// Short names still to write.
    wanted: Vec<String>,
    seen: BTreeSet<String>,
}

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// The name of a type in a document.
fn full_name(short: &str) -> String {
    let package = match short.split('.').next().unwrap_or("") {
        "meta" => "io.k8s.apimachinery.pkg.apis",
        "apiextensions" => "io.k8s.apiextensions-apiserver.pkg.apis",
        "apiregistration" => "io.k8s.kube-aggregator.pkg.apis",
        _ => "io.k8s.api",
    };
    format!("{package}.{short}")
}

fn insert(value: &mut Value, key: &str, of: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), of);
    }
}

impl Components {
    /// Adds the type of a built-in resource; returns its name.
    pub(super) fn built_in(&mut self, resource: &Resource) -> String {
        let Type::Map(map) = resource.schema().get(resource.ty) else { return String::new() };
        let short = map.name.to_string();
        self.write(&short);
        let name = full_name(&short);
        if let Some(schema) = self.done.get_mut(&name) {
            insert(schema, "x-kubernetes-group-version-kind", gvk(resource));
        }
        name
    }

    /// Adds the schema of a custom resource; returns its name.
    pub(super) fn custom(&mut self, resource: &Resource, mut schema: Value) -> String {
        let mut parts: Vec<&str> = resource.group.split('.').rev().collect();
        parts.extend([resource.version.as_str(), resource.kind.as_str()]);
        let name = parts.join(".");
        if let Some(map) = schema.as_object_mut() {
            let properties = map.entry("properties").or_insert_with(|| json!({}));
            let meta = self.reference("meta.v1.ObjectMeta");
            let object = descriptions::field("core.v1.ConfigMap", "metadata");
            for (field, of) in [
                (
                    "apiVersion",
                    described(json!({"type": "string"}), &descriptions::field("core.v1.ConfigMap", "apiVersion")),
                ),
                ("kind", described(json!({"type": "string"}), &descriptions::field("core.v1.ConfigMap", "kind"))),
                ("metadata", described(json!({ "allOf": [meta] }), &object)),
            ] {
                insert(properties, field, of);
            }
            map.insert("x-kubernetes-group-version-kind".to_owned(), gvk(resource));
        }
        self.done.insert(name.clone(), schema);
        name
    }

    /// All schemas.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        while let Some(short) = self.wanted.pop() {
            self.write(&short);
        }
        let patch = json!({"type": "object", "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body."});
        self.done.insert("io.k8s.apimachinery.pkg.apis.meta.v1.Patch".to_owned(), patch);
        self.done.insert(QUANTITY.to_owned(), json!({"oneOf": [{"type": "string"}, {"type": "number"}]}));
        self.done.sort_keys();
        self.done
    }

    fn reference(&mut self, short: &str) -> Value {
        if self.seen.insert(short.to_owned()) {
            self.wanted.push(short.to_owned());
        }
        json!({"$ref": format!("#/components/schemas/{}", full_name(short))})
    }

    fn write(&mut self, short: &str) {
        let name = full_name(short);
        let schema = Schema::built_in();
        self.seen.insert(short.to_owned());
        let Some(id) = schema.named(short) else { return };
        if self.done.contains_key(&name) {
            return;
        }
        let mut out = json!({"type": "object"});
        let about = descriptions::of(short);
        if !about.is_empty() {
            insert(&mut out, "description", json!(about));
        }
        if let Type::Map(map) = schema.get(id) {
            let mut properties = Map::new();
            let mut required = Vec::new();
            for field in &map.fields {
                let mut of = self.of(schema, field.ty);
                let about = descriptions::field(short, &field.name);
                if of.get("$ref").is_some() {
                    of = json!({ "allOf": [of] });
                    if !field.pointer {
                        insert(&mut of, "default", json!({}));
                    }
                }
                if !about.values.is_empty() {
                    insert(&mut of, "enum", json!(about.values));
                }
                if let Some(default) = &field.default {
                    insert(&mut of, "default", default.clone());
                }
                if field.patch.merge || field.patch.retain_keys {
                    let strategy = match (field.patch.merge, field.patch.retain_keys) {
                        (true, true) => "merge,retainKeys",
                        (false, true) => "retainKeys",
                        _ => "merge",
                    };
                    insert(&mut of, "x-kubernetes-patch-strategy", json!(strategy));
                }
                if let Some(key) = &field.patch.key {
                    insert(&mut of, "x-kubernetes-patch-merge-key", json!(key));
                }
                properties.insert(field.name.to_string(), described(of, &about));
                if field.required {
                    required.push(field.name.to_string());
                }
            }
            insert(&mut out, "properties", Value::Object(properties));
            if !required.is_empty() {
                insert(&mut out, "required", json!(required));
            }
            if map.atomic {
                insert(&mut out, "x-kubernetes-map-type", json!("atomic"));
            }
        }
        self.done.insert(name, out);
    }

    fn of(&mut self, schema: &Schema, id: TypeId) -> Value {
        match schema.get(id) {
            Type::Map(map) if !map.name.is_empty() => self.reference(&map.name),
            Type::Map(map) => {
                let element = map.element.map_or_else(|| json!({}), |e| self.of(schema, e));
                let mut out = json!({"type": "object", "additionalProperties": element});
                if map.atomic {
                    insert(&mut out, "x-kubernetes-map-type", json!("atomic"));
                }
                out
            }
            Type::List(list) => {
                let element = self.of(schema, list.element);
                let mut out = json!({"type": "array", "items": element});
                match &list.kind {
                    ListKind::Atomic => insert(&mut out, "x-kubernetes-list-type", json!("atomic")),
                    ListKind::Set => insert(&mut out, "x-kubernetes-list-type", json!("set")),
                    ListKind::Map(keys) => {
                        let keys: Vec<&str> = keys.iter().map(|k| &**k).collect();
                        insert(&mut out, "x-kubernetes-list-type", json!("map"));
                        insert(&mut out, "x-kubernetes-list-map-keys", json!(keys));
                    }
                }
                out
            }
            Type::Scalar(scalar) => match scalar {
                Scalar::String => json!({"type": "string"}),
                Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
                Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
                Scalar::Number => json!({"type": "number", "format": "double"}),
                Scalar::Boolean => json!({"type": "boolean"}),
                Scalar::Quantity => json!({"$ref": format!("#/components/schemas/{QUANTITY}")}),
                Scalar::IntOrString => {
                    json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
                }
                Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
                Scalar::Bytes => json!({"type": "string", "format": "byte"}),
            },
            Type::Any => json!({}),
            Type::Deduced => json!({"type": "object"}),
        }
    }
}

fn described(mut schema: Value, about: &descriptions::Field) -> Value {
    if !about.text.is_empty() {
        insert(&mut schema, "description", json!(about.text));
    }
    schema
}

fn gvk(resource: &Resource) -> Value {
    json!([{"group": resource.group, "version": resource.version, "kind": resource.kind}])
}
