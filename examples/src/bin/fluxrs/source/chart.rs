//! `fluxrs source chart`: a chart that is built from another source, or with other values than its own.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use flux_core::Source;
use flux_sources::dir::DirSource;
use flux_sources::helm::{BuiltChartSource, BuiltChartSourceBuilder, ReconcileStrategy};

use super::{Common, bucket, git, helm};
use crate::Failure;

#[derive(Subcommand)]
pub(crate) enum Chart {
    /// In a Git repository
    Git(InGit),
    /// In a bucket
    Bucket(InBucket),
    /// In a directory on this machine
    Dir(InDir),
    /// In a Helm repository or a registry, with values files
    Helm(InRepository),
}

#[derive(Args)]
pub(crate) struct InGit {
    #[command(flatten)]
    git: git::Git,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    values: Values,
}

#[derive(Args)]
pub(crate) struct InBucket {
    #[command(flatten)]
    bucket: bucket::Bucket,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    values: Values,
}

#[derive(Args)]
pub(crate) struct InDir {
    /// The directory
    path: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    values: Values,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct InRepository {
    #[command(flatten)]
    helm: helm::Helm,
    #[command(flatten)]
    values: Values,
}

/// Where in a tree the chart is.
#[derive(Args)]
struct Place {
    /// The path of the chart
    #[arg(long, default_value = ".")]
    chart: String,
    /// What makes it a new chart
    #[arg(long, value_enum, default_value = "chart-version")]
    reconcile_strategy: Strategy,
}

#[derive(Clone, Copy, ValueEnum)]
enum Strategy {
    ChartVersion,
    Revision,
}

#[derive(Args)]
struct Values {
    /// Files that take the place of the chart's own values, later ones over earlier ones
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    values_files: Vec<String>,
    /// Pass over values files that are not there
    #[arg(long)]
    ignore_missing_values_files: bool,
    /// What tells charts with different values files apart
    #[arg(long, value_name = "NUMBER")]
    generation: Option<u64>,
}

impl Chart {
    /// The chart, and how it is to be shown.
    pub(super) fn source(&self) -> Result<(BuiltChartSource, &Common), Failure> {
        let (builder, values, common) = match self {
            Self::Git(it) => (it.place.of(Arc::new(it.git.source()?)), &it.values, &it.git.common),
            Self::Bucket(it) => (it.place.of(Arc::new(it.bucket.source()?)), &it.values, &it.bucket.common),
            Self::Dir(it) => {
                let dir = DirSource::new(&it.path);
                let dir = it.common.ignore().into_iter().fold(dir, DirSource::with_ignore);
                (it.place.of(Arc::new(dir)), &it.values, &it.common)
            }
            Self::Helm(it) => (BuiltChartSource::of_chart(it.helm.source()?), &it.values, &it.helm.common),
        };
        let builder =
            builder.values_files(&values.values_files).ignore_missing_values_files(values.ignore_missing_values_files);
        let builder = values.generation.into_iter().fold(builder, BuiltChartSourceBuilder::generation);
        Ok((builder.build()?, common))
    }
}

impl Place {
    fn of(&self, source: Arc<dyn Source>) -> BuiltChartSourceBuilder {
        let strategy = match self.reconcile_strategy {
            Strategy::ChartVersion => ReconcileStrategy::ChartVersion,
            Strategy::Revision => ReconcileStrategy::Revision,
        };
        BuiltChartSource::in_tree(source, &self.chart).strategy(strategy)
    }
}
