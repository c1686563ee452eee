//! Git over SSH, in process: no `ssh` program is run and nothing of the user's is read.

mod channel;
mod connect;
mod identity;
mod known_hosts;

use flux_core::source::SourceError;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::session::Session;

pub use identity::SshIdentity;
pub use known_hosts::{HostKeyProblem, InvalidKnownHosts, KnownHosts};

const PORT: u16 = 22;
/// Who we are to a server when the URL does not say, as in Flux.
const USER: &str = "git";

/// A repository on an SSH server.
#[derive(Debug, Clone)]
pub(super) struct SshServer {
    host: String,
    port: u16,
    user: String,
    path: String,
    identity: SshIdentity,
}

impl SshServer {
    pub(super) fn new(url: &gix::Url, identity: Option<&SshIdentity>) -> Result<Self, SourceError> {
        let invalid =
            |field: &str, problem: &str| SourceError::Invalid { field: field.into(), problem: problem.into() };
        let identity = identity.ok_or_else(|| {
            invalid(
                "spec.secretRef",
                "an ssh URL needs a private key (`identity`) and the keys of the server (`known_hosts`)",
            )
        })?;
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.starts_with('-') || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(invalid("spec.url", "has something for a host that is none"));
        }
        let path = std::str::from_utf8(&url.path).map_err(|_| invalid("spec.url", "the path is not UTF-8"))?;
        // `/~user/app` is in that user's home.
        let path = if path.starts_with("/~") { &path[1..] } else { path };
        if path.starts_with('-') || path.contains(|c: char| c.is_control()) {
            return Err(invalid("spec.url", "has something for a path that is none"));
        }
        Ok(Self {
            host: host.to_owned(),
            port: url.port.unwrap_or(PORT),
            user: url.user().unwrap_or(USER).to_owned(),
            path: path.to_owned(),
            identity: identity.clone(),
        })
    }

    pub(super) fn connect<'a>(
        &self,
        shown: &'a str,
        session: &'a Session<'a>,
    ) -> Result<Box<dyn Transport + 'a>, SourceError> {
        let running = session.wait(session.cx.run(connect::open(self, shown)))??;
        let (output, input) = channel::pair(running, shown, session);
        let no_virtual_host = None::<(String, Option<u16>)>;
        let path = self.path.as_str();
        let mode = ConnectMode::Process;
        Ok(Box::new(Connection::new(output, input, Protocol::V2, path, no_virtual_host, mode, false)))
    }
}
