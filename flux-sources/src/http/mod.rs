//! The HTTP client of every source that speaks it: bounded, patient within reason, and careful with credentials.
//!
//! A request is sent, again if a failure may pass, and followed where it is redirected: credentials and a client's
//! certificate go to the server they are for and to no other, nothing goes from https to http, and nobody sends us to the
//! machine we run on. An answer is read as it comes, within a limit; a silent server, the deadline and cancellation end it.

mod credentials;
mod deadline;
mod proxy;
mod redirect;
mod retry;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use flux_core::Context;
use flux_core::source::SourceError;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};

pub use credentials::Credentials;
#[cfg(feature = "git")]
pub(crate) use deadline::TIMEOUT;
pub(crate) use deadline::bounded;
pub use proxy::Proxy;
pub use tls::Tls;

/// How long to wait for a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may stay silent in the middle of an answer.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// How a source reaches its server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) tls: Tls,
    pub(crate) proxy: Option<Proxy>,
}

impl Settings {
    /// A client for a library that sends by itself. It follows no redirect.
    ///
    /// # Errors
    /// In words: certificates that cannot be used.
    #[cfg(feature = "bucket")]
    pub(crate) fn client(&self) -> Result<Client, String> {
        set_up(self.client_with(self.tls.client_config()?)?)
    }

    fn client_with(&self, tls: rustls::ClientConfig) -> Result<reqwest::ClientBuilder, String> {
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            // The environment is not read.
            .no_proxy()
            .user_agent(concat!("flux-rs/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none());
        Ok(match &self.proxy {
            Some(proxy) => builder.proxy(proxy.for_client()?),
            None => builder,
        })
    }
}

fn set_up(builder: reqwest::ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| format!("the HTTP client cannot be set up: {error}"))
}

/// An HTTP client for one server and the places that it redirects to. Nothing is set up before the first request. A clone
/// shares its connections.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    settings: Settings,
    /// For the server that was asked for.
    own: OnceLock<Result<Client, String>>,
    /// For where it redirects to, which is shown no certificate: for servers on this machine, and for others.
    foreign: [OnceLock<Result<Client, String>>; 2],
}

/// A request, which can be sent more than once.
#[derive(Clone)]
pub(crate) struct Request {
    method: Method,
    url: Url,
    /// The server that the credentials, and the certificate of the client, are for.
    server: Url,
    credentials: Credentials,
    headers: HeaderMap,
    body: Bytes,
    /// It is waited for by a thread of its own, which sleeps as threads do.
    in_thread: bool,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url, credentials: &Credentials) -> Self {
        let server = url.clone();
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, url, server, credentials: credentials.clone(), headers, body, in_thread: false }
    }

    /// The same from a blocking thread. A runtime with a paused clock stands still as long as such a thread waits for it:
    /// pauses between attempts are the thread's own.
    #[cfg(feature = "git")]
    pub(crate) fn in_thread(mut self) -> Self {
        self.in_thread = true;
        self
    }

    #[cfg(any(feature = "helm", feature = "oci", test))]
    pub(crate) fn get(url: Url, credentials: &Credentials) -> Self {
        Self::new(Method::GET, url, credentials)
    }

    /// The request goes where this server sent us: if it is another one, it sees neither credentials nor certificate.
    pub(crate) fn sent_by(mut self, server: &Url) -> Self {
        self.server = server.clone();
        self
    }

    /// Adds a header; no credentials, which a redirect elsewhere must not see.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    #[cfg(any(feature = "git", feature = "oci"))]
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer whose body has not been read yet.
pub(crate) struct Incoming {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Where it came from in the end.
    #[cfg(feature = "git")]
    pub(crate) url: Url,
    pub(crate) body: Body,
}

/// A body that is read as it comes and not one byte more than allowed.
pub(crate) struct Body {
    response: Response,
    shown: String,
    limit: u64,
    left: u64,
}

