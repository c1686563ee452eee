//! OpenAPI v3: the types and the operations of a group version, as `kubectl` and other typed clients read them; and all of
//! them in one document of OpenAPI v2.

mod descriptions;
mod types;
pub(crate) mod v2;

use serde_json::{Map, Value, json};

use super::registry::{Registry, Resource, ResourceKey};
use super::store::Store;

/// `/openapi/v3`: the documents there are.
pub(crate) fn index(registry: &Registry, revision: u64) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            // Custom resources change with their definitions.
            let custom = registry.in_version(group, version).iter().any(|r| r.custom.is_some());
            let hash = if custom { format!("{revision:X}") } else { "1".to_owned() };
            paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
        }
    }
    json!({ "paths": paths })
}

/// `/openapi/v3/apis/{group}/{version}`.
pub(crate) fn document(registry: &Registry, store: &Store, group: &str, version: &str) -> Option<Value> {
    if !registry.has_version(group, version) {
        return None;
    }
    let mut paths = Map::new();
    let mut components = types::Components::default();
    add(registry, store, group, version, &mut components, &mut paths);
    Some(json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths,
        "components": {"schemas": components.finish()},
    }))
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "v1.36.2"})
}

/// Adds what a group version has.
fn add(
    registry: &Registry,
    store: &Store,
    group: &str,
    version: &str,
    components: &mut types::Components,
    paths: &mut Map<String, Value>,
) {
    for resource in registry.in_version(group, version) {
        let name = match &resource.custom {
            Some(custom) => {
                let definition = store.get(
                    &ResourceKey::new("apiextensions.k8s.io", "customresourcedefinitions"),
                    &super::store::key("", &custom.definition),
                );
                let schema = definition.and_then(|d| {
                    let versions = d.object.get("spec")?.get("versions")?.as_array()?;
                    let of = versions.iter().find(|v| v.get("name").and_then(Value::as_str) == Some(version))?;
                    of.get("schema")?.get("openAPIV3Schema").cloned()
                });
                components.custom(resource, schema.unwrap_or_else(|| json!({"type": "object"})))
            }
            None => components.built_in(resource),
        };
        operations(resource, &name, paths);
    }
}

fn parameter(name: &str, text: &str) -> Value {
    json!({"name": name, "in": "query", "description": text, "schema": {"type": "string", "uniqueItems": true}})
}

fn operations(resource: &Resource, schema: &str, paths: &mut Map<String, Value>) {
    let base = if resource.group.is_empty() { "/api" } else { "/apis" };
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{base}/{}{scope}/{}", resource.api_version, resource.plural);
    let reference = json!({"$ref": format!("#/components/schemas/{schema}")});
    let operation = |action: &str, patch: bool| {
        let mut parameters = Vec::new();
        if matches!(action, "post" | "put" | "patch" | "delete") {
            parameters.push(parameter("dryRun", "When present, indicates that modifications should not be persisted."));
        }
        if matches!(action, "post" | "put" | "patch") {
            parameters.push(parameter("fieldManager", "The name of the actor that makes the changes."));
            parameters.push(parameter("fieldValidation", "What to do about unknown or duplicate fields."));
        }
        let mut content = Map::new();
        if patch {
            parameters.push(parameter("force", "Take fields from other managers."));
            for media in ["apply-patch+yaml", "json-patch+json", "merge-patch+json"] {
                content.insert(format!("application/{media}"), json!({"schema": patch_schema()}));
            }
            if resource.custom.is_none() {
                let media = "application/strategic-merge-patch+json";
                content.insert(media.to_owned(), json!({"schema": patch_schema()}));
            }
        } else {
            content.insert("*/*".to_owned(), json!({"schema": reference}));
        }
        let mut out = json!({
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind":
                {"group": resource.group, "version": resource.version, "kind": resource.kind},
        });
        if matches!(action, "post" | "put" | "patch")
            && let Some(out) = out.as_object_mut()
        {
            out.insert("requestBody".to_owned(), json!({ "content": content }));
        }
        out
    };
    let has = |verb: &str| resource.verbs.contains(&verb);
    let mut many = Map::new();
    let mut one = Map::new();
    for (verb, method, action) in [("list", "get", "list"), ("create", "post", "post")] {
        if has(verb) {
            many.insert(method.to_owned(), operation(action, false));
        }
    }
    for (verb, action) in [("get", "get"), ("update", "put"), ("delete", "delete"), ("patch", "patch")] {
        if has(verb) {
            one.insert(action.to_owned(), operation(action, action == "patch"));
        }
    }
    if !many.is_empty() {
        paths.insert(collection.clone(), Value::Object(many));
    }
    if !one.is_empty() {
        paths.insert(format!("{collection}/{{name}}"), Value::Object(one));
    }
}

fn patch_schema() -> Value {
    json!({"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Patch"})
}
