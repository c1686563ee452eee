//! Opening a connection: the server proves that it is known, then we prove who we are, then it runs `git-upload-pack`.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use flux_core::source::SourceError;
use russh::client::{self, Handle};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelReadHalf, ChannelWriteHalf, Error, Preferred, SshId};
use tokio::net::TcpStream;

use super::SshServer;
use super::known_hosts::fingerprint;
use crate::http::{CONNECT, SILENCE};

/// How much may be on its way to us before we take it.
const WINDOW_BYTES: u32 = 8 << 20;

/// A program that runs on a server.
pub(super) struct Running {
    pub(super) read: ChannelReadHalf,
    pub(super) write: ChannelWriteHalf<client::Msg>,
    /// The connection ends when this does.
    pub(super) _connection: Handle<Verify>,
}

/// Runs `git-upload-pack` on a server that is known, as somebody it lets in.
pub(super) async fn open(server: &SshServer, shown: &str) -> Result<Running, SourceError> {
    let failed = |failure: Failure| failure.into_source_error(shown);
    let stream = within(CONNECT, TcpStream::connect((server.host.as_str(), server.port))).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(|error| failed(error.into()))?;
    within(SILENCE, run(server, stream)).await.map_err(failed)
}

async fn run(server: &SshServer, stream: TcpStream) -> Result<Running, Failure> {
    let known = server.identity.known_hosts.algorithms(&server.host, server.port);
    let mut algorithms: Vec<Algorithm> = known.into_iter().flat_map(signing_algorithms).collect();
    if algorithms.is_empty() {
        // The key is asked for, so that the error can name it, and refused.
        algorithms = Preferred::DEFAULT.key.to_vec();
    }
    let config = client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-flux-rs_", env!("CARGO_PKG_VERSION")))),
        preferred: Preferred { key: Cow::Owned(algorithms), ..Preferred::DEFAULT },
        inactivity_timeout: Some(SILENCE),
        window_size: WINDOW_BYTES,
        ..client::Config::default()
    };
    let mut connection = client::connect_stream(Arc::new(config), stream, Verify(server.clone())).await?;
    let key = server.identity.key.clone();
    let hash = match connection.best_supported_rsa_hash().await? {
        Some(Some(hash)) => hash,
        // SHA-1 is not used, whatever a server says.
        _ => HashAlg::Sha256,
    };
    let key = PrivateKeyWithHashAlg::new(key, Some(hash));
    if !connection.authenticate_publickey(server.user.clone(), key).await?.success() {
        return Err(Failure::Denied(format!("the server does not let `{}` in with this key", server.user)));
    }
    let (read, write) = connection.channel_open_session().await?.split();
    // A server that does not take it speaks the first version of the protocol.
    write.set_env(false, "GIT_PROTOCOL", "version=2").await?;
    write.exec(false, format!("git-upload-pack {}", quote(&server.path))).await?;
    Ok(Running { read, write, _connection: connection })
}

/// The ways in which a key of this kind may sign; SHA-1 is not among them.
fn signing_algorithms(kind: &str) -> Vec<Algorithm> {
    match kind {
        "ssh-rsa" => [HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }).into(),
        kind => Algorithm::new(kind).into_iter().collect(),
    }
}

/// A path as one word for the shell on the other side, whatever is in it.
pub(super) fn quote(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

async fn within<T, E>(time: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    match tokio::time::timeout(time, work).await {
        Ok(outcome) => outcome.map_err(Failure::from),
        Err(_) => Err(Failure::Silent(time)),
    }
}

/// Holds the server against the known hosts.
pub(super) struct Verify(SshServer);

impl client::Handler for Verify {
    type Error = Failure;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        let Self(SshServer { host, port, identity, .. }) = self;
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data(),
            PublicKeyOrCertificate::Certificate(certificate) => certificate.public_key(),
        };
        let wire = encode(key).ok_or_else(|| Failure::Unverified("the server's key cannot be read".into()))?;
        identity.known_hosts.check(host, *port, &wire).map(|()| true).map_err(|problem| {
            let found = format!("it showed an {} key {}", key.algorithm(), fingerprint(&wire));
            Failure::Unverified(format!("{problem}: {found}"))
        })
    }
}

fn encode(key: &KeyData) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    russh::keys::ssh_encoding::Encode::encode(key, &mut wire).ok()?;
    Some(wire)
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failure {
    Ssh(Error),
    Unverified(String),
    Denied(String),
    Silent(Duration),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NoCommonAlgo { kind: russh::AlgorithmKind::Key, theirs, .. } => {
                let theirs = theirs.join(", ");
                Self::Unverified(format!("the server has no key of a kind that known_hosts has for it, only {theirs}"))
            }
            error => Self::Ssh(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Ssh(error.into())
    }
}

impl Failure {
    fn into_source_error(self, shown: &str) -> SourceError {
        let url = shown.to_owned();
        match self {
            Self::Unverified(problem) => SourceError::Unverified { url, problem },
            Self::Denied(reason) => SourceError::Denied { url, reason },
            Self::Ssh(error) => SourceError::Unreachable { url, source: error.into() },
            Self::Silent(time) => {
                let source = format!("the server said nothing for {} seconds", time.as_secs()).into();
                SourceError::Unreachable { url, source }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn h28_a_path_is_one_word_whatever_is_in_it() {
        for (path, quoted) in [
            ("/org/app.git", "'/org/app.git'"),
            ("/a b", "'/a b'"),
            ("/a'; rm -rf /; '", r"'/a'\''; rm -rf /; '\'''"),
            ("/$(id)`id`!x", r"'/$(id)`id`'\!'x'"),
        ] {
            assert_eq!(quote(path), quoted);
        }
    }
}
