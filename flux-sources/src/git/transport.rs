//! Connections to a remote: smart HTTP and the Git daemon, guarded against what a server may do.

use std::any::Any;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::source::SourceError;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::TransportWithoutIO as _;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, Options, PostBodyDataKind, PostResponse, Transport as HttpTransport, reqwest as http_backend,
};
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::guard::{Guard, SILENCE};
use crate::auth::Credentials;
use crate::tls::Tls;

/// How long to wait for a connection to one address.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a socket that waits looks whether to stop.
const TICK: Duration = Duration::from_millis(100);

/// What a connection needs to know.
#[derive(Clone, Copy)]
pub(super) struct Connect<'a> {
    pub(super) tls: &'a Tls,
    pub(super) credentials: &'a Credentials,
    pub(super) stop: &'a AtomicBool,
    /// Bytes that one answer may have.
    pub(super) limit: u64,
    /// The time there is for one operation on the connection.
    pub(super) timeout: Duration,
}

/// Opens a connection; over HTTP nothing is sent yet.
pub(super) fn connect<'a>(
    url: &gix::Url,
    shown: &str,
    options: Connect<'a>,
) -> Result<Box<dyn Transport + 'a>, SourceError> {
    match url.scheme {
        gix::url::Scheme::Git => daemon(url, shown, options),
        _ => http(url, shown, options),
    }
}

fn daemon<'a>(url: &gix::Url, shown: &str, options: Connect<'a>) -> Result<Box<dyn Transport + 'a>, SourceError> {
    let unreachable = |error: std::io::Error| SourceError::Unreachable { url: shown.to_owned(), source: error.into() };
    let host = url.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (bare, url.port.unwrap_or(9418)).to_socket_addrs().map_err(unreachable)?;
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT.min(options.timeout)) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(unreachable)?;
                stream.set_read_timeout(Some(TICK)).map_err(unreachable)?;
                stream.set_write_timeout(Some(SILENCE)).map_err(unreachable)?;
                let write = stream.try_clone().map_err(unreachable)?;
                let read = Guard::new(stream, options.stop, options.limit);
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

fn http<'a>(url: &gix::Url, shown: &str, options: Connect<'a>) -> Result<Box<dyn Transport + 'a>, SourceError> {
    let tls =
        options.tls.client_config().map_err(|problem| SourceError::Rejected { url: shown.to_owned(), problem })?;
    let timeout = options.timeout.min(SILENCE);
    let backend = http_backend::Options {
        configure_client: Some(Box::new(move |client| {
            // The TLS provider is given, so that none needs to be installed in the process, and so is the absence of a
            // proxy, so that none is taken from the environment.
            let client = client.tls_backend_preconfigured((*tls).clone()).no_proxy();
            Ok(client.connect_timeout(CONNECT.min(timeout)).timeout(timeout))
        })),
        configure_request: None,
    };
    let http = GuardedHttp { inner: http_backend::Remote::default(), stop: options.stop, limit: options.limit };
    let mut url = url.clone();
    let extra_headers = match options.credentials {
        Credentials::Anonymous => Vec::new(),
        // Known to the transport, a user and a password follow a redirect on the same host, and no other.
        Credentials::Basic { username, password } if url.scheme == gix::url::Scheme::Https => {
            url.set_user(Some(username.clone()));
            url.set_password(Some(password.clone()));
            Vec::new()
        }
        // As headers, credentials rule redirects out altogether.
        Credentials::Basic { username, password } => {
            vec![format!("Authorization: Basic {}", STANDARD.encode(format!("{username}:{password}")))]
        }
        Credentials::Bearer { token } => vec![format!("Authorization: Bearer {token}")],
    };
    let options_of_backend =
        Options { extra_headers, backend: Some(Arc::new(Mutex::new(backend))), ..Options::default() };
    let mut transport = HttpTransport::new_http(http, url, Protocol::V2, false);
    transport
        .configure(&options_of_backend)
        .map_err(|error| SourceError::Rejected { url: shown.to_owned(), problem: error.to_string() })?;
    Ok(Box::new(transport))
}

/// An HTTP client whose answers are guarded.
struct GuardedHttp<'a> {
    inner: http_backend::Remote,
    stop: &'a AtomicBool,
    limit: u64,
}

impl<'a> Http for GuardedHttp<'a> {
    type Headers = Guard<'a, <http_backend::Remote as Http>::Headers>;
    type ResponseBody = Guard<'a, <http_backend::Remote as Http>::ResponseBody>;
    type PostBody = <http_backend::Remote as Http>::PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let response = self.inner.get(url, base_url, headers)?;
        Ok(GetResponse {
            headers: Guard::new(response.headers, self.stop, self.limit),
            body: Guard::new(response.body, self.stop, self.limit),
        })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let response = self.inner.post(url, base_url, headers, body)?;
        Ok(PostResponse {
            post_body: response.post_body,
            headers: Guard::new(response.headers, self.stop, self.limit),
            body: Guard::new(response.body, self.stop, self.limit),
        })
    }

    fn configure(&mut self, config: &dyn Any) -> gix::Result {
        self.inner.configure(config)
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.inner.redirected_base_url()
    }
}
