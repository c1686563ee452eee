//! The HTTP client of every source that speaks it: bounded, patient within reason, and careful with credentials.

use std::time::Duration;

use bytes::Bytes;
use flux_core::Context;
use flux_core::source::SourceError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use crate::auth::Credentials;
use crate::tls::Tls;

const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may stay silent in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 10;
/// How often a request is sent again after a failure that may pass.
const RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A server that asks for more patience than this gets none; the loop comes back by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An HTTP client. A clone shares its connections.
#[derive(Clone, Debug)]
pub(crate) struct Http(Client);

/// An answer that was read whole, within its limit.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(tls: &Tls) -> Result<Self, String> {
        let client = Client::builder()
            .tls_backend_preconfigured((*tls.client_config()?).clone())
            // The environment is not read.
            .no_proxy()
            .user_agent(concat!("flux-rs/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .referer(false)
            // Credentials are dropped by the client when the host changes; what is left is never to lose TLS.
            .redirect(reqwest::redirect::Policy::custom(|attempt| {
                let downgrade =
                    attempt.url().scheme() != "https" && attempt.previous().iter().any(|url| url.scheme() == "https");
                if downgrade {
                    attempt.error("a redirect from https to http is refused")
                } else if attempt.previous().len() > REDIRECTS {
                    attempt.error("too many redirects")
                } else {
                    attempt.follow()
                }
            }))
            .build()
            .map_err(|error| format!("the HTTP client cannot be set up: {error}"))?;
        Ok(Self(client))
    }

    /// Starts a request.
    pub(crate) fn request(&self, method: Method, url: Url, credentials: &Credentials) -> RequestBuilder {
        let request = self.0.request(method, url);
        match credentials {
            Credentials::Anonymous => request,
            Credentials::Basic { username, password } => request.basic_auth(username, Some(password)),
            Credentials::Bearer { token } => request.bearer_auth(token),
        }
    }

    /// Sends a request, again if need be, and reads the answer whole. Any status is an answer.
    pub(crate) async fn send(
        &self,
        cx: &Context,
        url: &str,
        request: RequestBuilder,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 0.. {
            let again = request.try_clone().filter(|_| attempt < RETRIES);
            let last = again.is_none();
            let sent = again.or_else(|| request.try_clone());
            let Some(sent) = sent else { break };
            let wait = match cx.run(sent.send()).await? {
                Ok(response) => match retry_after(&response, pause).filter(|_| !last) {
                    Some(wait) => wait,
                    None => return cx.run(read(url, response, limit)).await?,
                },
                Err(error) if !last && (error.is_connect() || error.is_timeout()) => pause,
                Err(error) => return Err(failed(url, error)),
            };
            cx.run(tokio::time::sleep(wait)).await?;
            pause *= 2;
        }
        Err(SourceError::Rejected { url: url.to_owned(), problem: "the request cannot be sent again".into() })
    }
}

/// How long to wait before asking again; none for an answer that stands.
fn retry_after(response: &Response, pause: Duration) -> Option<Duration> {
    if !matches!(response.status().as_u16(), 429 | 502 | 503 | 504) {
        return None;
    }
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let wait = asked.map_or(pause, Duration::from_secs);
    (wait <= LONGEST_PAUSE).then_some(wait)
}

/// Reads a body as it comes and not one byte more than allowed.
async fn read(url: &str, mut response: Response, limit: u64) -> Result<Answer, SourceError> {
    let too_large =
        || SourceError::Rejected { url: url.to_owned(), problem: format!("the server sent more than {limit} bytes") };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), headers: response.headers().clone(), body: body.into() })
}

impl Answer {
    /// The answer if it is a success; `what` was asked for.
    pub(crate) fn success(self, url: &str, what: &str) -> Result<Self, SourceError> {
        let url = url.to_owned();
        match self.status.as_u16() {
            200..300 => Ok(self),
            401 | 403 | 407 => Err(SourceError::Denied { url, reason: self.status.to_string() }),
            404 | 410 => Err(SourceError::NotFound { url, what: what.to_owned() }),
            _ => Err(SourceError::Unreachable { url, source: format!("HTTP status {}", self.status).into() }),
        }
    }
}

/// A request that had no answer. The error's own URL may hold a secret in its query, and is left out.
fn failed(url: &str, error: reqwest::Error) -> SourceError {
    let error = error.without_url();
    if error.is_redirect() {
        return SourceError::Rejected { url: url.to_owned(), problem: flux_core::error::chain(&error) };
    }
    SourceError::Unreachable { url: url.to_owned(), source: Box::new(error) }
}
