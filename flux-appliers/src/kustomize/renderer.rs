//! Kustomize as one of Flux's renderers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use flux_core::{Artifact, Class, Context, Interrupted, Manifests, RenderError, Renderer};

use super::{BuildError, BuildOptions, Cause, FluxKustomization, Order, build_with};

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
}

/// Ends a build whose result nobody waits for any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Renderer for KustomizeRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        cx.check()?;
        if !artifact.tree.is_dir(&self.path) {
            return Err(RenderError::PathNotFound {
                path: self.path.clone(),
                revision: artifact.revision.to_string(),
                known: artifact.tree.list("").join(", "),
            });
        }
        let cancel = Arc::new(AtomicBool::new(false));
        let _guard = CancelOnDrop(Arc::clone(&cancel));
        let (tree, path, settings) = (artifact.tree.clone(), self.path.clone(), self.settings.clone());
        let options = BuildOptions { cancel: Some(cancel), ..self.options.clone() };
        // A build keeps a processor busy, and a panic in it must not end the host.
        let work = tokio::task::spawn_blocking(move || {
            build_with(&tree, &path, &settings, &options).and_then(super::Output::into_manifests)
        });
        let result = tokio::select! {
            () = cx.cancellation().cancelled() => return Err(Interrupted::Cancelled.into()),
            result = work => result,
        };
        cx.check()?;
        match result {
            Ok(built) => built.map_err(RenderError::from),
            Err(error) => Err(RenderError::Other { error: error.into(), class: Class::Terminal }),
        }
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
