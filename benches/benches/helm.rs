//! Rendering charts in process, their templates parsed already.
//!
//! `HELM_CORPUS` names the unpacked conformance data, whose largest charts are rendered; `HELM_CHART` one folder of a
//! chart more. Without either there is only a small chart.

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use flux_appliers::helm::{Chart, ChartFile, ChartLimits, ReleaseInfo, RenderOptions, Table, render};

fn folder(path: &Path) -> Arc<Chart> {
    fn walk(path: &Path, prefix: &str, files: &mut Vec<ChartFile>) {
        for entry in std::fs::read_dir(path).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), files);
            } else {
                files.push(ChartFile { name, data: std::fs::read(entry.path()).expect("a file").into() });
            }
        }
    }
    let mut files = Vec::new();
    walk(path, "", &mut files);
    Chart::from_folder(files, &ChartLimits::default()).expect("a chart")
}

fn small() -> Arc<Chart> {
    let file = |name: &str, text: &str| ChartFile { name: name.to_owned(), data: text.to_owned().into() };
    let files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: small\nversion: 1.0.0\n"),
        file("values.yaml", "replicas: 3\nimage: {repository: nginx, tag: latest}\nlabels: {a: b}\n"),
        file(
            "templates/_h.tpl",
            "{{ define \"labels\" }}app: {{ .Release.Name }}\n{{ toYaml .Values.labels }}{{ end }}",
        ),
        file(
            "templates/a.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n  labels:\n    {{- include \"labels\" . | \
             nindent 4 }}\nspec:\n  replicas: {{ .Values.replicas }}\n  template:\n    spec:\n      containers:\n      - name: c\n        \
             image: {{ printf \"%s:%s\" .Values.image.repository .Values.image.tag | quote }}\n",
        ),
    ];
    Chart::from_folder(files, &ChartLimits::default()).expect("a chart")
}

fn charts(criterion: &mut Criterion) {
    let mut all = vec![("small".to_owned(), small())];
    if let Some(corpus) = std::env::var_os("HELM_CORPUS") {
        for name in ["bitnami-kube-prometheus", "argo-argo-cd", "prom-prometheus"] {
            all.push((name.to_owned(), folder(&Path::new(&corpus).join("charts").join(name))));
        }
    }
    if let Some(path) = std::env::var_os("HELM_CHART") {
        let path = Path::new(&path);
        all.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), folder(path)));
    }
    let mut group = criterion.benchmark_group("helm");
    group.sample_size(30);
    for (name, chart) in all {
        let (release, options) = (ReleaseInfo::install("rel", "ns"), RenderOptions::default());
        group.bench_function(name, |bencher| {
            bencher.iter(|| render(&chart, &Table::new(), &release, &options).expect("a release"));
        });
    }
    group.finish();
}

criterion_group!(benches, charts);
criterion_main!(benches);
