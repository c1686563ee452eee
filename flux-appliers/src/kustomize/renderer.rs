//! Kustomize as a renderer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use flux_core::tree::normalize;
use flux_core::{Artifact, Context, Interrupted, Manifests, Origin, RenderError, Renderer};

use super::error::{BuildError, Cause};
use super::overlay::origin_of;
use super::{BuildOptions, Limits, Order, Overlay, RemoteBases, build};

/// Renders a directory of an artifact as Flux's kustomize-controller does: the kustomization in it, or one made for all
/// manifests below it, with the [`Overlay`] on top.
///
/// ```
/// use flux_appliers::kustomize::{KustomizeRenderer, Overlay};
/// let renderer = KustomizeRenderer::new("./deploy")
///     .overlay(Overlay { target_namespace: Some("web".into()), ..Overlay::default() });
/// ```
///
/// # Deviations from Flux
/// Symbolic links inside the source are followed where a kustomization names them; Flux's artifacts have none. Remote
/// bases are refused unless the host supplies them.
#[derive(Clone, Debug)]
pub struct KustomizeRenderer {
    path: String,
    overlay: Overlay,
    limits: Limits,
    remotes: Option<Arc<dyn RemoteBases>>,
}

impl KustomizeRenderer {
    /// Renders this directory; `.` or nothing is the root of the artifact.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), overlay: Overlay::default(), limits: Limits::default(), remotes: None }
    }

    /// The same with this on top.
    #[must_use]
    pub fn overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = overlay;
        self
    }

    /// The same under these limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with bases that are named by URL supplied by the host.
    #[must_use]
    pub fn remotes(mut self, remotes: Arc<dyn RemoteBases>) -> Self {
        self.remotes = Some(remotes);
        self
    }

    fn render(&self, artifact: &Artifact, cancel: &Arc<AtomicBool>) -> Result<Manifests, RenderError> {
        // Flux reads a leading slash as the root of the artifact.
        let path = normalize(self.path.trim_start_matches('/')).map_err(|error| RenderError::Input {
            origin: Origin::new("spec.path", 0),
            field: "spec.path".to_owned(),
            message: error.to_string(),
        })?;
        if !artifact.tree.is_dir(&path) {
            return Err(RenderError::PathNotFound {
                path: self.path.clone(),
                revision: artifact.revision.to_string(),
                known: known(artifact),
            });
        }
        let options = BuildOptions {
            order: Order::AsRead,
            load_outside_root: true,
            limits: self.limits,
            cancel: Some(cancel.clone()),
            remotes: self.remotes.clone(),
            ..BuildOptions::default()
        };
        let built = self
            .overlay
            .prepare(&artifact.tree, &path)
            .and_then(|tree| build(&tree, &path, &options)?.into_manifests())
            .map_err(|error| render_error(error, &path))?;
        if self.overlay.labels.is_empty() && self.overlay.annotations.is_empty() {
            return Ok(built);
        }
        Ok(built.map(|object| self.overlay.finish(object)))
    }
}

/// What there is at the root of an artifact, for an error that names a path that is not there.
fn known(artifact: &Artifact) -> String {
    const MOST: usize = 12;
    let names = artifact.tree.list("");
    match names.len() {
        0 => "nothing in it".to_owned(),
        n if n > MOST => format!("{}, … at its root", names[..MOST].join(", ")),
        _ => format!("{} at its root", names.join(", ")),
    }
}

fn render_error(error: BuildError, path: &str) -> RenderError {
    let origin = if error.origin.file.is_empty() { origin_of(path) } else { error.origin };
    match error.cause {
        Cause::Cancelled => RenderError::Interrupted(Interrupted::Cancelled),
        Cause::Limit { what, limit } => RenderError::Limit { origin, what, limit: limit as u64 },
        cause => RenderError::Input { origin, field: error.object, message: cause.to_string() },
    }
}

#[async_trait]
impl Renderer for KustomizeRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let (this, artifact) = (self.clone(), artifact.clone());
        cx.run_blocking(move |cancel| Self::render(&this, &artifact, cancel)).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flux_core::{Revision, Tree};
    use std::collections::BTreeMap;

    async fn render(renderer: KustomizeRenderer, files: &[(&str, &str)]) -> Result<Manifests, RenderError> {
        let tree = Tree::from_files(files.iter().map(|(path, text)| (*path, text.to_string()))).unwrap();
        let artifact = Artifact::new(Revision::new("main@sha1:1"), tree);
        Renderer::render(&renderer, &Context::background(), &artifact).await
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

    #[tokio::test]
    async fn common_metadata_goes_on_every_object() {
        let labels: BTreeMap<String, String> = [("team".to_owned(), "web".to_owned())].into();
        let overlay = Overlay { labels, name_prefix: Some("dev-".into()), ..Overlay::default() };
        let manifests = render(KustomizeRenderer::new("/").overlay(overlay), &[("x/a.yaml", MAP)]).await.unwrap();
        let manifest = manifests.iter().next().unwrap();
        assert_eq!((manifest.object.name(), manifest.object.label("team")), ("dev-a", Some("web")));
        assert_eq!((&*manifest.origin.file, manifest.origin.line), ("x/a.yaml", 1));
    }

    #[tokio::test]
    async fn h15_a_path_outside_or_not_there_is_an_error_that_helps() {
        let error = render(KustomizeRenderer::new("../.."), &[("a.yaml", MAP)]).await.unwrap_err().to_string();
        assert!(error.contains("spec.path") && error.contains("outside"), "{error}");
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
