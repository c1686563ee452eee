//! Connections to a Git daemon: plain TCP, guarded against what a server may do.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use flux_core::source::SourceError;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::guard::Guard;
use super::session::Session;
use crate::http::{CONNECT, SILENCE};

/// How often a socket that waits looks whether to stop.
const TICK: Duration = Duration::from_millis(100);
const PORT: u16 = 9418;

pub(super) fn connect<'a>(
    url: &gix::Url,
    shown: &str,
    session: &Session<'a>,
) -> Result<Box<dyn Transport + 'a>, SourceError> {
    let unreachable = |error: std::io::Error| SourceError::Unreachable { url: shown.to_owned(), source: error.into() };
    let host = url.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (bare, url.port.unwrap_or(PORT)).to_socket_addrs().map_err(unreachable)?;
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT.min(session.timeout)) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(unreachable)?;
                stream.set_read_timeout(Some(TICK)).map_err(unreachable)?;
                stream.set_write_timeout(Some(SILENCE)).map_err(unreachable)?;
                let write = stream.try_clone().map_err(unreachable)?;
                let read = Guard::new(stream, session.stop, session.limit);
                let virtual_host = Some((host.to_owned(), url.port));
                let path = url.path.clone();
                let connection =
                    Connection::new(read, write, Protocol::V2, path, virtual_host, ConnectMode::Daemon, false);
                return Ok(Box::new(connection));
            }
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}
