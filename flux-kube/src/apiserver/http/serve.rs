//! The server on a port.

use std::io;
use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::apiserver::ApiServer;

/// A server that answers on a port until it is dropped or stopped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Serving {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: embedded\nclusters:\n- name: embedded\n  cluster:\n    server: {}\ncontexts:\n- name: embedded\n  context:\n    cluster: embedded\n    user: admin\nusers:\n- name: admin\n  user: {{}}\n",
            self.url()
        )
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

impl ApiServer {
    /// Answers HTTP on `address`, which should be of the loopback interface: there is no encryption.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(accept(self.clone(), listener, stop.clone()));
        Ok(Serving { address, stop })
    }
}

async fn accept(server: ApiServer, listener: TcpListener, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // A connection that broke before it was taken is nobody's loss.
                Err(_) => continue,
            },
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(server.clone());
        let stop = stop.clone();
        tokio::spawn(async move {
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                _ = connection => {}
            }
        });
    }
}
