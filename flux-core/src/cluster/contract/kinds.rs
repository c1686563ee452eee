//! What is promised about kinds.

use serde_json::json;

use super::{Place, code, manager, object, writer};
use crate::cluster::{ClusterError, DeleteOptions, Patch, WriteOptions};
use crate::object::{Gvk, Object};

/// The kinds there are, and those there are not.
pub(super) async fn discovery(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let deployment = c.resource(cx, &Gvk::new("apps", "v1", "Deployment")).await.expect("a kind");
    assert_eq!((deployment.plural.as_str(), deployment.namespaced), ("deployments", true));
    let role = c.resource(cx, &Gvk::new("rbac.authorization.k8s.io", "v1", "ClusterRole")).await.expect("a kind");
    assert!(!role.namespaced);
    let unknown = Gvk::new("example.com", "v1", "Unknown");
    assert!(matches!(c.resource(cx, &unknown).await, Err(ClusterError::UnknownKind(gvk)) if gvk == unknown));
}

/// Kinds of one's own: defaults, validation and a status that is written by itself.
pub(super) async fn custom(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "mode": {"type": "string", "default": "soft"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let definition = object(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.contract.example.com"},
        "spec": {"group": "contract.example.com", "scope": "Namespaced",
            "names": {"plural": "toys", "singular": "toy", "kind": "Toy", "listKind": "ToyList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema}}]}}));
    c.apply(cx, &definition, &manager("m")).await.expect("a definition");
    let made = served(p, &toy(p, 2)).await;
    assert_eq!(made.pointer("/spec/mode"), Some(&json!("soft")));
    assert_eq!(code(&c.apply(cx, &toy(p, 0), &manager("m")).await), 422);
    let status = WriteOptions { subresource: Some("status".to_owned()), ..writer() };
    let change = Patch::Merge(json!({"spec": {"size": 9}, "status": {"ready": true}}));
    let patched = c.patch(cx, &made.object_ref(), &change, &status).await.expect("a status");
    assert_eq!(patched.pointer("/status/ready"), Some(&json!(true)));
    assert_eq!(patched.pointer("/spec/size"), Some(&json!(2)), "only the status is written");
    assert_eq!(patched.generation(), made.generation());
    assert!(c.delete(cx, &definition.object_ref(), &DeleteOptions::default()).await.expect("a delete"));
    p.gone(&definition.object_ref()).await;
}

/// The first object of a new kind: a server takes a moment to serve it.
async fn served(p: &Place, first: &Object) -> Object {
    let patient = tokio::time::timeout(super::PATIENCE, async {
        loop {
            match p.cluster.apply(&p.cx, first, &manager("m")).await {
                Ok(made) => return made,
                Err(ClusterError::UnknownKind(_)) => tokio::time::sleep(super::PAUSE).await,
                Err(error) if error.code() == Some(404) => tokio::time::sleep(super::PAUSE).await,
                Err(error) => panic!("a custom object: {error:?}"),
            }
        }
    });
    patient.await.expect("the kind is served in time")
}

fn toy(p: &Place, size: i64) -> Object {
    object(json!({"apiVersion": "contract.example.com/v1", "kind": "Toy",
        "metadata": {"name": "t", "namespace": p.namespace}, "spec": {"size": size}}))
}
