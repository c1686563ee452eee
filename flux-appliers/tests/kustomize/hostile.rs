//! Hostile kustomizations, by the numbers of the list they come from: each is refused, in time and in bounds.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use flux_appliers::kustomize::{BuildOptions, Cause, Limits, Output, RemoteBase, Remotes, build};
use flux_core::Tree;

use crate::support::tree;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n";
const APP: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";

/// What a build of the directory `app` says that it must refuse.
fn refused(files: &[(&str, &str)]) -> String {
    refused_with(&tree(files), &BuildOptions::default())
}

fn refused_with(tree: &Tree, options: &BuildOptions) -> String {
    match build(tree, "app", options) {
        Ok(output) => panic!("built {} objects", output.objects.len()),
        Err(error) => error.to_string(),
    }
}

fn built(files: &[(&str, &str)]) -> Output {
    build(&tree(files), "app", &BuildOptions::default()).unwrap()
}

#[test]
fn h08_a_base_outside_the_tree_is_not_there() {
    for path in ["..", "../..", "../../base", "../../../../../../etc", "/etc", "a/../../../../etc", "./../app/../.."] {
        let text = refused(&[("app/kustomization.yaml", &format!("resources: [{path:?}]\n"))]);
        assert!(text.starts_with("app/kustomization.yaml"), "{path}: {text}");
    }
    let text = refused(&[("app/kustomization.yaml", "resources: [../other.yaml]\n"), ("other.yaml", MAP)]);
    assert!(text.contains("security; file '../other.yaml' is not in or below '/app'"), "{text}");
}

#[test]
fn h09_links_do_not_lead_out() {
    for (name, target) in
        [("base", "../../../etc"), ("base", "/etc"), ("m.yaml", "../../../etc/passwd"), ("loop", "loop")]
    {
        let mut builder = Tree::builder();
        builder.file("app/kustomization.yaml", format!("resources: [{name}]\n")).unwrap();
        builder.link(&format!("app/{name}"), target).unwrap();
        refused_with(&builder.build(), &BuildOptions::default());
    }
    // Inside the tree, but outside the kustomization.
    let mut builder = Tree::builder();
    builder.file("app/kustomization.yaml", "resources: [m.yaml]\n").unwrap();
    builder.file("secret/m.yaml", MAP).unwrap();
    builder.link("app/m.yaml", "../secret/m.yaml").unwrap();
    let text = refused_with(&builder.build(), &BuildOptions::default());
    assert!(text.contains("is not in or below"), "{text}");
}

#[test]
fn h10_nothing_remote_is_fetched() {
    let metadata = "http://169.254.169.254/latest/meta-data";
    for address in
        [metadata, "https://github.com/a/b", "git::ext::sh -c id", "file:///etc", "ssh://git@x.io/a/b", "git@x.io:a/b"]
    {
        for field in ["resources", "components", "bases"] {
            let text = refused(&[("app/kustomization.yaml", &format!("{field}: [{address:?}]\n"))]);
            assert!(text.contains("remote") || text.contains("does not exist"), "{field} {address}: {text}");
        }
    }
    for content in [
        format!("openapi: {{path: {metadata:?}}}\nresources: []\n"),
        format!("crds: [{metadata:?}]\n"),
        format!("configurations: [{metadata:?}]\n"),
        format!("patches: [{{path: {metadata:?}}}]\n"),
        format!("replacements: [{{path: {metadata:?}}}]\n"),
        format!("configMapGenerator: [{{name: a, files: [\"k={metadata}\"]}}]\n"),
        format!("secretGenerator: [{{name: a, envs: [{metadata:?}]}}]\n"),
        format!("transformers: [{metadata:?}]\n"),
    ] {
        let text = refused(&[("app/kustomization.yaml", &content)]);
        assert!(text.contains("is a remote "), "{content}: {text}");
    }
}

