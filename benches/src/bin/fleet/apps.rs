//! The application of Flux's own benchmark, as files.

pub(crate) fn app(i: usize, image: &str) -> Vec<(String, String)> {
    let meta = format!("metadata:\n  name: app-{i}\n  namespace: default\n");
    let files = [
        ("kustomization.yaml", "resources: [account.yaml, service.yaml, deployment.yaml, ingress.yaml]\n".to_owned()),
        ("account.yaml", format!("apiVersion: v1\nkind: ServiceAccount\n{meta}")),
        (
            "service.yaml",
            format!(
                "apiVersion: v1\nkind: Service\n{meta}spec:\n  selector: {{app: app-{i}}}\n  ports:\n  - {{name: http, port: 80, targetPort: http}}\n"
            ),
        ),
        (
            "deployment.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\n{meta}spec:\n  replicas: 0\n  selector:\n    matchLabels: {{app: app-{i}}}\n  template:\n    metadata:\n      labels: {{app: app-{i}}}\n    spec:\n      serviceAccountName: app-{i}\n      containers:\n      - name: app\n        image: {image}\n        ports: [{{containerPort: 8080, name: http}}]\n        env: [{{name: LOG, value: info}}]\n        resources: {{requests: {{cpu: 100m, memory: 64Mi}}, limits: {{memory: 64Mi}}}}\n"
            ),
        ),
        (
            "ingress.yaml",
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\n{meta}spec:\n  rules:\n  - host: app-{i}.example.com\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend: {{service: {{name: app-{i}, port: {{name: http}}}}}}\n"
            ),
        ),
    ];
    files.into_iter().map(|(name, text)| (format!("app-{i}/{name}"), text)).collect()
}

pub(crate) fn files(count: usize, changed: Option<usize>) -> Vec<(String, String)> {
    (0..count).flat_map(|i| app(i, if changed == Some(i) { "app:2" } else { "app:1" })).collect()
}
