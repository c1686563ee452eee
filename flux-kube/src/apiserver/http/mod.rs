//! The HTTP face: a [`tower::Service`] that needs no socket, and the same on a port.

mod body;
mod handler;
mod negotiate;
mod options;
mod route;
#[cfg(feature = "serve")]
mod serve;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;

pub use body::Body;
#[cfg(feature = "serve")]
pub use serve::Serving;

use super::ApiServer;

/// The error of the HTTP face: there is none, every refusal is an answer.
pub type ServiceError = Infallible;

/// The largest body that is read.
const MAX_BODY: usize = 3 * 1024 * 1024;

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
            let body = match http_body_util::Limited::new(body, MAX_BODY).collect().await {
                Ok(collected) => Ok(collected.to_bytes()),
                Err(e) => Err(e.to_string()),
            };
            Ok(handler::handle(&server, &parts, body).await)
        })
    }
}
