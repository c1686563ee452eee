//! `fluxrs source`: fetch one artifact and show what it is.

mod access;
mod bucket;
mod chart;
mod git;
mod helm;
mod oci;
pub(crate) mod registry;
pub(crate) mod show;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use flux_core::Context;

use crate::Failure;
use show::Output;

#[derive(Subcommand)]
pub(crate) enum Source {
    /// Fetch a Git repository
    Git(git::Git),
    /// Fetch an artifact from an OCI registry
    Oci(oci::Oci),
    /// Fetch a chart from a Helm repository
    Helm(helm::Helm),
    /// Fetch the objects of a bucket
    Bucket(bucket::Bucket),
    /// Build a chart from another source, or with other values
    #[command(subcommand)]
    Chart(chart::Chart),
}

impl Source {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Git(git) => fetch(git.source()?, &git.common).await,
            Self::Oci(oci) => fetch(oci.source()?, &oci.common).await,
            Self::Helm(helm) => fetch(helm.source()?, &helm.common).await,
            Self::Bucket(bucket) => fetch(bucket.source()?, &bucket.common).await,
            Self::Chart(chart) => {
                let (source, common) = chart.source()?;
                fetch(source, common).await
            }
        }
    }
}

/// What every source is told.
#[derive(Args)]
struct Common {
    /// Leave out what these patterns match, in the syntax of .gitignore
    #[arg(long, value_name = "PATTERN")]
    ignore: Vec<String>,
    /// How long it may take, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// How to show it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl Common {
    /// The patterns as one text; none when there are none.
    fn ignore(&self) -> Option<String> {
        (!self.ignore.is_empty()).then(|| self.ignore.join("\n"))
    }
}

/// Fetches what a source leads to now, and shows it.
async fn fetch(source: impl flux_core::Source, common: &Common) -> Result<ExitCode, Failure> {
    let cx = Context::background().with_timeout(Duration::from_secs(common.timeout));
    let revision = source.resolve(&cx).await?;
    let artifact = source.fetch(&cx, &revision).await?;
    print!("{}", show::artifact(&artifact, common.output)?);
    Ok(ExitCode::SUCCESS)
}

/// A file that an option names, read whole.
fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| format!("--{option} {}: {error}", path.display()).into())
}

/// The same as text, without the line end that editors add.
fn read_text(option: &str, path: &Path) -> Result<String, Failure> {
    let text =
        String::from_utf8(read(option, path)?).map_err(|_| format!("--{option} {}: is not text", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
