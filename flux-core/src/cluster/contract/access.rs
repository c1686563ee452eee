//! What acting as somebody else promises.

use std::sync::Arc;

use serde_json::json;

use super::{Place, code, manager, object};
use crate::cluster::{Cluster, DeleteOptions, Identity};

/// Somebody else may do what their roles say, and nothing more.
pub(super) async fn impersonation(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    assert!(c.impersonate(&Identity::default()).is_err(), "nobody cannot be impersonated");
    let robot = c.impersonate(&Identity::service_account(&p.namespace, "robot")).expect("a service account");
    let mine = p.config_map("by-robot", json!({}));
    assert_eq!(code(&robot.apply(cx, &mine, &manager("m")).await), 403);
    let role = object(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "robot", "namespace": p.namespace},
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]},
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get", "create", "patch"]}]}));
    let binding = object(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "robot", "namespace": p.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "robot"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": p.namespace}]}));
    c.apply(cx, &role, &manager("m")).await.expect("a role");
    c.apply(cx, &binding, &manager("m")).await.expect("a binding");
    allowed(p, &robot).await;
    assert_eq!(code(&robot.delete(cx, &mine.object_ref(), &DeleteOptions::default()).await), 403);
    let elsewhere = object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "by-robot", "namespace": "default"}}));
    assert_eq!(code(&robot.apply(cx, &elsewhere, &manager("m")).await), 403);

    let more = object(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "more", "namespace": p.namespace},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}));
    assert_eq!(code(&robot.apply(cx, &more, &manager("m")).await), 403, "nobody grants what they do not hold");
}

/// Waits until the role counts: a server takes a moment to learn of it.
async fn allowed(p: &Place, robot: &Arc<dyn Cluster>) {
    let mine = p.config_map("by-robot", json!({}));
    let patient = tokio::time::timeout(super::PATIENCE, async {
        while code(&robot.apply(&p.cx, &mine, &manager("m")).await) == 403 {
            tokio::time::sleep(super::PAUSE).await;
        }
    });
    assert!(patient.await.is_ok(), "the role does not count");
    robot.apply(&p.cx, &mine, &manager("m")).await.expect("an apply that the role allows");
}
