//! What happens between rendering and installing: a HelmRelease's post-renderers, and labels for everything.

use std::collections::BTreeMap;

use flux_core::Tree;
use flux_core::tree::TreeError;
use flux_core::yaml::{self, Layout};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::error::HelmError;
use super::manifests::{RenderedManifest, Sorter, read};
use super::output::Release;
use crate::kustomize::{
    self, BuildError, BuildOptions, CommonMetadata, FluxImage, FluxKustomization, FluxPatch, Order, set_metadata,
};

/// The label with the name of the HelmRelease that an object is from.
const ORIGIN_NAME: &str = "helm.toolkit.fluxcd.io/name";
/// The label with its namespace.
const ORIGIN_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";

/// What to do to a release after rendering, in this order: the post-renderers, the common metadata, the origin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostRender {
    /// The post-renderers (`spec.postRenderers`), each over what the one before it made.
    pub renderers: Vec<PostRenderer>,
    /// Which of hooks and other objects a post-renderer sees together (`spec.postRenderStrategy`).
    pub strategy: PostRenderStrategy,
    /// Labels and annotations for everything (`spec.commonMetadata`).
    pub common_metadata: CommonMetadata,
    /// The name and namespace of the HelmRelease, as labels for everything.
    pub origin: Option<(String, String)>,
}

/// One post-renderer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostRenderer {
    /// Patches and images, as kustomize applies them.
    pub kustomize: PostRenderKustomize,
}

/// What a post-renderer changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostRenderKustomize {
    /// Strategic merges and JSON patches.
    pub patches: Vec<FluxPatch>,
    /// Images to rename or retag.
    pub images: Vec<FluxImage>,
}

/// How hooks meet post-renderers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostRenderStrategy {
    /// Hooks and other objects together.
    #[default]
    Combined,
    /// Hooks and other objects, each by themselves, so that one object may be in both.
    Separate,
    /// Hooks are left alone, as in Helm 3.
    NoHooks,
}

/// Why a release cannot be post-rendered.
#[derive(Debug, thiserror::Error)]
pub enum PostRenderError {
    /// What was rendered is not what kustomize takes, or a patch does not fit.
    #[error("error while running post render on {template}: {error}")]
    Kustomize {
        /// The template that the object at fault is from, if one is.
        template: String,
        /// What kustomize says.
        error: Box<BuildError>,
    },
    /// More than a tree may hold.
    #[error("error while running post render: {0}")]
    Tree(#[from] TreeError),
    /// What came out is no manifest.
    #[error(transparent)]
    Manifest(#[from] HelmError),
}

impl PostRender {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.renderers.is_empty() && self.common_metadata == CommonMetadata::default() && self.origin.is_none()
    }

    /// Applies this to a release. Its notes, CRDs and warnings stay; hooks and manifests are told apart anew, as a patch
    /// may make one of the other.
    ///
    /// # Errors
    /// As [`PostRenderError`] lists.
    pub fn apply(&self, release: Release) -> Result<Release, PostRenderError> {
        if self.is_empty() {
            return Ok(release);
        }
        let Release { manifests, hooks, notes, crds, mut warnings } = release;
        let hooks: Vec<RenderedManifest> = hooks.into_iter().map(|hook| hook.manifest).collect();
        let mut documents = Vec::new();
        match self.strategy {
            PostRenderStrategy::Combined => {
                let mut all: Vec<_> = hooks.into_iter().chain(manifests).collect();
                all.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
                documents.extend(self.run(all)?);
            }
            PostRenderStrategy::Separate => {
                documents.extend(self.run(hooks)?);
                documents.extend(self.run(manifests)?);
            }
            PostRenderStrategy::NoHooks => {
                documents.extend(hooks);
                documents.extend(self.run(manifests)?);
            }
        }
        documents.sort_by(|a, b| a.path.cmp(&b.path));
        let mut sorter = Sorter::default();
        documents.into_iter().for_each(|document| sorter.add(document, &mut warnings));
        let (hooks, manifests) = sorter.finish();
        Ok(Release { manifests, hooks, notes, crds, warnings })
    }

    /// Runs everything over some documents.
    fn run(&self, documents: Vec<RenderedManifest>) -> Result<Vec<RenderedManifest>, PostRenderError> {
        let mut objects: Vec<Placed> = documents
            .into_iter()
            .filter(|document| !document.value.is_null())
            .map(|document| Placed { path: document.path, line: document.line, value: document.value })
            .collect();
        for renderer in &self.renderers {
            objects = kustomized(objects, &renderer.kustomize)?;
        }
        let origin = self.origin.iter().flat_map(|(name, namespace)| {
            [(ORIGIN_NAME.to_owned(), name.clone()), (ORIGIN_NAMESPACE.to_owned(), namespace.clone())]
        });
        let origin: BTreeMap<String, String> = origin.collect();
        let finished = objects.into_iter().map(|mut object| {
            set_metadata(&mut object.value, "labels", &self.common_metadata.labels);
            set_metadata(&mut object.value, "annotations", &self.common_metadata.annotations);
            set_metadata(&mut object.value, "labels", &origin);
            let text = yaml::write(&object.value, Layout::Sigs);
            Ok(read(&object.path, object.line, &text, false)?)
        });
        finished.collect()
    }
}

/// An object and the template it is from.
struct Placed {
    path: String,
    line: usize,
    value: Json,
}

/// The objects as kustomize makes them with some patches and images. Each lies in a file of its own, by which what
/// comes out is known again.
fn kustomized(objects: Vec<Placed>, changes: &PostRenderKustomize) -> Result<Vec<Placed>, PostRenderError> {
    let file = |i: usize| format!("{i:06}.yaml");
    let resources: Vec<String> = (0..objects.len()).map(file).collect();
    let kustomization = serde_json::json!({"resources": resources}).to_string();
    let files = objects.iter().enumerate().map(|(i, object)| (file(i), yaml::write(&object.value, Layout::Sigs)));
    let tree = Tree::from_files(files.chain([("kustomization.yaml".to_owned(), kustomization)]))?;
    let settings = FluxKustomization {
        patches: changes.patches.clone(),
        images: changes.images.clone(),
        ..FluxKustomization::default()
    };
    let options = BuildOptions { order: Order::AsRead, ..BuildOptions::default() };
    let place = |file: &str| {
        let index: usize = file.strip_suffix(".yaml")?.parse().ok()?;
        objects.get(index).map(|object| (object.path.clone(), object.line))
    };
    let built = kustomize::build_with(&tree, "", &settings, &options).map_err(|error| {
        let template = place(&error.origin.file).map_or_else(|| "files".to_owned(), |(path, _)| path);
        PostRenderError::Kustomize { template, error: Box::new(error) }
    })?;
    let placed = built.objects.into_iter().enumerate().map(|(i, built)| {
        let (path, line) =
            place(&built.origin.file).unwrap_or_else(|| (format!("generated-by-postrender-{i}.yaml"), 1));
        Placed { path, line, value: built.value }
    });
    Ok(placed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::{Chart, ChartLimits, ReleaseInfo, RenderOptions, Table, render};

    fn release() -> Release {
        let files = [
            ("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"),
            (
                "app/templates/a.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: \
                 [{name: c, image: 'nginx:1'}]}}}\n---\n# nothing\n",
            ),
            (
                "app/templates/b.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {helm.sh/hook: test}}\nspec: {containers: \
                 [{name: c, image: 'nginx:1'}]}\n",
            ),
        ];
        let chart = Chart::from_tree(&Tree::from_files(files).unwrap(), "app", &ChartLimits::default()).unwrap();
        render(&chart, &Table::new(), &ReleaseInfo::install("r", "ns"), &RenderOptions::default()).unwrap()
    }

    fn post_render(strategy: PostRenderStrategy) -> PostRender {
        let renderers: Vec<PostRenderer> = serde_json::from_value(serde_json::json!([{"kustomize": {
            "patches": [{"target": {"kind": "Deployment"}, "patch": "- op: add\n  path: /spec/replicas\n  value: 3\n"}],
            "images": [{"name": "nginx", "newTag": "2"}],
        }}]))
        .unwrap();
        let common_metadata =
            CommonMetadata { labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]), ..Default::default() };
        let origin = Some(("rel".to_owned(), "apps".to_owned()));
        PostRender { renderers, strategy, common_metadata, origin }
    }

