//! Kustomize as a renderer, and what Flux puts on top of it.

use flux_appliers::kustomize::{
    BuildOptions, FluxImage, FluxKustomization, FluxPatch, KustomizeRenderer, build, build_with,
};
use flux_core::{Artifact, Context, RenderError, Renderer, Revision, Tree};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";
const POD: &str =
    "---\n# web\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: nginx}]}\n";

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::from_files(files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec()))).unwrap()
}

fn artifact(files: &[(&str, &str)]) -> Artifact {
    Artifact::new(Revision::new("main@sha1:0123456789"), tree(files))
}

#[tokio::test]
async fn a_directory_without_a_kustomization_gets_one() {
    let artifact = artifact(&[
        ("app/b.yaml", POD),
        ("app/sub/a.yml", MAP),
        ("app/own/kustomization.yaml", "namePrefix: own-\nresources: [m.yaml]\n"),
        ("app/own/m.yaml", MAP),
        ("app/notes.txt", "not a manifest"),
    ]);
    let manifests = KustomizeRenderer::new("app").render(&Context::background(), &artifact).await.unwrap();
    let names: Vec<_> = manifests.iter().map(|manifest| manifest.object.name().to_owned()).collect();
    assert_eq!(names, ["web", "own-settings", "settings"]);
    let web = manifests.iter().next().unwrap();
    assert_eq!((&*web.origin.file, web.origin.line), ("app/b.yaml", 3));
}

#[tokio::test]
async fn nothing_at_all_renders_nothing() {
    let artifact = artifact(&[("app/readme.md", "")]);
    let manifests = KustomizeRenderer::new("app").render(&Context::background(), &artifact).await.unwrap();
    assert!(manifests.is_empty());
}

#[tokio::test]
async fn errors_name_file_and_line() {
    let renderer = KustomizeRenderer::new("app");
    let missing = artifact(&[("other/a.yaml", MAP)]);
    let error = renderer.render(&Context::background(), &missing).await.unwrap_err();
    assert!(matches!(error, RenderError::PathNotFound { .. }), "{error}");
    let broken = artifact(&[
        ("app/kustomization.yaml", "resources:\n- ../base\n"),
        ("base/kustomization.yaml", "resources:\n- a.yaml\nimages:\n- name: x\n  newTag: 1.5\n"),
    ]);
    let error = renderer.render(&Context::background(), &broken).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "base/kustomization.yaml:5 (through app): images[0].newTag: expected a string, found a number"
    );
}

#[test]
fn flux_settings_come_on_top() {
    let tree = tree(&[
        ("kustomization.yaml", "resources: [pod.yaml]\nimages: [{name: nginx, newTag: a}]\n"),
        ("pod.yaml", POD),
    ]);
    let settings = FluxKustomization {
        target_namespace: "prod".into(),
        name_prefix: "x-".into(),
        patches: vec![FluxPatch {
            patch: "- op: add\n  path: /metadata/labels\n  value: {a: b}\n".into(),
            target: Some(flux_appliers::kustomize::FluxSelector { kind: "Pod".into(), ..Default::default() }),
        }],
        images: vec![FluxImage { name: "nginx".into(), new_tag: "b".into(), ..FluxImage::default() }],
        ..FluxKustomization::default()
    };
    let output = build_with(&tree, "", &settings, &BuildOptions::default()).unwrap();
    let value = &output.objects[0].value;
    assert_eq!(value["metadata"], serde_json::json!({"name": "x-web", "namespace": "prod", "labels": {"a": "b"}}));
    assert_eq!(value["spec"]["containers"][0]["image"], "nginx:b");
}

#[test]
fn cancellation_and_limits_end_a_build() {
    let tree =
        tree(&[("kustomization.yaml", "resources: [map.yaml, pod.yaml]\n"), ("map.yaml", MAP), ("pod.yaml", POD)]);
    let mut options = BuildOptions::default();
    options.limits.resources = 1;
    assert_eq!(build(&tree, "", &options).unwrap_err().cause.to_string(), "more than 1 resources");
    options.cancel = Some(std::sync::Arc::new(true.into()));
    assert_eq!(build(&tree, "", &options).unwrap_err().cause.to_string(), "cancelled");
}
