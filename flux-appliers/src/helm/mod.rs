//! Helm charts, rendered natively as Helm v4.3.1 renders them.
//!
//! ```
//! use bytes::Bytes;
//! use flux_appliers::helm::{Chart, ChartLimits, PrintOptions, ReleaseInfo, RenderOptions, Table, render};
//! use flux_core::Tree;
//!
//! let tree = Tree::from_files([
//!     ("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"),
//!     ("app/values.yaml", "replicas: 2\n"),
//!     ("app/templates/cm.yaml", "kind: ConfigMap\ndata: {n: {{ .Values.replicas | quote }}}\n"),
//! ])?;
//! let chart = Chart::from_tree(&tree, "app", &ChartLimits::default())?;
//! let release = ReleaseInfo::install("demo", "default");
//! let rendered = render(&chart, &Table::new(), &release, &RenderOptions::default())?;
//! let text = rendered.print(&PrintOptions::default())?;
//! assert_eq!(text, "---\n# Source: app/templates/cm.yaml\nkind: ConfigMap\ndata: {n: \"2\"}\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from Helm, and why
//! - Order: Go's maps have none. Where Helm's output depends on it (`keys`, the warnings of a merge, the faults of a
//!   schema) this engine goes by the keys, so that a render repeats.
//! - Time, randomness and certificates come from the [`Host`]; names are resolved and the cluster read only if it can.
//! - Links in archives are refused; Helm reads them as empty files. Why an archive cannot be read is said, where
//!   `helm template` only says that it cannot be loaded.
//! - Schemas refer to themselves only: nothing is fetched, and no file outside the chart is looked for.
//! - Charts of apiVersion v3 are read and refused, as in Helm, where some make Helm panic.
//! - Errors have Helm's words but for: why a text is not of a rarer format; the details of a time in `Chart.lock` that
//!   cannot be read; some YAML that is wrong in two ways, of which Go names the other.
//! - [`Limits`] end what would not end.
//!
//! Nothing is global: a [`Chart`] is immutable and shared, its templates are parsed once, and every render has a
//! [`Host`] for time, randomness, names and the cluster, and [`Limits`] for work, data and depth.

#![allow(unreachable_pub, reason = "what is public here is so for this folder; the list below says what is for all")]

mod chart;
mod funcs;
mod host;
mod json;
mod render;
mod renderer;
mod template;
mod values;
mod warning;

pub use chart::{Chart, ChartError, ChartFile, ChartLimits, Dependency, ImportValues, Metadata};
pub use host::{Entropy, Host, Lookup, Resolver, Seeded, SystemEntropy};
pub use render::{
    Capabilities, Crd, HelmError, Hook, HookEvent, InvalidKubeVersion, KubeVersion, PrintOptions, Release, ReleaseInfo,
    RenderFailure, RenderOptions, RenderedManifest, name_from_template, render,
};
#[cfg(feature = "kustomize")]
pub use render::{PostRender, PostRenderError, PostRenderKustomize, PostRenderStrategy, PostRenderer};
pub use renderer::{ChartCache, HelmRenderer};
pub use template::{Abort, Interrupt, Limits};
pub use values::{SetError, SetMode, Table, ValuesError, merge_maps, read_values, set, set_target_path};
pub use warning::{Level, Warning};