#[test]
fn h11_cycles_are_found() {
    for (files, what) in [
        (vec![("app/kustomization.yaml", "resources: [.]\n")], "itself"),
        (
            vec![("app/kustomization.yaml", "resources: [..]\n"), ("kustomization.yaml", "resources: [app]\n")],
            "its parent",
        ),
        (
            vec![
                ("app/kustomization.yaml", "resources: [../a]\n"),
                ("a/kustomization.yaml", "resources: [../b]\n"),
                ("b/kustomization.yaml", "components: [../app]\n"),
            ],
            "three",
        ),
    ] {
        let text = refused(&files);
        assert!(text.contains("cycle detected"), "{what}: {text}");
    }
}

#[test]
fn h11_a_chain_of_ten_thousand_ends_at_the_limit() {
    let files: Vec<(String, String)> = (0..10_000)
        .map(|i| (format!("b{i}/kustomization.yaml"), format!("resources: [../b{}]\n", i + 1)))
        .chain([("app/kustomization.yaml".to_owned(), "resources: [../b0]\n".to_owned())])
        .collect();
    let text = refused_with(&tree(&files), &BuildOptions::default());
    assert!(text.contains("more than 100 kustomizations inside each other"), "{text}");
}

#[test]
fn h11_two_overlays_of_each_base_do_not_multiply() {
    // Every level names the next one twice: without a bound, 2^40 kustomizations.
    let mut files = vec![("app/kustomization.yaml".to_owned(), "resources: [../a0, ../b0]\n".to_owned())];
    for i in 0..40 {
        for side in ["a", "b"] {
            let text = format!("nameSuffix: -{side}\nresources: [../a{0}, ../b{0}]\n", i + 1);
            files.push((format!("{side}{i}/kustomization.yaml"), text));
        }
    }
    files.extend(["a40", "b40"].map(|leaf| (format!("{leaf}/kustomization.yaml"), "resources: []\n".to_owned())));
    let mut options = BuildOptions::default();
    options.limits.files = 5_000;
    let text = refused_with(&tree(&files), &options);
    assert!(text.contains("more than 5000 files"), "{text}");
}

/// A host whose remote base names itself, and which counts how often it was asked.
#[derive(Debug, Default)]
struct Endless {
    cancel: Option<Arc<AtomicBool>>,
}

impl Remotes for Endless {
    fn base(&self, base: &RemoteBase) -> Result<(Tree, String), String> {
        if let Some(cancel) = &self.cancel {
            cancel.store(true, Ordering::Relaxed);
        }
        let number: u64 = base.reference.parse().map_err(|_| "no number".to_owned())?;
        let next = format!("resources: [\"https://x.io/a/b?ref={}\"]\n", number + 1);
        Ok((Tree::from_files([("deploy/kustomization.yaml", next)]).unwrap(), "deploy".into()))
    }
}

#[test]
fn h11_remote_bases_may_lead_on_no_further_than_others() {
    let files = tree(&[("app/kustomization.yaml", "resources: [\"https://x.io/a/b?ref=1\"]\n")]);
    let mut options = BuildOptions { remotes: Some(Arc::new(Endless::default())), ..BuildOptions::default() };
    let text = refused_with(&files, &options);
    assert!(text.contains("more than 100 kustomizations inside each other"), "{text}");
    let files = tree(&[("app/kustomization.yaml", "resources: [\"https://x.io/a/b?ref=x\"]\n")]);
    let text = refused_with(&files, &options);
    assert!(text.contains("no number"), "{text}");
    // A build that is cancelled while it waits for its host stops there.
    let cancel = Arc::new(AtomicBool::new(false));
    options.cancel = Some(Arc::clone(&cancel));
    options.remotes = Some(Arc::new(Endless { cancel: Some(cancel) }));
    let files = tree(&[("app/kustomization.yaml", "resources: [\"https://x.io/a/b?ref=1\"]\n")]);
    assert!(matches!(build(&files, "app", &options).unwrap_err().cause, Cause::Cancelled));
}

