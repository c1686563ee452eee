//! Smart HTTP over this crate's own client.
//!
//! A server of protocol version 2 says first what it can do, and only then can be asked for its references. What it said is
//! remembered, so that asking an unchanged repository again costs one request.

use std::any::Any;
use std::cell::RefCell;
use std::io::{self, BufRead, Cursor, Read, Write};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use flux_core::source::SourceError;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http as GixHttp, PostBodyDataKind, PostResponse, Transport as HttpTransport,
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::github::GithubApp;
use super::session::Session;
use crate::http::{Body, Credentials, Http, Incoming, Request, judge};

/// The longest answer about abilities that is remembered.
const REMEMBERED_BYTES: usize = 16 << 10;

/// A repository behind a URL, and what its server can do.
#[derive(Debug)]
pub(super) struct HttpRemote {
    http: Http,
    login: Login,
    url: Url,
    /// The server that the login is for.
    owner: Url,
    abilities: Mutex<Option<Abilities>>,
}

/// Who we are to a server.
#[derive(Debug, Clone)]
pub(super) enum Login {
    Fixed(Credentials),
    Github(GithubApp),
}

impl Default for Login {
    fn default() -> Self {
        Self::Fixed(Credentials::Anonymous)
    }
}

/// What a server said it can do, and where it was in the end.
#[derive(Debug, Clone)]
struct Abilities {
    content_type: String,
    body: Bytes,
    redirected: Option<String>,
}

impl HttpRemote {
    pub(super) fn new(http: Http, login: Login, url: Url, owner: Url) -> Self {
        Self { http, login, url, owner, abilities: Mutex::new(None) }
    }

    /// A connection; nothing is sent yet.
    pub(super) fn connect<'a>(&'a self, shown: &'a str, session: &'a Session<'a>) -> Box<dyn Transport + 'a> {
        let client = Client { remote: self, shown, session, redirected: None };
        // A trailing slash is no part of a repository's path.
        let url = self.url.as_str().trim_end_matches('/');
        let url = gix::url::parse(url).unwrap_or_else(|_| gix::Url::default());
        Box::new(HttpTransport::new_http(client, url, Protocol::V2, false))
    }

    /// Whether it is known what the server can do.
    pub(super) fn is_known(&self) -> bool {
        self.abilities().is_some()
    }

    /// Forgets what the server can do.
    pub(super) fn forget(&self) {
        self.abilities().take();
    }

    fn abilities(&self) -> MutexGuard<'_, Option<Abilities>> {
        self.abilities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What gix speaks HTTP through.
struct Client<'a> {
    remote: &'a HttpRemote,
    shown: &'a str,
    session: &'a Session<'a>,
    redirected: Option<String>,
}

impl<'a> Client<'a> {
    fn request(
        &self,
        method: Method,
        url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Request, SourceError> {
        let invalid = || SourceError::Rejected { url: self.shown.to_owned(), problem: "is not a URL for HTTP".into() };
        let url = Url::parse(url).map_err(|_| invalid())?;
        let credentials = match &self.remote.login {
            Login::Fixed(credentials) => credentials.clone(),
            Login::Github(app) => self.session.wait(app.credentials(self.session.cx))?,
        };
        let mut request = Request::new(method, url, &credentials).sent_by(&self.remote.owner).in_thread();
        for line in headers {
            let (name, value) = line.as_ref().split_once(':').ok_or_else(invalid)?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| invalid())?;
            request = request.header(name, HeaderValue::from_str(value.trim()).map_err(|_| invalid())?);
        }
        Ok(request)
    }

    /// Asks the server what it can do; servers of older versions tell their references right away.
    fn ask(&self, request: &Request, url: &str, base_url: &str) -> Result<Abilities, SourceError> {
        let (cx, shown) = (self.session.cx, self.shown);
        self.session.wait(async {
            let Incoming { status, headers, url: found, mut body } =
                self.remote.http.open(cx, shown, request, self.session.limit).await?;
            judge(status, shown, "repository")?;
            let mut data = Vec::new();
            while let Some(chunk) = body.chunk(cx).await? {
                data.extend_from_slice(&chunk);
            }
            let tail = url.strip_prefix(base_url).unwrap_or_default();
            let redirected = match found.as_str() {
                same if same == url => None,
                other => Some(other.strip_suffix(tail).map(str::to_owned).ok_or_else(|| SourceError::Rejected {
                    url: shown.to_owned(),
                    problem: "it redirects to something that is no repository".into(),
                })?),
            };
            Ok(Abilities { content_type: content_type(&headers), body: data.into(), redirected })
        })
    }
}

