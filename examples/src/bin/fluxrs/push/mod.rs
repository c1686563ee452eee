//! `fluxrs push`: what is on disk into a registry.

mod artifact;

use std::process::ExitCode;

use clap::Subcommand;

use crate::Failure;

#[derive(Subcommand)]
pub(crate) enum Push {
    /// Push a directory or a file as an artifact that an OCIRepository reads
    Artifact(artifact::Artifact),
}

impl Push {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Artifact(artifact) => artifact.run().await,
        }
    }
}
