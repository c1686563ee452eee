//! Kustomize v5.8.1, natively: the same output byte for byte, in linear time, without globals.
//!
//! ```
//! use flux_appliers::kustomize::{self, BuildOptions};
//! use flux_core::Tree;
//!
//! let tree = Tree::from_files([
//!     ("app/kustomization.yaml", "namePrefix: dev-\nresources: [map.yaml]\n"),
//!     ("app/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"),
//! ])?;
//! let built = kustomize::build(&tree, "app", &BuildOptions::default())?;
//! assert_eq!(built.to_yaml(), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: dev-settings\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A build reads nothing but its [`Tree`]: no disk, network, clock or environment. Any number of builds run side by
//! side, each cancellable and under [`Limits`]. Errors name the file, the line, the object and the kustomizations
//! that led there.
//!
//! # What is refused
//! Exec, container and Go plugins; remote bases, files and charts, unless the host supplies them through [`Remotes`];
//! charts (`helmCharts`) as long as [`BuildOptions::enable_helm`] is off or the crate is built without its feature `helm`.
//!
//! # Where it differs
//! All recorded builds come out byte for byte. What is known to differ:
//! * A generated object that a patch turns into another kind has no hash suffix and is refused: kustomize hashes its own
//!   memory there, with lines, columns and styles.
//! * A replacement into a text that is YAML itself drops that text's comments.
//! * Comments are not read as OpenAPI (`# {"$openapi": …}` and `# {"type": "array", …}` on fields that a patch merges).
//! * A merged list of more than 5,000 items that lack their keys is refused; it takes kustomize quadratic time.

mod budget;
mod build;
mod chart;
mod config;
mod crds;
mod defaults;
#[cfg(test)]
mod dialects;
mod error;
mod fieldspec;
mod flux;
mod generate;
mod gojson;
mod hash;
mod id;
mod json;
mod jsonpatch;
mod kinds;
mod kustomization;
mod load;
mod loader;
mod merge;
mod metadata;
mod node;
mod origin;
mod path;
mod plugin;
mod remote;
mod renderer;
mod resmap;
mod resource;
mod schema;
mod selector;
mod share;
mod transform;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flux_core::yaml::{self, Layout};
use flux_core::{Manifest, Manifests, Object, Origin, Tree};
use serde_json::Value;

pub use chart::{ChartOptions, RemoteChart};
pub use error::{BuildError, Cause};
pub use flux::{CommonMetadata, FluxImage, FluxKustomization, FluxPatch, FluxSelector};
pub use loader::{FileFilter, Purpose};
pub use metadata::CommonMetadataRenderer;
#[cfg(feature = "helm")]
pub(crate) use metadata::set_metadata;
pub use remote::{RemoteBase, Remotes};
pub use renderer::KustomizeRenderer;
pub use selector::ObjectSelector;

use budget::Budget;
use build::Build;
use loader::Loader;

/// The order of the objects of a build, where the kustomization does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// By kind, as the command line does: namespaces first, webhooks last.
    #[default]
    Legacy,
    /// As they were read (`--reorder none`), which is what Flux uses.
    AsRead,
}

/// What one text may take. Objects are walked level by level: this many fit the stack of any thread.
fn yaml_limits() -> yaml::Limits {
    yaml::Limits { depth: 128, ..yaml::Limits::default() }
}

/// What a build may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Objects, generated ones included.
    pub resources: usize,
    /// Files read, each as often as it is named.
    pub files: usize,
    /// Bytes of all files together, each as often as it is named, and of what patches and replacements add.
    pub bytes: usize,
    /// Kustomizations inside each other.
    pub depth: usize,
    /// What one file may hold.
    pub yaml: yaml::Limits,
}

impl Default for Limits {
    /// 100,000 objects, 100,000 files, 256 MiB, 100 kustomizations inside each other, 128 levels in one object.
    fn default() -> Self {
        Self { resources: 100_000, files: 100_000, bytes: 256 << 20, depth: 100, yaml: yaml_limits() }
    }
}