impl<'a> GixHttp for Client<'a> {
    type Headers = HeaderLines<'a>;
    type ResponseBody = ResponseBody<'a>;
    type PostBody = PostBody<'a>;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let known = self.remote.abilities().clone();
        let abilities = match known {
            Some(known) => known,
            None => {
                let asked = self.request(Method::GET, url, headers);
                let asked = asked.and_then(|request| self.ask(&request, url, base_url));
                let asked = asked.map_err(|error| gix::Error::from_error(self.session.fail(error)))?;
                if asked.body.len() <= REMEMBERED_BYTES && is_version_2(&asked.body) {
                    *self.remote.abilities() = Some(asked.clone());
                }
                asked
            }
        };
        self.redirected = abilities.redirected;
        let state = State::Reading { content_type: abilities.content_type, body: None, first: abilities.body };
        let exchange =
            Rc::new(Exchange { remote: self.remote, shown: self.shown, session: self.session, state: state.into() });
        Ok(GetResponse { headers: HeaderLines::of(&exchange), body: ResponseBody::of(&exchange) })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let request = self.request(Method::POST, url, headers);
        let request = request.map_err(|error| gix::Error::from_error(self.session.fail(error)))?;
        let state = State::Writing { request, data: Vec::new() };
        let exchange =
            Rc::new(Exchange { remote: self.remote, shown: self.shown, session: self.session, state: state.into() });
        Ok(PostResponse {
            post_body: PostBody(exchange.clone()),
            headers: HeaderLines::of(&exchange),
            body: ResponseBody::of(&exchange),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

/// One request and its answer. The request is sent when the answer is first asked for.
struct Exchange<'a> {
    remote: &'a HttpRemote,
    shown: &'a str,
    session: &'a Session<'a>,
    state: RefCell<State>,
}

enum State {
    Writing { request: Request, data: Vec<u8> },
    Reading { content_type: String, body: Option<Body>, first: Bytes },
    Failed,
}

impl Exchange<'_> {
    /// Sends what was written, if that has not been done yet.
    fn begin(&self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        if !matches!(*state, State::Writing { .. }) {
            return Ok(());
        }
        let State::Writing { request, data } = std::mem::replace(&mut *state, State::Failed) else { return Ok(()) };
        let (cx, limit) = (self.session.cx, self.session.limit);
        let answer = self.session.wait(self.remote.http.open(cx, self.shown, &request.body(data), limit));
        let answer = answer.and_then(|answer| judge(answer.status, self.shown, "repository").map(|()| answer));
        let Incoming { headers, body, .. } = answer.map_err(|error| self.session.fail(error))?;
        *state = State::Reading { content_type: content_type(&headers), body: Some(body), first: Bytes::new() };
        Ok(())
    }

    /// The next piece of the body; an empty one at its end.
    fn chunk(&self) -> io::Result<Bytes> {
        self.begin()?;
        let State::Reading { body, first, .. } = &mut *self.state.borrow_mut() else { return Ok(Bytes::new()) };
        let Some(body) = body else { return Ok(std::mem::take(first)) };
        let chunk = self.session.wait(body.chunk(self.session.cx));
        chunk.map(Option::unwrap_or_default).map_err(|error| self.session.fail(error))
    }
}

/// The headers of an answer, of which gix wants one.
struct HeaderLines<'a> {
    exchange: Rc<Exchange<'a>>,
    text: Option<Cursor<Vec<u8>>>,
}

impl<'a> HeaderLines<'a> {
    fn of(exchange: &Rc<Exchange<'a>>) -> Self {
        Self { exchange: exchange.clone(), text: None }
    }

    fn text(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        if self.text.is_none() {
            self.exchange.begin()?;
        }
        Ok(self.text.get_or_insert_with(|| match &*self.exchange.state.borrow() {
            State::Reading { content_type, .. } => Cursor::new(format!("content-type: {content_type}\n").into_bytes()),
            _ => Cursor::default(),
        }))
    }
}

impl Read for HeaderLines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text()?.read(buffer)
    }
}

impl BufRead for HeaderLines<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.text()?.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Some(text) = &mut self.text {
            text.consume(count);
        }
    }
}

/// What is sent.
struct PostBody<'a>(Rc<Exchange<'a>>);

impl Write for PostBody<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0.state.borrow_mut() {
            State::Writing { data, .. } => data.write(bytes),
            _ => Err(io::Error::other("the request has been sent already")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What comes back.
struct ResponseBody<'a> {
    exchange: Rc<Exchange<'a>>,
    chunk: Bytes,
}

impl<'a> ResponseBody<'a> {
    fn of(exchange: &Rc<Exchange<'a>>) -> Self {
        Self { exchange: exchange.clone(), chunk: Bytes::new() }
    }
}

impl Read for ResponseBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for ResponseBody<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            self.chunk = self.exchange.chunk()?;
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.chunk.advance(count);
    }
}

fn content_type(headers: &HeaderMap) -> String {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Whether a server announces version 2 of the protocol: then what it says holds no references.
fn is_version_2(body: &[u8]) -> bool {
    body.windows(10).take(64).any(|line| line == b"version 2\n")
}
