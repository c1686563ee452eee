//! `fluxrs build`: build without applying.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use flux_appliers::kustomize::{self, BuildError, BuildOptions, Cause, Order, Output};
use flux_core::{Context, Source as _, Tree};
use flux_sources::dir::DirSource;

use crate::Failure;

#[derive(Subcommand)]
pub(crate) enum Build {
    /// Print what `kubectl kustomize DIR` prints
    Kustomization(Kustomization),
}

impl Build {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Kustomization(kustomization) => kustomization.run().await,
        }
    }
}

#[derive(Args)]
pub(crate) struct Kustomization {
    /// The directory with the kustomization
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Whether files outside the directory of a kustomization may be read
    #[arg(long, value_enum, default_value = "LoadRestrictionsRootOnly")]
    load_restrictor: LoadRestrictor,
    /// The order of the objects
    #[arg(long, value_enum, default_value = "legacy")]
    reorder: Reorder,
    /// Allow charts
    #[arg(long)]
    enable_helm: bool,
    /// Accepted for kubectl's sake: charts are rendered natively, without a program
    #[arg(long, hide = true)]
    helm_command: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LoadRestrictor {
    #[value(name = "LoadRestrictionsRootOnly", alias = "rootOnly")]
    RootOnly,
    #[value(name = "LoadRestrictionsNone", alias = "none")]
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reorder {
    Legacy,
    None,
}

/// How far above the directory bases may lie.
const MAX_CLIMB: usize = 16;

impl Kustomization {
    async fn run(&self) -> Result<ExitCode, Failure> {
        let options = BuildOptions {
            order: if self.reorder == Reorder::Legacy { Order::Legacy } else { Order::AsRead },
            load_outside_root: self.load_restrictor == LoadRestrictor::None,
            enable_helm: self.enable_helm,
            ..BuildOptions::default()
        };
        let dir = self.dir.canonicalize().map_err(|error| format!("{}: {error}", self.dir.display()))?;
        let output = build(&dir, &options).await?;
        output.warnings.iter().for_each(|warning| eprintln!("# Warning: {warning}"));
        print!("{}", output.to_yaml());
        Ok(ExitCode::SUCCESS)
    }
}

/// Builds a directory of the disk. A build reads from a tree: the directory itself, and, as long as something that is
/// named lies outside, the directory around it.
async fn build(dir: &Path, options: &BuildOptions) -> Result<Output, Failure> {
    let mut first: Option<BuildError> = None;
    for root in dir.ancestors().take(MAX_CLIMB).filter(|root| root.parent().is_some()) {
        let tree = match read(root).await {
            Ok(tree) => tree,
            // A directory around may be too large or not readable: then what was missing is the error.
            Err(error) => return Err(first.map_or(error, Into::into)),
        };
        let path = dir.strip_prefix(root)?.to_string_lossy().into_owned();
        match kustomize::build(&tree, &path, options) {
            Ok(output) => return Ok(output),
            Err(error) if lies_outside(&error.cause) => {
                first.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(first.map_or_else(|| "there is nothing to build".into(), Into::into))
}

/// Whether a build failed for something that may lie outside the tree.
fn lies_outside(cause: &Cause) -> bool {
    match cause {
        Cause::NotFound { path } | Cause::WrongKind { path, .. } | Cause::Outside { path, .. } => {
            path.starts_with("..") || path.starts_with('/') || path.contains("/../")
        }
        Cause::Field { cause, .. } => lies_outside(cause),
        _ => false,
    }
}

async fn read(root: &Path) -> Result<Tree, Failure> {
    let source = DirSource::new(root);
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    Ok(source.fetch(&cx, &revision).await?.tree)
}
