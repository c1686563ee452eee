//! Times builds of growing overlays in process: `cargo run --release --example kustomize_growth`.

#![allow(clippy::print_stdout)]

use std::fmt::Write;
use std::time::Instant;

use flux_appliers::kustomize::{BuildOptions, build};
use flux_core::Tree;

/// An overlay of `count` Deployments that name ConfigMaps, and as many ConfigMaps.
fn tree(count: usize) -> Tree {
    let mut all = String::new();
    for i in 0..count / 2 {
        let _ = write!(
            all,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app{i}}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: nginx:1\n        envFrom:\n        - configMapRef: {{name: map{i}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map{i}}}\ndata: {{a: b}}\n---\n"
        );
    }
    let overlay = "resources: [../base]\nnamePrefix: p-\nnamespace: prod\ncommonLabels: {a: b}\nimages: [{name: nginx, newTag: '2'}]\nconfigMapGenerator:\n- name: one\n  literals: [a=b]\n";
    Tree::from_files([
        ("base/all.yaml", all.into_bytes()),
        ("base/kustomization.yaml", b"resources: [all.yaml]\n".to_vec()),
        ("overlay/kustomization.yaml", overlay.as_bytes().to_vec()),
    ])
    .unwrap_or_else(|_| Tree::empty())
}

fn main() {
    for count in [500, 2_000, 8_000] {
        let tree = tree(count);
        let mut best = f64::MAX;
        for _ in 0..7 {
            let start = Instant::now();
            let built = build(&tree, "overlay", &BuildOptions::default()).map(|output| output.to_yaml().len());
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
            if built.is_err() {
                println!("{built:?}");
                return;
            }
        }
        println!("{:>6} objects: {best:.1} ms", count + 1);
    }
}