/// A host with one base, one file and one chart.
#[derive(Debug)]
struct Shelf;

impl Remotes for Shelf {
    fn base(&self, base: &RemoteBase) -> Result<(Tree, String), String> {
        let content = "namePrefix: remote-\nresources: [m.yaml, ../../outside.yaml]\n";
        let content = if base.path == "good" { "namePrefix: remote-\nresources: [m.yaml]\n" } else { content };
        let path = format!("deploy/{}", base.path);
        let files = [
            (format!("{path}/kustomization.yaml"), content),
            (format!("{path}/m.yaml"), MAP),
            ("outside.yaml".into(), APP),
        ];
        Ok((Tree::from_files(files).unwrap(), path))
    }

    fn file(&self, url: &str) -> Result<Bytes, String> {
        match url {
            "https://x.io/app.yaml" => Ok(Bytes::from(APP)),
            _ => Err("404".into()),
        }
    }
}

#[test]
fn h10_a_host_may_supply_what_is_remote() {
    let options = BuildOptions { remotes: Some(Arc::new(Shelf)), load_outside_root: true, ..BuildOptions::default() };
    let files = tree(&[(
        "app/kustomization.yaml",
        "resources: [\"https://x.io/app.yaml\", \"https://x.io/a/b/good?ref=v1\"]\nbuildMetadata: [originAnnotations]\n",
    )]);
    let output = build(&files, "app", &options).unwrap().to_yaml();
    assert!(output.contains("name: remote-m\n") && output.contains("kind: Deployment\n"), "{output}");
    assert!(output.contains("path: good/m.yaml\n      repo: https://x.io/a/b\n      ref: v1\n"), "{output}");
    // What is remote never reads outside its own directory, whatever is allowed to what is local.
    let files = tree(&[("app/kustomization.yaml", "resources: [\"https://x.io/a/b/bad\"]\n")]);
    let text = refused_with(&files, &options);
    assert!(text.contains("is not in or below"), "{text}");
    let files = tree(&[("app/kustomization.yaml", "resources: [\"https://x.io/gone.yaml\"]\n")]);
    let text = refused_with(&files, &options);
    assert!(text.contains("gone.yaml' is a remote file: 404"), "{text}");
}

#[test]
fn h12_programs_are_not_run() {
    let function = |how: &str| {
        format!(
            "apiVersion: x.io/v1\nkind: Fn\nmetadata:\n  name: f\n  annotations:\n    config.kubernetes.io/function: |\n      {how}\n"
        )
    };
    let container = function("container: {image: evil}");
    let exec = function("exec: {path: /bin/sh}");
    let starlark = function("starlark: {path: x.star, name: x}");
    let go = "apiVersion: someteam.example.com/v1\nkind: DatePrefixer\nmetadata: {name: d}\n".to_owned();
    for plugin in [&container, &exec, &starlark, &go] {
        for field in ["generators", "transformers", "validators"] {
            let text = refused(&[("app/kustomization.yaml", &format!("{field}: [p.yaml]\n")), ("app/p.yaml", plugin)]);
            assert!(text.contains("external plugins disabled"), "{field}: {text}");
        }
    }
}

#[test]
fn h13_patches_that_double_a_document_end_at_the_limit() {
    let mut patch = String::from("- {op: add, path: /data, value: {a: [x]}}\n");
    for _ in 0..64 {
        patch.push_str("- {op: copy, from: /data, path: /data/b}\n- {op: move, from: /data/b, path: /data/a/0}\n");
        patch.push_str("- {op: copy, from: /data/a, path: /data/c}\n");
    }
    let text = refused(&[
        ("app/kustomization.yaml", "resources: [m.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n"),
        ("app/m.yaml", MAP),
        ("app/p.yaml", &patch),
    ]);
    assert!(text.contains("all copies together"), "{text}");
}

