//! The types that server-side apply sees in a custom resource's schema.

use serde_json::Value;

use crate::apiserver::schema::{Field, List, ListKind, Map, PatchStrategy, Scalar, Schema, Type, TypeId};

/// Deeper schemas are taken as untyped.
const MAX_DEPTH: usize = 64;

pub(super) fn types(schema: &Value, preserve: bool) -> (Schema, TypeId) {
    let mut builder = Builder { schema: Schema::with_metadata() };
    let deduced = builder.schema.add(Type::Deduced);
    let id = builder.build(schema, preserve, deduced, 0, true);
    (builder.schema, id)
}

struct Builder {
    schema: Schema,
}

fn flag(v: &Value, key: &str) -> bool {
    v.get(key) == Some(&Value::Bool(true))
}

fn field(name: &str, ty: TypeId, default: Option<Value>) -> Field {
    Field {
        name: name.into(),
        ty,
        pointer: true,
        always: false,
        required: false,
        default,
        patch: PatchStrategy::default(),
        proto: Box::default(),
    }
}

impl Builder {
    fn build(&mut self, s: &Value, preserve: bool, deduced: TypeId, depth: usize, root: bool) -> TypeId {
        let preserve = preserve || flag(s, "x-kubernetes-preserve-unknown-fields");
        if depth > MAX_DEPTH {
            return deduced;
        }
        if flag(s, "x-kubernetes-int-or-string") {
            return self.schema.add(Type::Scalar(Scalar::IntOrString));
        }
        let ty = match s.get("type").and_then(Value::as_str) {
            Some("object") => self.object(s, preserve, deduced, depth, root),
            Some("array") => self.list(s, preserve, deduced, depth),
            Some("string") => match s.get("format").and_then(Value::as_str).unwrap_or("") {
                "" | "byte" => Type::Scalar(Scalar::String),
                _ => Type::Scalar(Scalar::IntOrString),
            },
            Some("integer" | "number") => Type::Scalar(Scalar::Number),
            Some("boolean") => Type::Scalar(Scalar::Boolean),
            _ if root => self.object(s, preserve, deduced, depth, root),
            // Without a type, anything goes.
            _ => Type::Deduced,
        };
        self.schema.add(ty)
    }

    fn object(&mut self, s: &Value, preserve: bool, deduced: TypeId, depth: usize, root: bool) -> Type {
        let mut fields = Vec::new();
        for (name, member) in s.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if root && name == "metadata" {
                continue;
            }
            let ty = self.build(member, preserve, deduced, depth + 1, false);
            fields.push(field(name, ty, member.get("default").cloned()));
        }
        let has_fields = !fields.is_empty();
        let embedded = flag(s, "x-kubernetes-embedded-resource");
        if root || embedded {
            let string = self.schema.add(Type::Scalar(Scalar::String));
            for name in ["apiVersion", "kind"] {
                fields.retain(|f| &*f.name != name);
                fields.push(field(name, string, None));
            }
            if let Some(meta) = self.schema.named("meta.v1.ObjectMeta") {
                fields.retain(|f| &*f.name != "metadata");
                fields.push(field("metadata", meta, None));
            }
        }
        let element = match s.get("additionalProperties") {
            Some(Value::Object(of)) => {
                Some(self.build(&Value::Object(of.clone()), preserve, deduced, depth + 1, false))
            }
            Some(Value::Bool(true)) => Some(deduced),
            Some(Value::Bool(false)) => None,
            _ if preserve || !has_fields => Some(deduced),
            _ => None,
        };
        let atomic = s.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        Type::Map(Map::of(element, atomic).with_fields(fields))
    }

    fn list(&mut self, s: &Value, preserve: bool, deduced: TypeId, depth: usize) -> Type {
        let element = match s.get("items") {
            Some(items) => self.build(items, preserve, deduced, depth + 1, false),
            None => self.schema.add(Type::Any),
        };
        let kind = match s.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => ListKind::Set,
            Some("map") => {
                let keys = s.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
                ListKind::Map(keys.filter_map(|k| k.as_str().map(Into::into)).collect())
            }
            _ => ListKind::Atomic,
        };
        Type::List(List { element, kind })
    }
}
