//! `fluxrs apiserver`: an API server in memory, for kubectl, helm and tests.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flux_kube::apiserver::{ApiServer, Config, Credentials, Serving, Token, Workloads};

use crate::Failure;

#[derive(Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write a kubeconfig for an administrator here; it is printed when this is not given
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
    /// Talk HTTPS, with a certificate authority made on the spot
    #[arg(long)]
    tls: bool,
    /// Let workloads get ready as if something ran them
    #[arg(long)]
    simulate_workloads: bool,
    /// How many seconds simulated workloads take to get ready
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, requires = "simulate_workloads")]
    ready_after: f64,
    /// Know this user by this token; requests without a token are anonymous then, and may do what their roles say
    #[arg(long, value_name = "TOKEN=USER[,GROUP...]", value_parser = token)]
    token: Vec<Token>,
    /// Ask for a token even if none is given: the administrator's is in the kubeconfig
    #[arg(long)]
    rbac: bool,
    /// What uids and generated names follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Reads `TOKEN=USER[,GROUP...]`.
fn token(text: &str) -> Result<Token, String> {
    let (token, names) = text.split_once('=').ok_or("it should read TOKEN=USER or TOKEN=USER,GROUP")?;
    let mut names = names.split(',').map(str::to_owned);
    let user = names.next().unwrap_or_default();
    if token.is_empty() || user.is_empty() {
        return Err("neither the token nor the user may be empty".to_owned());
    }
    Ok(Token { token: token.to_owned(), user, groups: names.collect() })
}

/// A token that nobody guesses.
fn secret() -> std::io::Result<String> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

impl Serve {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let mut tokens = self.token;
        let mut admin = Credentials::None;
        if self.rbac || !tokens.is_empty() {
            let token = secret()?;
            let groups = vec!["system:masters".to_owned()];
            tokens.push(Token { token: token.clone(), user: "admin".to_owned(), groups });
            admin = Credentials::Token(token);
        }
        if !(self.ready_after.is_finite() && (0.0..1e9).contains(&self.ready_after)) {
            return Err(format!("--ready-after {}: it should be a number of seconds", self.ready_after).into());
        }
        let server = ApiServer::new(Config { seed: self.seed, tokens, ..Config::default() });
        if self.simulate_workloads {
            server.simulate(Workloads::ready_after(Duration::from_secs_f64(self.ready_after)));
        }
        let listening = |error: &dyn std::fmt::Display| format!("--listen {}: {error}", self.listen);
        let serving = if self.tls {
            server.serve_tls(self.listen).await.map_err(|error| listening(&error))?
        } else {
            server.serve(self.listen).await.map_err(|error| listening(&error))?
        };
        let kubeconfig = serving.kubeconfig_for("admin", &admin);
        match &self.kubeconfig_out {
            Some(file) => {
                write_privately(file, &kubeconfig)
                    .map_err(|error| format!("--kubeconfig-out {}: {error}", file.display()))?;
                announce(&serving, file);
            }
            None => print!("{kubeconfig}"),
        }
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn announce(serving: &Serving, file: &Path) {
    eprintln!("serving {}; try: kubectl --kubeconfig {} get namespaces", serving.url(), file.display());
}

/// Writes a file that holds a secret: for its owner alone, all of it or nothing.
fn write_privately(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut whole, text.as_bytes())?;
    whole.persist(file)?;
    Ok(())
}