#[test]
fn h13_pointers_that_lead_nowhere_say_so() {
    for path in ["/a/b/c", "/metadata/name/x", "x", "/-", "/metadata/-1", "/data/99999999999999999999", "/~2", "/~"] {
        let patch = format!("[{{\"op\": \"replace\", \"path\": {path:?}, \"value\": 1}}]");
        let kustomization =
            format!("resources: [m.yaml]\npatches: [{{patch: {patch:?}, target: {{kind: ConfigMap}}}}]\n");
        let files = tree(&[("app/kustomization.yaml", kustomization.as_str()), ("app/m.yaml", MAP)]);
        // Some of these name a field that may be set; none may panic.
        let _ = build(&files, "app", &BuildOptions::default());
    }
    let deep = format!("[{{\"op\": \"add\", \"path\": \"{}\", \"value\": 1}}]", "/a".repeat(100_000));
    let kustomization = format!("resources: [m.yaml]\npatches: [{{patch: {deep:?}, target: {{kind: ConfigMap}}}}]\n");
    let text = refused(&[("app/kustomization.yaml", &kustomization), ("app/m.yaml", MAP)]);
    assert!(text.len() < 2_000, "an error of {} bytes", text.len());
}

#[test]
fn h13_one_large_patch_for_many_objects_ends_at_the_limit() {
    let objects: String =
        (0..2_000).map(|i| format!("{}---\n", MAP.replace("name: m", &format!("name: m{i}")))).collect();
    let large = "x".repeat(1 << 20);
    let patch = format!("{MAP}data: {{k: {large}}}\n");
    let operations = format!("- {{op: add, path: /data, value: {large}}}\n");
    let mut options = BuildOptions::default();
    options.limits.bytes = 16 << 20;
    for patch in [&patch, &operations] {
        let files = tree(&[
            ("app/kustomization.yaml", "resources: [m.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n"),
            ("app/m.yaml", objects.as_str()),
            ("app/p.yaml", patch.as_str()),
        ]);
        let text = refused_with(&files, &options);
        assert!(text.contains("more than 16777216 bytes"), "{text}");
    }
    let replacement = "resources: [m.yaml, s.yaml]\nreplacements:\n- source: {name: source, fieldPath: data.k}\n  targets: [{select: {name: m.*}, fieldPaths: [data.k], options: {create: true}}]\n";
    let source = format!("{}data: {{k: {large}}}\n", MAP.replace("name: m", "name: source"));
    let files = tree(&[
        ("app/kustomization.yaml", replacement),
        ("app/m.yaml", objects.as_str()),
        ("app/s.yaml", source.as_str()),
    ]);
    let text = refused_with(&files, &options);
    assert!(text.contains("more than 16777216 bytes"), "{text}");
}

#[test]
fn h14_generators_read_nothing_outside() {
    for path in ["/etc/passwd", "../../../etc/passwd", "/proc/self/environ", "../secret.txt"] {
        for content in [
            format!("configMapGenerator: [{{name: a, files: [{path:?}]}}]\n"),
            format!("configMapGenerator: [{{name: a, files: [\"k={path}\"]}}]\n"),
            format!("secretGenerator: [{{name: a, envs: [{path:?}]}}]\n"),
            format!("configMapGenerator: [{{name: a, env: {path:?}}}]\n"),
        ] {
            let text = refused(&[("app/kustomization.yaml", &content), ("secret.txt", "k=v")]);
            assert!(text.contains("does not exist") || text.contains("is not in or below"), "{content}: {text}");
        }
    }
}

#[test]
fn h14_one_large_file_in_many_keys_ends_at_the_limit() {
    let large = "x".repeat(4 << 20);
    let files: String = (0..1_000).fold(String::new(), |mut text, i| {
        let _ = write!(text, "k{i}=large.txt,");
        text
    });
    let kustomization = format!("configMapGenerator: [{{name: a, files: [{files}]}}]\n");
    let mut options = BuildOptions::default();
    options.limits.bytes = 16 << 20;
    let files = tree(&[("app/kustomization.yaml", kustomization.as_str()), ("app/large.txt", large.as_str())]);
    let text = refused_with(&files, &options);
    assert!(text.contains("more than 16777216 bytes"), "{text}");
}

