//! Kustomize in process: how builds grow, and what a second thread brings.

use std::fmt::Write;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flux_appliers::kustomize::{BuildOptions, build};
use flux_core::Tree;

/// An overlay with a prefix, a namespace, labels, an image and a generator, over a base of Deployments that each name a
/// ConfigMap.
fn overlay(count: usize) -> Tree {
    let mut all = String::new();
    for i in 0..count / 2 {
        let _ = write!(
            all,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app{i}}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: nginx:1\n        envFrom:\n        - configMapRef: {{name: map{i}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map{i}}}\ndata: {{a: b}}\n---\n"
        );
    }
    let overlay = "resources: [../base]\nnamePrefix: p-\nnamespace: prod\ncommonLabels: {a: b}\n\
                   images: [{name: nginx, newTag: '2'}]\nconfigMapGenerator:\n- name: one\n  literals: [a=b]\n";
    Tree::from_files([
        ("base/all.yaml", all),
        ("base/kustomization.yaml", "resources: [all.yaml]\n".to_owned()),
        ("overlay/kustomization.yaml", overlay.to_owned()),
    ])
    .expect("three files")
}

/// From files to printed text.
fn run(tree: &Tree) -> usize {
    build(tree, "overlay", &BuildOptions::default()).expect("a build").to_yaml().len()
}

fn growth(c: &mut Criterion) {
    let mut group = c.benchmark_group("kustomize");
    for count in [20, 500, 2_000, 8_000] {
        let tree = overlay(count);
        group.throughput(Throughput::Elements(count as u64 + 1));
        group.bench_with_input(BenchmarkId::new("objects", count + 1), &tree, |b, tree| b.iter(|| run(tree)));
    }
    group.finish();
}

/// How long `threads` builds take side by side, for each build.
fn side_by_side(tree: &Tree, threads: u64, iterations: u64) -> Duration {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..iterations).for_each(|_| assert!(run(tree) > 0)));
        }
    });
    started.elapsed() / u32::try_from(threads).expect("few threads")
}

fn threads(c: &mut Criterion) {
    let tree = overlay(2_000);
    let mut group = c.benchmark_group("kustomize, 2,001 objects");
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("threads", threads), |b| {
            b.iter_custom(|iterations| side_by_side(&tree, threads, iterations));
        });
    }
    group.finish();
}

criterion_group!(benches, growth, threads);
criterion_main!(benches);
