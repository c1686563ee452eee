//! Requests that are meant to cost the server more than they cost who sends them.

use std::time::{Duration, Instant};

use flux_core::cluster::Cluster;
use flux_core::{Context, Object};
use flux_kube::apiserver::ApiServer;
use serde_json::{Value, json};

use crate::{apply, manager, object, server};

/// Applies an object and tells how long that took, and whether it was taken.
async fn timed(server: &ApiServer, object: &Object) -> (Duration, bool) {
    let started = Instant::now();
    let taken = server.apply(&Context::background(), object, &manager()).await.is_ok();
    (started.elapsed(), taken)
}

/// What takes time in proportion takes about ten times as long for ten times as much, and far less than a hundred times.
async fn in_proportion(server: &ApiServer, what: &str, make: impl Fn(usize) -> Object) {
    let (few, many) = (make(1_500), make(15_000));
    timed(server, &few).await;
    let mut last = 0.0;
    // The machine may have other work at one moment.
    for _ in 0..3 {
        let (short, _) = timed(server, &few).await;
        let (long, _) = timed(server, &many).await;
        last = long.as_secs_f64() / short.as_secs_f64();
        if last < 40.0 {
            return;
        }
    }
    panic!("{what}: ten times as much takes {last} times as long");
}

fn toys(schema: &Value) -> Object {
    let schema = json!({"type": "object", "properties": {"spec": schema}});
    object(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "toys", "kind": "Toy"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}}))
}

fn toy(spec: &Value) -> Object {
    object(json!({"apiVersion": "example.com/v1", "kind": "Toy",
        "metadata": {"name": "t", "namespace": "default"}, "spec": spec}))
}

#[tokio::test(start_paused = true)]
async fn h19_long_lists_take_time_in_proportion() {
    let server = server();
    // In an order that a sorted list takes worst.
    let names = |n: usize| (0..n).map(move |i| format!("n{:06}", n - i));
    in_proportion(&server, "keys", |n| {
        let data: serde_json::Map<String, Value> = names(n).map(|k| (k, json!("v"))).collect();
        object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}, "data": data}))
    })
    .await;
    in_proportion(&server, "ports", |n| {
        let ports: Vec<Value> = names(n).enumerate().map(|(i, name)| json!({"name": name, "port": n - i})).collect();
        object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"},
            "spec": {"ports": ports}}))
    })
    .await;
    in_proportion(&server, "what is refused", |n| {
        let limits: serde_json::Map<String, Value> = names(n).map(|k| (k, json!("1"))).collect();
        object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": limits}}]}}))
    })
    .await;
    let list = json!({"type": "object", "properties": {"items": {"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"],
        "properties": {"name": {"type": "string", "pattern": "^[a-z0-9]+$"}}}}}});
    apply(&server, &toys(&list)).await;
    in_proportion(&server, "items of a custom resource", |n| {
        toy(&json!({"items": names(n).map(|name| json!({"name": name})).collect::<Vec<_>>()}))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn alternatives_within_alternatives_are_tried_once() {
    let server = server();
    // Looking twice at each level would take 2^20 looks.
    let mut schema = json!({"properties": {"a": {"enum": ["never"]}}});
    for _ in 0..20 {
        schema = json!({ "oneOf": [schema] });
    }
    let root = json!({"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [schema]});
    apply(&server, &toys(&root)).await;
    let (took, taken) = timed(&server, &toy(&json!({"a": "b"}))).await;
    assert!(!taken);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn patterns_are_those_of_go() {
    let server = server();
    // In Rust's dialect `[` within a class opens another, and `\d` is any script's digit.
    let field = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": r"^[^[]\d+$"}}});
    apply(&server, &toys(&field)).await;
    assert!(timed(&server, &toy(&json!({"a": "x12"}))).await.1);
    assert!(!timed(&server, &toy(&json!({"a": "[12"}))).await.1);
    assert!(!timed(&server, &toy(&json!({"a": "x١"}))).await.1);
    let wrong = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "a**"}}});
    let refused = server.apply(&Context::background(), &toys(&wrong), &manager()).await.unwrap_err().to_string();
    assert!(refused.contains("error parsing regexp: invalid nested repetition operator: `**`"), "{refused}");
}