/// How to build.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The order of the objects.
    pub order: Order,
    /// Whether files outside a kustomization's directory may be read (`--load-restrictor LoadRestrictionsNone`).
    /// They never leave the tree.
    pub load_outside_root: bool,
    /// Whether charts may be inflated (`--enable-helm`); takes the crate's feature `helm`.
    pub enable_helm: bool,
    /// What charts are told where they do not say it themselves.
    pub charts: ChartOptions,
    /// Adds the label `app.kubernetes.io/managed-by` to all objects.
    pub managed_by_label: bool,
    /// What the build may take.
    pub limits: Limits,
    /// Raised to end the build early.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Supplies bases, files and charts that lie outside the tree.
    pub remotes: Option<Arc<dyn Remotes>>,
    /// Changes files when they are read.
    pub filter: Option<Arc<dyn FileFilter>>,
}

impl BuildOptions {
    fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }
}

/// One object of a finished build.
#[derive(Clone, PartialEq)]
pub struct Built {
    /// The object as JSON.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Debug for Built {
    /// Names the object and hides its content, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = self.value.get("metadata").and_then(|metadata| metadata.get("name"));
        write!(f, "Built({} {} from {})", text(self.value.get("kind")), text(name), self.origin)
    }
}

/// A finished build.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The objects in order.
    pub objects: Vec<Built>,
    /// What the build found worth saying: fields that are deprecated, variables that are not used.
    pub warnings: Vec<String>,
}

impl Output {
    /// The objects as kustomize prints them.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for (i, object) in self.objects.iter().enumerate() {
            if i > 0 {
                out.push_str("---\n");
            }
            out.push_str(&yaml::write(&object.value, Layout::Sigs));
        }
        out
    }

    /// The objects as manifests.
    ///
    /// # Errors
    /// Where an object lacks what the API server asks of one.
    pub fn into_manifests(self) -> Result<Manifests, BuildError> {
        let manifest = |built: Built| {
            let Built { value, origin } = built;
            match Object::from_value(value) {
                Ok(object) => Ok(Manifest { object, origin }),
                Err(error) => {
                    let cause = Cause::Object { message: error.to_string(), line: 0 };
                    Err(BuildError { origin, object: String::new(), cause })
                }
            }
        };
        self.objects.into_iter().map(manifest).collect()
    }
}

/// Builds the kustomization in a directory of a tree.
///
/// # Errors
/// Where a file is missing, malformed or refused, a transformation fails, a limit is passed or the build is cancelled.
pub fn build(tree: &Tree, path: &str, options: &BuildOptions) -> Result<Output, BuildError> {
    run(tree, path, None, options)
}

/// Builds a directory of a tree as Flux does: with a kustomization of all its manifests where it has none, and with
/// the settings of a Flux Kustomization on top.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    tree: &Tree,
    path: &str,
    settings: &FluxKustomization,
    options: &BuildOptions,
) -> Result<Output, BuildError> {
    let kustomization = flux::generate(tree, path, settings, options.limits.yaml)?;
    let mut output = run(tree, path, Some(kustomization), options)?;
    for object in &mut output.objects {
        settings.common_metadata.put_on(&mut object.value);
    }
    Ok(output)
}

fn run(
    tree: &Tree,
    path: &str,
    given: Option<kustomization::Kustomization>,
    options: &BuildOptions,
) -> Result<Output, BuildError> {
    let restricted = !options.load_outside_root;
    let budget = Budget::new(options.limits);
    let loader = Loader::new(tree.clone(), path, restricted, options.remotes.clone(), budget.clone())?;
    let loader = loader.filtered(options.filter.clone());
    let mut build = Build::new(options, budget);
    let list = build.run(loader, given)?;
    let mut objects = Vec::with_capacity(list.len());
    for resource in list {
        objects.push(resource.finish(&build.schema)?);
    }
    Ok(Output { objects, warnings: build.warnings })
}