/// An answer that was read whole, within its limit.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    #[cfg(any(feature = "helm", feature = "oci"))]
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings, own: OnceLock::new(), foreign: Default::default() }))
    }

    /// Sends a request and reads the answer whole, within `limit` bytes. Any status is an answer. `shown` names the source
    /// in errors.
    pub(crate) async fn send(
        &self,
        cx: &Context,
        shown: &str,
        request: &Request,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        let mut incoming = self.open(cx, shown, request, limit).await?;
        let mut data = Vec::new();
        while let Some(chunk) = incoming.body.chunk(cx).await? {
            data.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: incoming.status,
            #[cfg(any(feature = "helm", feature = "oci"))]
            headers: incoming.headers,
            body: data.into(),
        })
    }

    /// Sends a request, and leaves the body of the answer to be read. Any status is an answer.
    pub(crate) async fn open(
        &self,
        cx: &Context,
        shown: &str,
        request: &Request,
        limit: u64,
    ) -> Result<Incoming, SourceError> {
        let mut attempt = 0;
        let (response, _url) = loop {
            let may_try_again = attempt < retry::RETRIES;
            let wait = match cx.run(self.follow(shown, request)).await? {
                Ok((response, url)) => match retry::after(response.status(), response.headers(), attempt, cx.now()) {
                    Some(wait) if may_try_again => wait,
                    _ => break (response, url),
                },
                Err(Failure::Passing(_)) if may_try_again => retry::pause(attempt),
                Err(Failure::Passing(error) | Failure::Lasting(error)) => return Err(error),
            };
            rest(cx, request.in_thread, wait).await?;
            attempt += 1;
        };
        let body = Body::new(response, shown, limit)?;
        Ok(Incoming {
            status: body.response.status(),
            headers: body.response.headers().clone(),
            #[cfg(feature = "git")]
            url: _url,
            body,
        })
    }

    /// Sends a request and follows it to where it is redirected.
    async fn follow(&self, shown: &str, request: &Request) -> Result<(Response, Url), Failure> {
        let rejected = |problem: String| SourceError::Rejected { url: shown.to_owned(), problem };
        let mut url = request.url.clone();
        for _ in 0..=redirect::REDIRECTS {
            let ours = redirect::same_server(&request.server, &url);
            if !ours {
                redirect::check(&request.server, &url).map_err(rejected)?;
            }
            let client = self.client(&request.server, ours).map_err(rejected)?;
            let mut sent = client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
            match &request.credentials {
                Credentials::Basic { username, password } if ours => sent = sent.basic_auth(username, Some(password)),
                Credentials::Bearer { token } if ours => sent = sent.bearer_auth(token),
                _ => {}
            }
            if !request.body.is_empty() {
                sent = sent.body(request.body.clone());
            }
            let response = sent.send().await.map_err(|error| {
                let passing = error.is_connect() || error.is_timeout();
                let error = failed(shown, error);
                if passing { Failure::Passing(error) } else { Failure::Lasting(error) }
            })?;
            match redirect::next(&url, &request.method, response.status(), response.headers()).map_err(rejected)? {
                None => return Ok((response, url)),
                Some(next) => url = next,
            }
        }
        Err(rejected(format!("too many redirects: more than {}", redirect::REDIRECTS)).into())
    }

    /// The client for the server itself, or for where it redirects to.
    fn client(&self, server: &Url, ours: bool) -> Result<&Client, String> {
        let inner = &*self.0;
        let from_loopback = redirect::is_loopback(server);
        let slot = if ours { &inner.own } else { &inner.foreign[usize::from(from_loopback)] };
        let client = slot.get_or_init(|| {
            let tls = &inner.settings.tls;
            let tls = if ours { tls.client_config() } else { tls.anonymous_config() }?;
            let mut builder = inner.settings.client_with(tls)?;
            if inner.settings.proxy.is_none() && !ours {
                builder = builder.dns_resolver(redirect::Outside { from_loopback });
            }
            set_up(builder)
        });
        client.as_ref().map_err(Clone::clone)
    }
}

/// Waits between two attempts.
async fn rest(cx: &Context, in_thread: bool, wait: Duration) -> Result<(), SourceError> {
    if !in_thread {
        return Ok(cx.run(tokio::time::sleep(wait)).await?);
    }
    let end = std::time::Instant::now() + wait;
    while let left @ 1.. = end.saturating_duration_since(std::time::Instant::now()).as_millis() as u64 {
        cx.check()?;
        std::thread::sleep(Duration::from_millis(left.min(50)));
    }
    Ok(())
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Http").field(&self.0.settings).finish()
    }
}

/// A failure that may pass by itself, or one that asking again does not mend.
enum Failure {
    Passing(SourceError),
    Lasting(SourceError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Lasting(error)
    }
}

impl Body {
    fn new(response: Response, shown: &str, limit: u64) -> Result<Self, SourceError> {
        let body = Self { shown: shown.to_owned(), limit, left: limit, response };
        if body.response.content_length().is_some_and(|length| length > limit) {
            return Err(body.too_large());
        }
        Ok(body)
    }

    /// The next piece; none at the end.
    pub(crate) async fn chunk(&mut self, cx: &Context) -> Result<Option<Bytes>, SourceError> {
        let Some(chunk) = cx.run(self.response.chunk()).await?.map_err(|error| failed(&self.shown, error))? else {
            return Ok(None);
        };
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(|| self.too_large())?;
        Ok(Some(chunk))
    }

    fn too_large(&self) -> SourceError {
        let problem = format!("the server sent more than {} bytes", self.limit);
        SourceError::Rejected { url: self.shown.clone(), problem }
    }
}

impl Answer {
    /// The answer if it is a success; `what` was asked for.
    pub(crate) fn success(self, url: &str, what: &str) -> Result<Self, SourceError> {
        judge(self.status, url, what).map(|()| self)
    }
}

/// What a status means for a source that asked for `what`.
pub(crate) fn judge(status: StatusCode, url: &str, what: &str) -> Result<(), SourceError> {
    let url = url.to_owned();
    match status.as_u16() {
        200..300 => Ok(()),
        401 | 403 | 407 => Err(SourceError::Denied { url, reason: status.to_string() }),
        404 | 410 => Err(SourceError::NotFound { url, what: what.to_owned() }),
        _ => Err(SourceError::Unreachable { url, source: format!("HTTP status {status}").into() }),
    }
}

/// A request that had no answer. The error's own URL may hold a secret in its query, and is left out.
fn failed(url: &str, error: reqwest::Error) -> SourceError {
    SourceError::Unreachable { url: url.to_owned(), source: Box::new(error.without_url()) }
}
