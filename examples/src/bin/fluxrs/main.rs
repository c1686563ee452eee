//! The command line of the GitOps toolkit, built from its public API only.

mod build;
mod plan;
mod run;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Flux as an embeddable library: its command line
#[derive(Parser)]
#[command(name = "fluxrs", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconcile what Flux documents describe, until Ctrl-C
    Run(run::Run),
    /// Show what a run would change, and change nothing
    Plan(plan::Plan),
    /// Build without applying
    #[command(subcommand)]
    Build(build::Build),
    /// Fetch one artifact and show what it is
    #[command(subcommand)]
    Source(source::Source),
}

/// What a command ends with when it fails.
type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    // `plan` says with 1 that something would change, so its errors are told apart by 2, as in `flux diff`.
    let failure = if matches!(arguments.command, Command::Plan(_)) { ExitCode::from(2) } else { ExitCode::FAILURE };
    let outcome = match arguments.command {
        Command::Run(run) => run.run().await,
        Command::Plan(plan) => plan.run().await,
        Command::Build(build) => build.run().await,
        Command::Source(source) => source.run().await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", flux_core::error::chain(&*error));
            failure
        }
    }
}
