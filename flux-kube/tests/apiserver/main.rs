//! The embedded API server: against the contract of clusters, against what a real server answered, and on bad days.
#![cfg(all(feature = "apiserver", feature = "client"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod access;
#[cfg(feature = "tls")]
mod clients;
mod contract;
mod faults;
mod hostile;
mod openapi;
#[cfg(feature = "tls")]
mod served;
mod snapshots;
mod watches;
mod workloads;

use flux_core::cluster::{ApplyOptions, Cluster};
use flux_core::{Context, Gvk, Object, ObjectId, ObjectRef};
use flux_kube::apiserver::{ApiServer, Config};
use serde_json::{Value, json};

/// A server whose time and uids are the same in every run.
fn server() -> ApiServer {
    ApiServer::new(Config { epoch: "2026-01-01T00:00:00Z".parse().ok(), seed: 11, ..Config::default() })
}

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn config_map(name: &str, value: &str) -> Object {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"a": value}}))
}

fn deployment(name: &str, image: &str, replicas: i64) -> Object {
    object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}}}))
}

fn manager() -> ApplyOptions {
    ApplyOptions { field_manager: "test".to_owned(), force: true, dry_run: false }
}

async fn apply(cluster: &dyn Cluster, object: &Object) -> Object {
    cluster.apply(&Context::background(), object, &manager()).await.unwrap()
}

async fn get(cluster: &dyn Cluster, at: &ObjectRef) -> Object {
    cluster.get(&Context::background(), at).await.unwrap().unwrap_or_else(|| panic!("no {at:?}"))
}

fn at(group: &str, version: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectId::new(group, kind, "default", name).at(version)
}

fn config_maps() -> Gvk {
    Gvk::new("", "v1", "ConfigMap")
}

/// Says why a test did nothing.
fn skipped(why: &str) {
    #[allow(clippy::print_stderr)]
    {
        eprintln!("skipped: {why}");
    }
}
