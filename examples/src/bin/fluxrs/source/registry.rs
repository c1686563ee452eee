//! How a registry is reached: as any server, and with what `docker login` has left.

use std::path::PathBuf;

use clap::Args;
use flux_sources::{Credentials, Proxy, Tls};

use super::access::Access;
use super::read_text;
use crate::Failure;

#[derive(Args)]
pub(crate) struct Registry {
    #[command(flatten)]
    access: Access,
    /// A user and a password, as USER:PASSWORD; other users of the machine may see them
    #[arg(long, conflicts_with_all = ["username", "bearer_token_file"], value_name = "USER:PASSWORD")]
    creds: Option<String>,
    /// What `docker login` writes; ~/.docker/config.json, or the same in the directory of DOCKER_CONFIG, if it is there
    #[arg(long, conflicts_with_all = ["creds", "username", "bearer_token_file"], value_name = "FILE")]
    docker_config: Option<PathBuf>,
    /// Speak plain HTTP
    #[arg(long)]
    pub(crate) insecure: bool,
}

impl Registry {
    /// Who we are, as far as options say it.
    pub(super) fn given(&self) -> Result<Credentials, Failure> {
        let Some(creds) = &self.creds else { return self.access.credentials() };
        let (username, password) = creds.split_once(':').unwrap_or((creds, ""));
        Ok(Credentials::basic(username, password))
    }

    /// Who we are to the registry of this URL.
    pub(crate) fn credentials(&self, url: &str) -> Result<Credentials, Failure> {
        let given = self.given()?;
        let path = self.docker_config.clone().or_else(|| default_config().filter(|path| path.is_file()));
        let Some(path) = path.filter(|_| given == Credentials::Anonymous) else { return Ok(given) };
        let config = read_text("docker-config", &path)?;
        let read = Credentials::from_docker_config(&config, url);
        Ok(read.map_err(|error| format!("{}: {error}", path.display()))?)
    }

    pub(crate) fn tls(&self) -> Result<Tls, Failure> {
        self.access.tls()
    }

    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, Failure> {
        self.access.proxy()
    }
}

fn default_config() -> Option<PathBuf> {
    let dir = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    Some(dir.join("config.json"))
}