    #[test]
    fn patches_images_and_labels() {
        let done = post_render(PostRenderStrategy::Combined).apply(release()).unwrap();
        let [deployment] = done.manifests.as_slice() else { panic!("{:?}", done.manifests) };
        assert_eq!(deployment.path, "app/templates/a.yaml");
        assert_eq!(deployment.value["spec"]["replicas"], 3);
        assert_eq!(deployment.value["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
        let labels = serde_json::json!({"team": "a", ORIGIN_NAME: "rel", ORIGIN_NAMESPACE: "apps"});
        assert_eq!(deployment.value["metadata"]["labels"], labels);
        let [hook] = done.hooks.as_slice() else { panic!("{:?}", done.hooks) };
        assert_eq!(hook.manifest.value["spec"]["containers"][0]["image"], "nginx:2");
        assert_eq!(hook.manifest.value["metadata"]["labels"], labels);
        assert!(done.manifest().contains("replicas: 3\n"));
    }

    #[test]
    fn hooks_may_be_left_alone() {
        let done = post_render(PostRenderStrategy::NoHooks).apply(release()).unwrap();
        assert_eq!(done.hooks[0].manifest.value["spec"]["containers"][0]["image"], "nginx:1");
        assert_eq!(done.manifests[0].value["spec"]["replicas"], 3);
    }

    #[test]
    fn a_patch_may_make_a_hook() {
        let patch = "metadata: {name: d, annotations: {helm.sh/hook: pre-install}}\n";
        let patch = FluxPatch { patch: format!("apiVersion: apps/v1\nkind: Deployment\n{patch}"), target: None };
        let kustomize = PostRenderKustomize { patches: vec![patch], images: Vec::new() };
        let all = PostRender { renderers: vec![PostRenderer { kustomize }], ..PostRender::default() };
        let done = all.apply(release()).unwrap();
        assert_eq!((done.manifests.len(), done.hooks.len()), (0, 2));
    }

    #[test]
    fn what_does_not_fit_names_the_template() {
        let patch =
            FluxPatch { patch: "- op: remove\n  path: /spec/none\n".to_owned(), target: Some(Default::default()) };
        let kustomize = PostRenderKustomize { patches: vec![patch], images: Vec::new() };
        let all = PostRender { renderers: vec![PostRenderer { kustomize }], ..PostRender::default() };
        let error = all.apply(release()).unwrap_err().to_string();
        assert!(error.starts_with("error while running post render on "), "{error}");
    }
}
