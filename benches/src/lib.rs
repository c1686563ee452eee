//! The benches of the GitOps toolkit: `cargo bench -p flux-benches`. Figures and how to repeat them are in `README.md`.

use flux_core::{Manifest, Manifests, Object, Origin};
use serde_json::json;

/// Half Deployments and half ConfigMaps, as a repository of small services has them; `image` is that of the first.
///
/// # Panics
/// Never: the objects are valid.
pub fn small_services(count: usize, image: &str) -> Manifests {
    let manifest = |i: usize| {
        let value = if i.is_multiple_of(2) {
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": format!("app-{i}"), "namespace": "default", "labels": {"app": format!("app-{i}")}},
                "spec": {
                    "replicas": 0, "selector": {"matchLabels": {"app": format!("app-{i}")}},
                    "template": {
                        "metadata": {"labels": {"app": format!("app-{i}")}},
                        "spec": {"containers": [{
                            "name": "app", "image": if i == 0 { image } else { "nginx:1.29" },
                            "ports": [{"containerPort": 8080, "name": "http"}],
                            "env": [{"name": "LOG", "value": "info"}, {"name": "REGION", "value": "eu"}],
                            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
                        }]},
                    },
                },
            })
        } else {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("config-{i}"), "namespace": "default"},
                "data": {"config.yaml": "level: info\nregion: eu\n", "number": i.to_string()},
            })
        };
        let object = Object::from_value(value).expect("a valid object");
        Manifest { object, origin: Origin::new("deploy/app.yaml", i + 1) }
    };
    (0..count).map(manifest).collect()
}

/// A typical Deployment.
///
/// # Panics
/// Never: the object is valid.
pub fn deployment(name: &str, replicas: u64) -> Object {
    let value = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
                {"name": "web", "image": "example.com/web:1", "ports": [{"containerPort": 80}],
                 "env": [{"name": "A", "value": "1"}], "resources": {"limits": {"memory": "64Mi"}}}]}}}});
    Object::from_value(value).expect("a valid object")
}
