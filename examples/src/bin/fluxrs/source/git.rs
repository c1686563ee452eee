//! `fluxrs source git`.

use std::path::PathBuf;

use clap::Args;
use flux_sources::git::{GitSource, Keyring, Reference, SshIdentity, VerifyMode};
use flux_sources::{Credentials, Proxy, Tls};

use super::{Common, read, read_text};
use crate::Failure;

/// Where a password is looked for when no file is named.
const PASSWORD: &str = "GIT_PASSWORD";

#[derive(Args)]
pub(crate) struct Git {
    /// https://, http://, ssh://, git://, file:// or a path
    #[arg(long)]
    url: String,
    #[command(flatten)]
    reference: Wanted,
    /// Who we are; the password is read from --password-file or from the variable GIT_PASSWORD
    #[arg(long)]
    username: Option<String>,
    /// A file with the password
    #[arg(long, requires = "username", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with a token, sent in place of a user and a password
    #[arg(long, conflicts_with = "username", value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,
    /// A private key for ssh
    #[arg(long, requires = "known_hosts_file", value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// A file with the password of the private key
    #[arg(long, requires = "private_key_file", value_name = "FILE")]
    private_key_password_file: Option<PathBuf>,
    /// Which keys servers may have, for ssh
    #[arg(long, requires = "private_key_file", value_name = "FILE")]
    known_hosts_file: Option<PathBuf>,
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
    /// What has to be signed: HEAD, Tag or TagAndHEAD
    #[arg(long, requires = "verify_key_file", value_name = "MODE", num_args = 0..=1, default_missing_value = "HEAD")]
    verify: Option<String>,
    /// Keys whose signatures count: OpenPGP, or SSH in a file that ends in .sshpub or .pub
    #[arg(long, requires = "verify", value_name = "FILE")]
    verify_key_file: Vec<PathBuf>,
    /// Fetch submodules too
    #[arg(long)]
    recurse_submodules: bool,
    /// Take these directories only
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    sparse_checkout: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to check out; the branch `master` when nothing is said.
#[derive(Args)]
#[group(multiple = false)]
struct Wanted {
    /// The head of a branch
    #[arg(long)]
    branch: Option<String>,
    /// A tag
    #[arg(long)]
    tag: Option<String>,
    /// The newest tag in a range of versions
    #[arg(long)]
    semver: Option<String>,
    /// A commit by its full hash
    #[arg(long)]
    commit: Option<String>,
    /// A reference by its full name, such as refs/pull/1/head
    #[arg(long)]
    ref_name: Option<String>,
}

impl Git {
    pub(super) fn source(&self) -> Result<GitSource, Failure> {
        let mut builder = GitSource::builder(&self.url)
            .reference(self.reference.reference())
            .credentials(self.credentials()?)
            .tls(self.tls()?)
            .recurse_submodules(self.recurse_submodules)
            .sparse_checkout(&self.sparse_checkout);
        if let Some(ignore) = self.common.ignore() {
            builder = builder.ignore(ignore);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::new(proxy).map_err(|error| format!("--proxy: {error}"))?);
        }
        if let (Some(key), Some(known_hosts)) = (&self.private_key_file, &self.known_hosts_file) {
            let password = self.private_key_password_file.as_ref();
            let password = password.map(|path| read_text("private-key-password-file", path)).transpose()?;
            let (key, known) = (read_text("private-key-file", key)?, read_text("known-hosts-file", known_hosts)?);
            builder = builder.ssh_identity(SshIdentity::new(&(key + "\n"), password.as_deref(), &known)?);
        }
        if let Some(mode) = &self.verify {
            builder = builder.verify(mode_of(mode)?, self.keyring()?);
        }
        Ok(builder.build()?)
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
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

    fn tls(&self) -> Result<Tls, Failure> {
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

    fn keyring(&self) -> Result<Keyring, Failure> {
        let mut keyring = Keyring::default();
        for path in &self.verify_key_file {
            let text = read_text("verify-key-file", path)?;
            let is_ssh = path.extension().is_some_and(|extension| extension == "sshpub" || extension == "pub");
            let added = if is_ssh { keyring.with_ssh(&text) } else { keyring.with_openpgp(&text) };
            keyring = added.map_err(|error| format!("--verify-key-file {}: {error}", path.display()))?;
        }
        Ok(keyring)
    }
}

impl Wanted {
    fn reference(&self) -> Reference {
        match self {
            Self { branch: Some(branch), .. } => Reference::branch(branch),
            Self { tag: Some(tag), .. } => Reference::tag(tag),
            Self { semver: Some(range), .. } => Reference::semver(range),
            Self { commit: Some(id), .. } => Reference::commit(id),
            Self { ref_name: Some(name), .. } => Reference::name(name),
            _ => Reference::default(),
        }
    }
}

fn mode_of(text: &str) -> Result<VerifyMode, Failure> {
    serde_json::from_value(text.into())
        .map_err(|_| format!("--verify {text}: should be HEAD, Tag or TagAndHEAD").into())
}
