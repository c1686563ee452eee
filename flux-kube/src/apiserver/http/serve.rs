//! The server on a port.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "tls")]
use super::tls::{Authority, TlsError};
use crate::apiserver::{ApiServer, input};

/// How long a client may take for a handshake.
#[cfg(feature = "tls")]
const HANDSHAKE_TIME: Duration = Duration::from_secs(30);

/// How long a connection may wait for the headers of its next request.
const HEADER_TIME: Duration = Duration::from_secs(90);

/// A server that answers on a port until it is dropped or stopped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    encryption: Encryption,
    stop: CancellationToken,
}

/// How a user of a kubeconfig shows who they are.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// By a token.
    Token(String),
    /// By a certificate and its key, as PEM.
    Certificate {
        /// The certificate.
        certificate: String,
        /// Its private key.
        key: String,
    },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Token(_) => "Token",
            Credentials::Certificate { .. } => "Certificate",
        })
    }
}

impl Serving {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        match &self.encryption {
            Encryption::None => format!("http://{}", self.address),
            #[cfg(feature = "tls")]
            Encryption::Tls(_) => format!("https://{}", self.address),
        }
    }

    /// The certificate of the authority that vouches for the server, as PEM; none without encryption.
    pub fn certificate_authority(&self) -> Option<&str> {
        match &self.encryption {
            Encryption::None => None,
            #[cfg(feature = "tls")]
            Encryption::Tls(authority) => Some(authority.pem()),
        }
    }

    /// A certificate by which a user is known to this server, from now until it stops.
    ///
    /// # Errors
    /// The server does not encrypt, or the certificate cannot be made.
    #[cfg(feature = "tls")]
    pub fn client_certificate(&self, user: &str, groups: &[String]) -> Result<Credentials, TlsError> {
        match &self.encryption {
            Encryption::None => Err(TlsError::Plain),
            Encryption::Tls(authority) => authority.certify(user, groups),
        }
    }

    /// A kubeconfig for it, for whoever needs to say nothing of themselves.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_for("admin", &Credentials::None)
    }

    /// A kubeconfig for it, for a user who is known by these credentials.
    pub fn kubeconfig_for(&self, user: &str, credentials: &Credentials) -> String {
        let data = |pem: &str| STANDARD.encode(pem);
        let mut cluster = serde_json::json!({ "server": self.url() });
        if let Some(authority) = self.certificate_authority() {
            cluster["certificate-authority-data"] = data(authority).into();
        }
        let shown = match credentials {
            Credentials::None => serde_json::json!({}),
            Credentials::Token(token) => serde_json::json!({ "token": token }),
            Credentials::Certificate { certificate, key } => {
                serde_json::json!({"client-certificate-data": data(certificate), "client-key-data": data(key)})
            }
        };
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "embedded",
            "clusters": [{"name": "embedded", "cluster": cluster}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": user}}],
            "users": [{"name": user, "user": shown}],
        });
        input::to_yaml(&config)
    }

    /// Stops answering; open connections end.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How connections are encrypted, if they are.
#[derive(Debug, Clone)]
enum Encryption {
    None,
    #[cfg(feature = "tls")]
    Tls(std::sync::Arc<Authority>),
}

impl ApiServer {
    /// Answers HTTP on `address`, which should be of the loopback interface: there is no encryption.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        self.serve_on(TcpListener::bind(address).await?, Encryption::None)
    }

    /// Answers HTTPS on `address`, with a certificate by an authority that is made on the spot. Users are known by
    /// [their certificates](Serving::client_certificate) too.
    ///
    /// # Errors
    /// The address cannot be listened on, or the certificate cannot be made.
    #[cfg(feature = "tls")]
    pub async fn serve_tls(&self, address: SocketAddr) -> Result<Serving, TlsError> {
        let listener = TcpListener::bind(address).await?;
        let authority = Authority::new(listener.local_addr()?.ip())?;
        Ok(self.serve_on(listener, Encryption::Tls(std::sync::Arc::new(authority)))?)
    }

    fn serve_on(&self, listener: TcpListener, encryption: Encryption) -> io::Result<Serving> {
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(accept(self.clone(), listener, encryption.clone(), stop.clone()));
        Ok(Serving { address, encryption, stop })
    }
}

async fn accept(server: ApiServer, listener: TcpListener, encryption: Encryption, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // A connection that broke before it was taken is nobody's loss; where there are too many open, some
                    // have to end first.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let (server, encryption, stop) = (server.clone(), encryption.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(server, stream, encryption) => {}
            }
        });
    }
}

async fn connection(server: ApiServer, stream: TcpStream, encryption: Encryption) {
    match encryption {
        Encryption::None => answer(server, stream).await,
        #[cfg(feature = "tls")]
        Encryption::Tls(authority) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME, authority.acceptor().accept(stream)).await {
                let user = authority.user_of(stream.get_ref().1.peer_certificates());
                let with_user = move |mut request: http::Request<hyper::body::Incoming>| {
                    if let Some(user) = &user {
                        request.extensions_mut().insert(user.clone());
                    }
                    request
                };
                answer(tower::ServiceExt::map_request(server, with_user), stream).await;
            }
        }
    }
}

async fn answer<S>(server: S, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static)
where
    S: tower::Service<
            http::Request<hyper::body::Incoming>,
            Response = http::Response<super::Body>,
            Error = super::ServiceError,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let service = TowerToHyperService::new(server);
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    builder.http2().timer(TokioTimer::new());
    // What goes wrong with a connection is the client's to see.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}