#[test]
fn h16_objects_as_deep_as_they_may_be_pass_through_everything() {
    const DEPTH: usize = 120;
    let deep = format!("{}x{}", "{a: ".repeat(DEPTH), "}".repeat(DEPTH));
    let lists = format!("{}x{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let app = format!("{APP}spec: {{deep: {deep}, lists: {lists}}}\n");
    let patch = format!("{APP}spec: {{deep: {}}}\n", deep.replace('x', "changed"));
    let kustomization = "resources: [r.yaml]\nnamePrefix: p-\nnamespace: ns\ncommonLabels: {a: b}\nimages: [{name: x, newTag: t}]\n\
                         patches:\n- {path: p.yaml}\n- {path: p.yaml, target: {kind: Deployment}}\n\
                         - {patch: '[{\"op\": \"copy\", \"from\": \"/spec\", \"path\": \"/copy\"}]', target: {kind: Deployment}}\n\
                         replacements:\n- source: {kind: Deployment, fieldPath: spec.deep}\n  \
                         targets: [{select: {kind: Deployment}, fieldPaths: [spec.lists, spec.new], options: {create: true}}]\n";
    let files =
        [("app/kustomization.yaml", kustomization), ("app/r.yaml", app.as_str()), ("app/p.yaml", patch.as_str())];
    let output = built(&files);
    assert_eq!(output.objects.len(), 1);
    assert!(output.to_yaml().contains("a: changed\n"));
}

/// Texts that are hostile to whoever reads YAML.
fn hostile_yaml() -> Vec<(&'static str, String)> {
    let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (this, before) in "bcdefghijk".chars().zip("abcdefghij".chars()) {
        let _ = writeln!(laughs, "{this}: &{this} [{}]", vec![format!("*{before}"); 9].join(", "));
    }
    vec![
        ("billion laughs", laughs),
        ("10k nested lists", format!("a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000))),
        ("10k nested maps", format!("a: {}1{}\n", "{a: ".repeat(10_000), "}".repeat(10_000))),
        ("1k levels of indentation", (0..1_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect()),
        ("a NUL", "a: \0\n".to_owned()),
        ("a tab", "a:\n\tb: 1\n".to_owned()),
        ("an open quote", "a: \"b\n".to_owned()),
        ("an alias to itself", "a: &a [*a]\n".to_owned()),
        ("an unknown alias", "a: *b\n".to_owned()),
    ]
}

#[test]
fn h16_hostile_yaml_is_refused_wherever_it_stands() {
    let places: &[(&str, &str)] = &[
        ("kustomization.yaml", ""),
        ("r.yaml", "resources: [r.yaml]\n"),
        ("p.yaml", "resources: [m.yaml]\npatches: [{path: p.yaml}]\n"),
        ("p.yaml", "resources: [m.yaml]\npatchesStrategicMerge: [p.yaml]\n"),
        (
            "p.yaml",
            "resources: [m.yaml]\npatchesJson6902: [{path: p.yaml, target: {version: v1, kind: ConfigMap, name: m}}]\n",
        ),
        ("c.yaml", "resources: [m.yaml]\nconfigurations: [c.yaml]\n"),
        ("t.yaml", "resources: [m.yaml]\ntransformers: [t.yaml]\n"),
        ("o.yaml", "resources: [m.yaml]\nopenapi: {path: o.yaml}\n"),
        ("d.yaml", "resources: [m.yaml]\ncrds: [d.yaml]\n"),
        ("x.yaml", "resources: [m.yaml]\nreplacements: [{path: x.yaml}]\n"),
    ];
    for (name, text) in hostile_yaml() {
        for (file, kustomization) in places {
            let mut files = vec![("app/m.yaml".to_owned(), MAP.to_owned()), (format!("app/{file}"), text.clone())];
            if *file != "kustomization.yaml" {
                files.push(("app/kustomization.yaml".into(), (*kustomization).to_owned()));
            }
            let said = refused_with(&tree(&files), &BuildOptions::default());
            assert!(said.len() < 4_000, "{name} in {file}: an error of {} bytes", said.len());
        }
    }
}

#[test]
fn h16_odd_yaml_is_read_as_the_real_program_reads_it() {
    let numbers = format!("{MAP}data: {{a: .nan, b: .inf, c: 9223372036854775808, d: 1e400}}\n");
    let _ = build(
        &tree(&[("app/kustomization.yaml", "resources: [r.yaml]\n"), ("app/r.yaml", &numbers)]),
        "app",
        &BuildOptions::default(),
    );
    let keys = format!("{MAP}data: {{1: a, true: b}}\n");
    let text = refused(&[("app/kustomization.yaml", "resources: [r.yaml]\n"), ("app/r.yaml", &keys)]);
    assert!(text.contains("app/r.yaml") && text.contains("not a string"), "{text}");
    let floods = format!("{}{MAP}", "---\n".repeat(50_000));
    assert_eq!(built(&[("app/kustomization.yaml", "resources: [r.yaml]\n"), ("app/r.yaml", &floods)]).objects.len(), 1);
}

#[test]
fn h18_text_inside_text_does_not_expand() {
    let inner = hostile_yaml().swap_remove(0).1.replace('\n', "\n    ");
    let map = format!("{MAP}data:\n  inner: |\n    {inner}\n");
    let kustomization = "resources: [m.yaml]\nreplacements:\n- sourceValue: x\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.inner.k]}]\n";
    refused(&[("app/kustomization.yaml", kustomization), ("app/m.yaml", &map)]);
}

#[test]
fn h19_huge_lists_end_at_the_limit() {
    let mut list = String::from("apiVersion: v1\nkind: ConfigMapList\nitems:\n");
    for i in 0..20_000 {
        let _ = writeln!(list, "- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: m{i}}}}}");
    }
    let mut options = BuildOptions::default();
    options.limits.resources = 10_000;
    let files = tree(&[("app/kustomization.yaml", "resources: [r.yaml]\n"), ("app/r.yaml", &list)]);
    let text = refused_with(&files, &options);
    assert!(text.contains("more than 10000 resources"), "{text}");
    // Lists in lists in lists are unpacked level by level, as deep as a text may be.
    let mut nested = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}".to_owned();
    for _ in 0..60 {
        nested = format!("{{kind: XList, apiVersion: v1, items: [{nested}]}}");
    }
    let files = [("app/kustomization.yaml", "resources: [r.yaml]\n"), ("app/r.yaml", nested.as_str())];
    assert_eq!(built(&files).objects.len(), 1);
}

#[test]
fn every_limit_ends_a_build() {
    let files = tree(&[
        ("app/kustomization.yaml", "resources: [m.yaml, ../base]\nconfigMapGenerator: [{name: g, literals: [a=b]}]\n"),
        ("app/m.yaml", MAP),
        ("base/kustomization.yaml", "resources: [d.yaml]\n"),
        ("base/d.yaml", APP),
    ]);
    let limited = |change: fn(&mut Limits)| {
        let mut options = BuildOptions::default();
        change(&mut options.limits);
        build(&files, "app", &options).map_err(|error| error.cause.to_string()).unwrap_err()
    };
    assert_eq!(limited(|limits| limits.resources = 2), "more than 2 resources");
    assert_eq!(limited(|limits| limits.files = 3), "more than 3 files");
    assert_eq!(limited(|limits| limits.bytes = 60), "more than 60 bytes");
    assert_eq!(limited(|limits| limits.depth = 1), "more than 1 kustomizations inside each other");
    assert!(limited(|limits| limits.yaml.bytes = 30).contains("30"));
}
