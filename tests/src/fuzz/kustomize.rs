//! Kustomize builds of small trees, and patches by themselves.

use flux_appliers::kustomize::{BuildOptions, Limits, Order, build};
use flux_core::Tree;
use flux_core::yaml::{self, ReadOptions};

/// Small enough that no input keeps the fuzzer waiting.
fn options(order: Order) -> BuildOptions {
    let yaml = yaml::Limits { bytes: 1 << 20, documents: 1_000, depth: 100 };
    let limits = Limits { resources: 1_000, files: 1_000, bytes: 8 << 20, depth: 20, yaml };
    BuildOptions { order, limits, load_outside_root: true, ..BuildOptions::default() }
}

/// Builds a tree in both orders. What is printed must read as the objects that were built.
fn check(tree: &Tree, dir: &str) {
    for order in [Order::Legacy, Order::AsRead] {
        let Ok(output) = build(tree, dir, &options(order)) else { continue };
        let text = output.to_yaml();
        if output.objects.is_empty() {
            continue;
        }
        let read = yaml::read_documents(text.as_bytes(), &ReadOptions::default()).expect("what was printed");
        let values: Vec<_> = read.into_iter().map(|document| document.value).collect();
        let built: Vec<_> = output.objects.iter().map(|object| object.value.clone()).collect();
        assert_eq!(values, built, "{text}");
        let _ = output.into_manifests();
    }
}

/// The files of an input: each follows a line `-- NAME --`.
fn files(data: &[u8]) -> Option<Tree> {
    let mut builder = Tree::builder();
    let mut file: Option<(String, Vec<u8>)> = None;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let title = line.trim_ascii_end().strip_prefix(b"-- ").and_then(|rest| rest.strip_suffix(b" --"));
        if let Some(name) = title.and_then(|name| std::str::from_utf8(name).ok()) {
            if let Some((name, content)) = file.replace((name.to_owned(), Vec::new())) {
                builder.file(&name, content).ok()?;
            }
        } else if let Some((_, content)) = &mut file {
            content.extend_from_slice(line);
        }
    }
    let (name, content) = file?;
    builder.file(&name, content).ok()?;
    Some(builder.build())
}

/// Builds the tree that an input describes.
pub(super) fn build_tree(data: &[u8]) {
    if let Some(tree) = files(data) {
        check(&tree, "");
    }
}

/// Applies what stands after a line of `====` to the objects before it, as every kind of patch.
pub(super) fn patch(data: &[u8]) {
    const SEPARATOR: &[u8] = b"\n====\n";
    let Some(at) = data.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) else { return };
    let (objects, patch) = (&data[..=at], &data[at + SEPARATOR.len()..]);
    for kustomization in [
        "resources: [o.yaml]\npatches: [{path: p.yaml, target: {name: .*}, options: {allowNameChange: true, allowKindChange: true}}]\n",
        "resources: [o.yaml]\npatches: [{path: p.yaml}]\n",
        "resources: [o.yaml]\npatchesStrategicMerge: [p.yaml]\n",
        "resources: [o.yaml]\npatchesJson6902: [{path: p.yaml, target: {name: .*}}]\n",
    ] {
        let files = [
            ("kustomization.yaml", kustomization.as_bytes().to_vec()),
            ("o.yaml", objects.to_vec()),
            ("p.yaml", patch.to_vec()),
        ];
        check(&Tree::from_files(files).expect("three files"), "");
    }
}
