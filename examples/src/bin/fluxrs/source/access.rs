//! How a server is reached and who we are to it, for every command that talks to one.

use std::path::PathBuf;

use clap::Args;
use flux_sources::{Credentials, Proxy, Tls};

use super::{read, read_text};
use crate::Failure;

/// Where a password is looked for when no file is named.
const PASSWORD: &str = "FLUXRS_PASSWORD";

#[derive(Args)]
pub(crate) struct Access {
    /// Who we are; the password is read from --password-file or from the variable FLUXRS_PASSWORD
    #[arg(long)]
    username: Option<String>,
    /// A file with the password
    #[arg(long, requires = "username", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with a token, sent in place of a user and a password
    #[arg(long, conflicts_with = "username", value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,
    #[command(flatten)]
    transport: Transport,
}

/// How a server is reached, whoever we are.
#[derive(Args)]
pub(crate) struct Transport {
    /// An authority to trust beside those of the machine
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A certificate to show to the server
    #[arg(long, requires = "key_file", value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// The key of that certificate
    #[arg(long, requires = "cert_file", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// http://, https:// or socks5:// of a proxy
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

impl Access {
    pub(crate) fn credentials(&self) -> Result<Credentials, Failure> {
        if let Some(path) = &self.bearer_token_file {
            return Ok(Credentials::bearer(read_text("bearer-token-file", path)?));
        }
        let Some(username) = &self.username else { return Ok(Credentials::Anonymous) };
        let password = match &self.password_file {
            Some(path) => read_text("password-file", path)?,
            None => std::env::var(PASSWORD)
                .map_err(|_| format!("--username needs --password-file, or the variable {PASSWORD}"))?,
        };
        Ok(Credentials::basic(username, password))
    }

    pub(crate) fn tls(&self) -> Result<Tls, Failure> {
        self.transport.tls()
    }

    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, Failure> {
        self.transport.proxy()
    }
}

impl Transport {
    pub(crate) fn tls(&self) -> Result<Tls, Failure> {
        let mut tls = Tls::default();
        if let Some(path) = &self.ca_file {
            tls = tls.with_ca(&read("ca-file", path)?).map_err(|error| format!("--ca-file: {error}"))?;
        }
        if let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) {
            let (certificate, key) = (read("cert-file", certificate)?, read("key-file", key)?);
            tls = tls.with_identity(&certificate, &key).map_err(|error| format!("--cert-file: {error}"))?;
        }
        Ok(tls)
    }

    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, Failure> {
        let proxy = self.proxy.as_deref().map(Proxy::new).transpose();
        Ok(proxy.map_err(|error| format!("--proxy: {error}"))?)
    }
}
