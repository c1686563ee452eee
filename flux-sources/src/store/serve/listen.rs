//! The server on a port.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use flux_core::Context;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ArtifactServer;

/// How many connections there may be.
const CONNECTIONS: usize = 512;
/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(30);
/// How long a connection may last: longer than the largest artifact takes over a slow line.
const CONNECTION: Duration = Duration::from_secs(600);
/// How long open connections have to end.
const GRACE: Duration = Duration::from_secs(5);

/// A server that listens.
#[derive(Debug)]
pub struct Serving {
    listener: TcpListener,
    server: ArtifactServer,
}

impl ArtifactServer {
    /// Listens on an address, such as `0.0.0.0:9090`. Nothing is answered before [`Serving::run`]. There is neither
    /// encryption nor a question who asks, as with the source controller: who can reach the port can read every artifact.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        Ok(Serving { listener: TcpListener::bind(address).await?, server: self.clone() })
    }
}

impl Serving {
    /// Where it listens.
    ///
    /// # Errors
    /// The machine does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the context is cancelled or its deadline passes; open connections then have five seconds to end.
    pub async fn run(self, cx: &Context) {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let place = free.clone().acquire_owned().await.ok();
                (place, self.listener.accept().await)
            };
            let Ok((place, accepted)) = cx.run(next).await else { break };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (server, cx) = (self.server.clone(), cx.clone());
                    connections.spawn(async move {
                        connection(stream, server, &cx).await;
                        drop(place);
                    });
                }
                // Such as too many open files, which may pass.
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    let _ = cx.run(tokio::time::sleep(Duration::from_millis(100))).await;
                }
            }
        }
        let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    }
}

async fn connection(stream: TcpStream, server: ArtifactServer, cx: &Context) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(server));
    let mut connection = pin!(connection);
    // What is left of an answer is sent; a client that went away is no concern of the server's.
    if cx.run(tokio::time::timeout(CONNECTION, connection.as_mut())).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(GRACE, connection).await;
    }
}
