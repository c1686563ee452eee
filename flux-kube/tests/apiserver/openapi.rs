//! The documents that describe the API.

use bytes::Bytes;
use flux_kube::apiserver::ApiServer;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{apply, object, server};

async fn get(server: &ApiServer, path: &str, accept: &str) -> (String, Bytes) {
    let request = http::Request::get(path).header("accept", accept).body(Full::new(Bytes::new())).unwrap();
    let answer = server.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (media, answer.into_body().collect().await.unwrap().to_bytes())
}

/// Every `$ref` of a document.
fn references<'v>(value: &'v Value, into: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            into.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|v| references(v, into));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, into)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn v2_has_all_types_and_operations_in_one_document() {
    let server = server();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "nullable": true}, "port": {"x-kubernetes-int-or-string": true}}}}});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "toys", "kind": "Toy"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
    apply(&server, &object(definition)).await;

    let (media, bytes) = get(&server, "/openapi/v2", "*/*").await;
    assert_eq!(media, "application/json");
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["swagger"], "2.0");
    let definitions = document["definitions"].as_object().unwrap();
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(all.len() > 1000);
    for reference in all {
        assert!(definitions.contains_key(reference.strip_prefix("#/definitions/").unwrap()), "{reference}");
    }
    let spec = &definitions["io.k8s.api.apps.v1.DeploymentSpec"];
    assert_eq!(spec["properties"]["template"]["$ref"], "#/definitions/io.k8s.api.core.v1.PodTemplateSpec");
    assert_eq!(spec["properties"]["replicas"]["format"], "int32");
    let toy = &definitions["com.example.v1.Toy"]["properties"]["spec"]["properties"];
    assert_eq!(*toy, json!({"size": {}, "port": {"x-kubernetes-int-or-string": true}}));
    let path = "/apis/example.com/v1/namespaces/{namespace}/toys/{name}";
    let patch = &document["paths"][path]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "example.com", "kind": "Toy", "version": "v1"})
    );
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "dryRun" && p["in"] == "query"));
    assert_eq!(patch["parameters"][0]["in"], "body");

    let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let (media, bytes) = get(&server, "/openapi/v2", accept).await;
    assert_eq!(media, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert!(bytes.starts_with(b"\x0a\x032.0\x12"), "the version first, then what it is about");
}
