//! From a chart and values to manifests, hooks and notes.

mod capabilities;
mod engine;
mod error;
mod files;
mod instance;
mod manifests;
mod output;
#[cfg(feature = "kustomize")]
mod post;

pub use capabilities::{Capabilities, InvalidKubeVersion, KubeVersion};
pub use error::{HelmError, RenderFailure};
pub(crate) use instance::Instance;
pub use manifests::{Hook, HookEvent, RenderedManifest};
pub use output::{Crd, PrintOptions, Release, ReleaseInfo, RenderOptions, name_from_template, render};
#[cfg(feature = "kustomize")]
pub use post::{PostRender, PostRenderError, PostRenderKustomize, PostRenderStrategy, PostRenderer};
