//! The command line of the GitOps toolkit, built from its public API only.

mod apiserver;
mod apply;
mod build;
mod diff;
mod explain;
mod history;
mod journal;
mod output;
mod owner;
mod plan;
mod push;
mod rollback;
mod run;
mod source;
mod target;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flux_examples::template::Template;

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
    /// Apply once what Flux documents describe, or a plan that was kept
    Apply(apply::Apply),
    /// Show how the cluster differs from what the documents describe, field by field
    Diff(diff::Diff),
    /// Show sources, the pipelines that follow them, and their objects
    Tree(tree::Tree),
    /// Say why pipelines are not where they should be
    Explain(explain::Explain),
    /// Say who set a field: manager, pipeline, commit, file and line
    Owner(owner::Owner),
    /// Show what was applied and changed, and the state at any time
    History(history::History),
    /// Go back to an earlier good revision, and stay there until there is a newer one
    Rollback(rollback::Rollback),
    /// Serve an API server in memory, until Ctrl-C
    Apiserver(apiserver::Serve),
    /// Build without applying
    #[command(subcommand)]
    Build(build::Build),
    /// Fetch one artifact and show what it is
    #[command(subcommand)]
    Source(source::Source),
    /// Push to a registry
    #[command(subcommand)]
    Push(push::Push),
    /// Print what `helm template` prints
    Template(Box<Template>),
}

/// What a command ends with when it fails.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    // These say with 1 that something would change, so their errors are told apart by 2, as in `flux diff`.
    let failure = if matches!(arguments.command, Command::Plan(_) | Command::Diff(_)) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    };
    let outcome = match arguments.command {
        Command::Run(run) => block_on(run.run()),
        Command::Plan(plan) => block_on(plan.run()),
        Command::Apply(apply) => block_on(apply.run()),
        Command::Diff(diff) => block_on(diff.run()),
        Command::Tree(tree) => block_on(tree.run()),
        Command::Explain(explain) => block_on(explain.run()),
        Command::Owner(owner) => block_on(owner.run()),
        Command::History(history) => block_on(history.run()),
        Command::Rollback(rollback) => block_on(rollback.run()),
        Command::Apiserver(serve) => block_on(serve.run()),
        // A build is over before a runtime would have started.
        Command::Build(build) => build.run(),
        Command::Source(source) => block_on(source.run()),
        Command::Push(push) => block_on(push.run()),
        Command::Template(template) => {
            let printed = template.run();
            print!("{}", printed.out);
            eprint!("{}", printed.err);
            // Ends here, with what was rendered still in memory.
            std::process::exit(i32::from(printed.failed))
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", flux_core::error::chain(&*error));
            failure
        }
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Runtime::new()?.block_on(work)
}
