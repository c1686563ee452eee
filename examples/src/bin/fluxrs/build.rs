//! `fluxrs build`: build without applying.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use flux_appliers::kustomize::{self, BuildOptions, Order, Output};

use crate::Failure;

mod files;

use files::Files;

#[derive(Subcommand)]
pub(crate) enum Build {
    /// Print what `kubectl kustomize DIR` prints
    Kustomization(Kustomization),
}

impl Build {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Kustomization(kustomization) => kustomization.run(),
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
    /// Inflate charts
    #[arg(long)]
    enable_helm: bool,
    /// The version of Kubernetes that charts see
    #[arg(long, value_name = "VERSION")]
    helm_kube_version: Option<String>,
    /// APIs that charts see besides Helm's own list
    #[arg(long, value_name = "GROUP/VERSION")]
    helm_api_versions: Vec<String>,
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

impl Kustomization {
    fn run(&self) -> Result<ExitCode, Failure> {
        let mut options = BuildOptions {
            order: if self.reorder == Reorder::Legacy { Order::Legacy } else { Order::AsRead },
            load_outside_root: self.load_restrictor == LoadRestrictor::None,
            enable_helm: self.enable_helm,
            ..BuildOptions::default()
        };
        options.charts.kube_version.clone_from(&self.helm_kube_version);
        options.charts.api_versions.clone_from(&self.helm_api_versions);
        let dir = self.dir.canonicalize().map_err(|error| format!("{}: {error}", self.dir.display()))?;
        let output = build(&dir, &options)?;
        output.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        print!("{}", output.to_yaml());
        Ok(ExitCode::SUCCESS)
    }
}

/// Builds a directory of the disk. Where the build asks for something that its kustomizations do not name outright, that is
/// read and the build starts again.
fn build(dir: &Path, options: &BuildOptions) -> Result<Output, Failure> {
    let mut files = Files::of(dir);
    loop {
        let (tree, root) = files.tree()?;
        let path = dir.strip_prefix(root)?.to_string_lossy().into_owned();
        let root = root.to_owned();
        match kustomize::build(&tree, &path, options) {
            Ok(output) => return Ok(output),
            Err(error) if files.add_missing(&error, &root) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
