//! Reading and writing 20 MB of manifests, next to serde_norway (the maintained serde_yaml) on the same text.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flux_core::yaml::{self, Layout, Limits, ReadOptions};
use serde::Deserialize;
use serde_json::Value;

const BYTES: usize = 20_000_000;

/// Three objects as people write them: comments, lists that are not indented, quotes, a block of text.
const MANIFESTS: &str = r#"---
# The front end.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: front-INDEX
  namespace: shop
  labels: {app.kubernetes.io/name: front, app.kubernetes.io/part-of: shop}
  annotations:
    description: "Serves the shop's pages; see the runbook at https://example.org/runbooks/front#restart"
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: front
  template:
    metadata:
      labels:
        app.kubernetes.io/name: front
    spec:
      serviceAccountName: front
      containers:
      - name: front
        image: registry.example.org/shop/front:1.27.3 # updated by the release
        args: ["--listen", ":8080", "--log-level=info"]
        ports:
        - containerPort: 8080
          name: http
        env:
        - name: REGION
          value: 'eu-west-1'
        - name: TIMEOUT
          value: "30"
        resources:
          requests: {cpu: 100m, memory: 64Mi}
          limits: {memory: 128Mi}
        readinessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 10
---
apiVersion: v1
kind: Service
metadata:
  name: front-INDEX
  namespace: shop
spec:
  selector:
    app.kubernetes.io/name: front
  ports:
  - name: http
    port: 80
    targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: front-INDEX
  namespace: shop
data:
  enabled: "true"
  front.conf: |
    # One server, one upstream.
    server {
      listen 8080;
      location / {
        proxy_pass http://catalogue.shop.svc.cluster.local:8080;
        proxy_set_header Host $host;
      }
    }
  banner: >-
    Free delivery on all orders
    above forty euros, until the end
    of the month.
"#;

fn stream() -> String {
    let mut text = String::with_capacity(BYTES + MANIFESTS.len());
    for index in 0.. {
        text.push_str(&MANIFESTS.replace("INDEX", &index.to_string()));
        if text.len() >= BYTES {
            break;
        }
    }
    text
}

fn norway(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents.map(|document| Value::deserialize(document).expect("the stream is YAML")).collect()
}

fn read(c: &mut Criterion) {
    let text = stream();
    let mut group = c.benchmark_group("yaml read");
    group.sample_size(10).throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("values", |b| {
        b.iter(|| {
            yaml::read_documents(black_box(text.as_bytes()), &ReadOptions::default()).expect("the stream is YAML")
        });
    });
    group.bench_function("nodes", |b| {
        b.iter(|| yaml::read_nodes(black_box(text.as_bytes()), Limits::default()).expect("the stream is YAML"));
    });
    group.bench_function("serde_norway", |b| b.iter(|| norway(black_box(&text))));
    group.finish();
}

fn write(c: &mut Criterion) {
    let values = norway(&stream());
    let bytes: usize = values.iter().map(|value| yaml::write(value, Layout::Sigs).len()).sum();
    let mut group = c.benchmark_group("yaml write");
    group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("sigs", |b| {
        b.iter(|| black_box(&values).iter().map(|value| yaml::write(value, Layout::Sigs).len()).sum::<usize>());
    });
    group.bench_function("serde_norway", |b| {
        let write = |value| serde_yaml::to_string(value).expect("JSON can be YAML").len();
        b.iter(|| black_box(&values).iter().map(write).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, read, write);
criterion_main!(benches);
