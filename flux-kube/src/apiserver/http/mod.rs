//! The HTTP face: a [`tower::Service`] that needs no socket, and the same on a port.

mod body;
mod handler;
mod negotiate;
mod options;
mod route;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "tls")]
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;

pub use body::Body;
#[cfg(feature = "serve")]
pub use serve::{Credentials, Serving};
#[cfg(feature = "tls")]
pub use tls::TlsError;

use super::ApiServer;
use super::status::Status;

/// There is no answer: only a [`Fault`](super::Fault) does this, every refusal is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke")]
pub struct ServiceError;

/// The largest body that is read.
const MAX_BODY: usize = 3 * 1024 * 1024;

/// How long a body may take to arrive: as long as a real server has for a whole request.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Reads a body, as far as it is not too large or too slow.
async fn read<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || Status::new(413, "RequestEntityTooLarge", "Request entity is too large: limit is 3145728");
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match tokio::time::timeout(BODY_TIME, http_body_util::Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Status::bad_request(format!("unable to read the body: {error}"))),
        Err(_) => Err(Status::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")),
    }
}

impl<B> tower::Service<Request<B>> for ApiServer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = read(body).await;
            handler::handle(&server, &parts, body).await
        })
    }
}
