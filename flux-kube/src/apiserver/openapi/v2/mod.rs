//! OpenAPI v2: every type and operation in one document, for clients older than v3 or that ask for it, among them
//! `kubectl explain --output=plaintext-openapiv2`.

mod protobuf;
mod schema;

use serde_json::{Map, Value, json};

use super::types::Components;
use crate::apiserver::registry::Registry;
use crate::apiserver::store::Store;

/// The media type of the document in protocol buffers.
pub(crate) const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/v2`.
pub(crate) fn document(registry: &Registry, store: &Store) -> Value {
    let (mut components, mut paths) = (Components::default(), Map::new());
    for (group, versions) in registry.groups() {
        for version in versions {
            super::add(registry, store, group, version, &mut components, &mut paths);
        }
    }
    let definitions: Map<String, Value> =
        components.finish().into_iter().map(|(name, of)| (name, schema::converted(of))).collect();
    json!({
        "swagger": "2.0",
        "info": super::info(),
        "paths": paths.into_iter().map(|(path, of)| (path, path_item(of))).collect::<Map<_, _>>(),
        "definitions": definitions,
    })
}

/// The same in protocol buffers.
pub(crate) fn to_protobuf(document: &Value) -> Vec<u8> {
    protobuf::document(document)
}

fn path_item(item: Value) -> Value {
    let Value::Object(item) = item else { return json!({}) };
    Value::Object(item.into_iter().map(|(method, of)| (method, operation(of))).collect())
}

/// Bodies are parameters in v2, and media types are listed apart from schemas.
fn operation(mut of: Value) -> Value {
    let mut parameters = Vec::new();
    let mut consumes = vec!["*/*".to_owned()];
    if let Some(body) = of.get_mut("requestBody").and_then(|b| b.get_mut("content")).map(Value::take)
        && let Value::Object(content) = body
    {
        consumes = content.keys().cloned().collect();
        if let Some(schema) = content.into_iter().next().and_then(|(_, mut c)| c.get_mut("schema").map(Value::take)) {
            parameters
                .push(json!({"name": "body", "in": "body", "required": true, "schema": schema::converted(schema)}));
        }
    }
    if let Some(Value::Array(query)) = of.get_mut("parameters").map(Value::take) {
        parameters.extend(query.into_iter().map(|mut parameter| {
            if let Some(map) = parameter.as_object_mut()
                && let Some(Value::Object(schema)) = map.remove("schema")
            {
                map.extend(schema);
            }
            parameter
        }));
    }
    let answer = of.pointer_mut("/responses/200/content/application~1json/schema").map(Value::take);
    let mut ok = json!({"description": "OK"});
    if let (Some(answer), Some(ok)) = (answer, ok.as_object_mut()) {
        ok.insert("schema".to_owned(), schema::converted(answer));
    }
    let mut out = json!({
        "consumes": consumes,
        "produces": ["application/json", "application/yaml"],
        "parameters": parameters,
        "responses": {"200": ok},
    });
    if let (Value::Object(of), Some(out)) = (of, out.as_object_mut()) {
        out.extend(of.into_iter().filter(|(key, _)| key.starts_with("x-")));
    }
    out
}
