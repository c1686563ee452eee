//! Kustomize as one of Flux's renderers.

use std::sync::Arc;

use async_trait::async_trait;
use flux_core::tree::normalize;
use flux_core::{Artifact, Context, Interrupted, Manifests, Origin, RenderError, Renderer};

use super::{BuildError, BuildOptions, Cause, FileFilter, FluxKustomization, Order, build_with};

/// Renders the kustomization in one directory of an artifact, as Flux's kustomize-controller does.
///
/// A directory without a kustomization file gets one that takes in all its manifests; files outside a kustomization's
/// directory may be read, but never outside the artifact; objects keep the order in which they were read.
///
/// ```
/// # async fn example(cx: &flux_core::Context, artifact: &flux_core::Artifact) -> Result<(), flux_core::RenderError> {
/// use flux_appliers::kustomize::KustomizeRenderer;
/// use flux_core::Renderer;
///
/// let manifests = KustomizeRenderer::new("deploy/production").render(cx, artifact).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct KustomizeRenderer {
    path: String,
    options: BuildOptions,
    settings: FluxKustomization,
}

impl KustomizeRenderer {
    /// Renders the kustomization in `path` (Flux: `spec.path`).
    pub fn new(path: impl Into<String>) -> Self {
        let options = BuildOptions { order: Order::AsRead, load_outside_root: true, ..BuildOptions::default() };
        Self { path: path.into(), options, settings: FluxKustomization::default() }
    }

    /// What a Flux Kustomization adds: target namespace, name prefix and suffix, patches, images, components.
    #[must_use]
    pub fn with_settings(mut self, settings: FluxKustomization) -> Self {
        self.settings = settings;
        self
    }

    /// Other options for the build, its limits among them.
    #[must_use]
    pub fn with_options(mut self, options: BuildOptions) -> Self {
        self.options = options;
        self
    }

    /// The same, with files changed when they are read.
    #[must_use]
    pub fn with_filter(mut self, filter: Arc<dyn FileFilter>) -> Self {
        self.options.filter = Some(filter);
        self
    }

    /// The directory to build, in canonical form. A leading slash is the root of the artifact, as in Flux.
    fn dir_in(&self, artifact: &Artifact) -> Result<String, RenderError> {
        let path = normalize(self.path.trim_start_matches('/')).map_err(|error| RenderError::Input {
            origin: Origin::new("spec.path", 0),
            field: String::new(),
            message: error.to_string(),
        })?;
        if artifact.tree.is_dir(&path) {
            return Ok(path);
        }
        Err(RenderError::PathNotFound {
            path: self.path.clone(),
            revision: artifact.revision.to_string(),
            known: root_of(artifact),
        })
    }
}

/// What there is at the root of an artifact, for an error that names a path that is not there.
fn root_of(artifact: &Artifact) -> String {
    const MOST: usize = 12;
    let names = artifact.tree.list("");
    match names.len() {
        0 => "nothing in it".to_owned(),
        n if n > MOST => format!("{}, … at its root", names[..MOST].join(", ")),
        _ => format!("{} at its root", names.join(", ")),
    }
}

#[async_trait]
impl Renderer for KustomizeRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let path = self.dir_in(artifact)?;
        let (tree, settings, options) = (artifact.tree.clone(), self.settings.clone(), self.options.clone());
        // A build keeps a processor busy.
        let built = cx.run_blocking(move |cancel| {
            let options = BuildOptions { cancel: Some(Arc::clone(cancel)), ..options };
            build_with(&tree, &path, &settings, &options).and_then(super::Output::into_manifests)
        });
        Ok(built.await??)
    }
}

impl From<BuildError> for RenderError {
    fn from(error: BuildError) -> Self {
        let BuildError { origin, object, cause } = error;
        match cause {
            Cause::Cancelled => Interrupted::Cancelled.into(),
            Cause::Limit { what, limit } => {
                RenderError::Limit { origin, what, limit: u64::try_from(limit).unwrap_or(u64::MAX) }
            }
            Cause::Kustomization { field, message } => RenderError::Input { origin, field, message },
            cause => {
                let message = if object.is_empty() { cause.to_string() } else { format!("{object}: {cause}") };
                RenderError::Input { origin, field: String::new(), message }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flux_core::{Revision, Tree};

    async fn render(renderer: KustomizeRenderer, files: &[(&str, &str)]) -> Result<Manifests, RenderError> {
        let tree = Tree::from_files(files.iter().map(|(path, text)| (*path, text.to_string()))).unwrap();
        renderer.render(&Context::background(), &Artifact::new(Revision::new("main@sha1:1"), tree)).await
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

    #[tokio::test]
    async fn common_metadata_goes_on_every_object() {
        let labels = [("team".to_owned(), "web".to_owned())].into();
        let settings = FluxKustomization {
            common_metadata: super::super::CommonMetadata { labels, ..Default::default() },
            name_prefix: "dev-".into(),
            ..FluxKustomization::default()
        };
        let renderer = KustomizeRenderer::new("/").with_settings(settings);
        let manifests = render(renderer, &[("x/a.yaml", MAP)]).await.unwrap();
        let manifest = manifests.iter().next().unwrap();
        assert_eq!((manifest.object.name(), manifest.object.label("team")), ("dev-a", Some("web")));
        assert_eq!((&*manifest.origin.file, manifest.origin.line), ("x/a.yaml", 1));
    }

    #[tokio::test]
    async fn h15_a_path_outside_or_not_there_is_an_error_that_helps() {
        let error = render(KustomizeRenderer::new("../.."), &[("a.yaml", MAP)]).await.unwrap_err().to_string();
        assert_eq!(error, "spec.path: path `../..` leads outside the tree");
        let error = render(KustomizeRenderer::new("./deploi"), &[("deploy/a.yaml", MAP)]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "path `./deploi` not found in revision main@sha1:1; the artifact has deploy at its root"
        );
    }

    #[tokio::test]
    async fn broken_yaml_is_named_by_file_and_line() {
        let files = [("deploy/kustomization.yaml", "resources: [a.yaml]\n"), ("deploy/a.yaml", "a: 1\n\tb: 2\n")];
        let error = render(KustomizeRenderer::new("deploy"), &files).await.unwrap_err();
        assert_eq!(error.origin().map(|o| (o.file.to_string(), o.line)), Some(("deploy/a.yaml".into(), 2)), "{error}");
    }
}
