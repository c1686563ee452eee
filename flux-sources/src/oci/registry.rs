//! One repository of a registry, spoken to as the OCI distribution specification has it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flux_core::source::SourceError;
use flux_core::{Context, Digest};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::challenge::Challenge;
use crate::http::{Answer, Credentials, Http, Request};

/// What a manifest, a page of tags and a token may weigh: the size every registry has to accept for a manifest.
const DOCUMENT_BYTES: u64 = 4 << 20;
/// How many tags are looked at.
const TAGS: usize = 100_000;
/// How long a token is good for when nothing is said about it, by the specification of token authentication.
const TOKEN_LIFE: u64 = 60;
/// A token is not used in its last moments.
const TOKEN_MARGIN: Duration = Duration::from_secs(10);

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A repository of a registry, and who we are to it.
pub(super) struct Registry {
    http: Http,
    /// `https://host/v2/org/app/`.
    base: Url,
    shown: String,
    credentials: Credentials,
    /// What the registry has let us in with, so that it need not be asked again.
    granted: Mutex<Option<Granted>>,
}

#[derive(Clone)]
struct Granted {
    credentials: Credentials,
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Registry {
    pub(super) fn new(http: Http, base: Url, shown: String, credentials: Credentials) -> Self {
        Self { http, base, shown, credentials, granted: Mutex::new(None) }
    }

    /// The digest of the manifest or index under a tag: one HEAD, or a GET where a registry does not say it.
    pub(super) async fn digest(&self, cx: &Context, tag: &str) -> Result<String, SourceError> {
        let path = format!("manifests/{tag}");
        let what = format!("tag `{tag}`");
        let answer = self.call(cx, Method::HEAD, &path, Some(MANIFESTS), DOCUMENT_BYTES).await?;
        // Some registries know no HEAD; what a GET says is decisive.
        let unsure = matches!(answer.status.as_u16(), 404 | 405);
        if !unsure {
            let answer = answer.success(&self.shown, &what)?;
            let name = HeaderName::from_static("docker-content-digest");
            let digest = answer.headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(digest) = digest.filter(|digest| super::reference::is_digest(digest)) {
                return Ok(digest.to_owned());
            }
        }
        let answer = self.call(cx, Method::GET, &path, Some(MANIFESTS), DOCUMENT_BYTES).await?;
        Ok(Digest::sha256(&answer.success(&self.shown, &what)?.body).to_string())
    }

    /// A manifest or index, held against its digest.
    pub(super) async fn manifest(&self, cx: &Context, digest: &str) -> Result<Bytes, SourceError> {
        let answer =
            self.call(cx, Method::GET, &format!("manifests/{digest}"), Some(MANIFESTS), DOCUMENT_BYTES).await?;
        self.verified(answer, digest)
    }

    /// Whatever is under a tag now, which nothing vouches for.
    pub(super) async fn tagged(&self, cx: &Context, tag: &str) -> Result<Bytes, SourceError> {
        let answer = self.call(cx, Method::GET, &format!("manifests/{tag}"), Some(MANIFESTS), DOCUMENT_BYTES).await?;
        Ok(answer.success(&self.shown, &format!("tag `{tag}`"))?.body)
    }

    /// The index of what refers to a digest, from the API for it or, where a registry has none, under the tag that stands
    /// in for it; nothing vouches for it, and it may hold more than this type.
    pub(super) async fn referrers(
        &self,
        cx: &Context,
        digest: &str,
        artifact_type: &str,
    ) -> Result<Option<Bytes>, SourceError> {
        let mut url = self.url(&format!("referrers/{digest}"))?;
        url.query_pairs_mut().append_pair("artifactType", artifact_type);
        let answer = self.call_url(cx, Method::GET, url, None, DOCUMENT_BYTES).await?;
        if !matches!(answer.status.as_u16(), 400 | 404 | 405) {
            return Ok(Some(answer.success(&self.shown, "referrers")?.body));
        }
        match self.tagged(cx, &digest.replacen(':', "-", 1)).await {
            Err(SourceError::NotFound { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// A blob of at most this many bytes, held against its digest.
    pub(super) async fn blob(&self, cx: &Context, digest: &str, limit: u64) -> Result<Bytes, SourceError> {
        let answer = self.call(cx, Method::GET, &format!("blobs/{digest}"), None, limit).await?;
        self.verified(answer, digest)
    }

    /// All tags, page by page.
    pub(super) async fn tags(&self, cx: &Context) -> Result<Vec<String>, SourceError> {
        let mut tags = BTreeSet::new();
        let mut next = Some(self.url("tags/list")?);
        while let Some(url) = next {
            let answer = self.call_url(cx, Method::GET, url.clone(), None, DOCUMENT_BYTES).await?;
            let answer = answer.success(&self.shown, "repository")?;
            let page: Tags = serde_json::from_slice(&answer.body)
                .map_err(|error| self.rejected(format!("the list of tags is broken: {error}")))?;
            let before = tags.len();
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > TAGS {
                return Err(self.rejected(format!("more than {TAGS} tags")));
            }
            // Some registries send the same page for ever: one that brings nothing new is the last.
            next = next_page(&url, &answer.headers).filter(|_| tags.len() > before);
        }
        Ok(tags.into_iter().collect())
    }

    /// Sends a blob, unless the registry has it already.
    pub(super) async fn upload(&self, cx: &Context, digest: &Digest, data: Bytes) -> Result<(), SourceError> {
        let there = self.call(cx, Method::HEAD, &format!("blobs/{digest}"), None, DOCUMENT_BYTES).await?;
        if there.status.is_success() {
            return Ok(());
        }
        let begin = self.url("blobs/uploads/")?;
        let answer = self.call_url(cx, Method::POST, begin.clone(), None, DOCUMENT_BYTES).await?;
        let answer = answer.success(&self.shown, "repository to upload to")?;
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|location| begin.join(location).ok());
        let mut url = location.ok_or_else(|| self.rejected("the registry names no place to upload to".into()))?;
        let allowed = if self.base.scheme() == "https" { &["https"][..] } else { &["https", "http"] };
        if !allowed.contains(&url.scheme()) {
            return Err(self.rejected(format!("an upload to a place of `{}:` is refused", url.scheme())));
        }
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        self.put(cx, url, "application/octet-stream", data).await
    }

    /// Puts a manifest under a tag, or under its digest.
    pub(super) async fn put_manifest(
        &self,
        cx: &Context,
        name: &str,
        media_type: &'static str,
        data: Bytes,
    ) -> Result<(), SourceError> {
        self.put(cx, self.url(&format!("manifests/{name}"))?, media_type, data).await
    }

    async fn put(&self, cx: &Context, url: Url, media_type: &'static str, data: Bytes) -> Result<(), SourceError> {
        let request = |credentials: &Credentials| {
            let request = Request::new(Method::PUT, url.clone(), credentials).sent_by(&self.base);
            request.header(CONTENT_TYPE, HeaderValue::from_static(media_type)).body(data.clone())
        };
        self.ask(cx, request, DOCUMENT_BYTES).await?.success(&self.shown, "place to upload to").map(drop)
    }

    fn verified(&self, answer: Answer, digest: &str) -> Result<Bytes, SourceError> {
        let body = answer.success(&self.shown, &format!("digest `{digest}`"))?.body;
        let found = Digest::sha256(&body).to_string();
        if found != digest {
            let problem = format!("the registry sent content of digest `{found}` for `{digest}`");
            return Err(SourceError::Unverified { url: self.shown.clone(), problem });
        }
        Ok(body)
    }

    async fn call(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        accept: Option<&'static str>,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        self.call_url(cx, method, self.url(path)?, accept, limit).await
    }

    async fn call_url(
        &self,
        cx: &Context,
        method: Method,
        url: Url,
        accept: Option<&'static str>,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        let request = |credentials: &Credentials| {
            let request = Request::new(method.clone(), url.clone(), credentials);
            accept.into_iter().fold(request, |request, accept| request.header(ACCEPT, HeaderValue::from_static(accept)))
        };
        self.ask(cx, request, limit).await
    }

    /// Sends a request and, if the registry asks who we are, answers that and sends it once more.
    async fn ask(
        &self,
        cx: &Context,
        request: impl Fn(&Credentials) -> Request,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        let granted = self.granted();
        let answer = self.http.send(cx, &self.shown, &request(&granted), limit).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenges = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = challenges.filter_map(Challenge::parse).next() else { return Ok(answer) };
        let granted = self.meet(cx, challenge).await?;
        let credentials = granted.credentials.clone();
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
        self.http.send(cx, &self.shown, &request(&credentials), limit).await
    }

    fn granted(&self) -> Credentials {
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = granted.as_ref().filter(|granted| granted.until.is_none_or(|until| Instant::now() < until));
        fresh.map(|granted| granted.credentials.clone()).unwrap_or_default()
    }

    /// What to come back with after a challenge.
    async fn meet(&self, cx: &Context, challenge: Challenge) -> Result<Granted, SourceError> {
        let denied = |reason: &str| SourceError::Denied { url: self.shown.clone(), reason: reason.into() };
        match (challenge, &self.credentials) {
            (_, Credentials::Bearer { .. }) => Ok(Granted { credentials: self.credentials.clone(), until: None }),
            (Challenge::Basic, Credentials::Anonymous) => Err(denied("a user and a password are required")),
            (Challenge::Basic, _) => Ok(Granted { credentials: self.credentials.clone(), until: None }),
            (Challenge::Bearer { realm, service, scope }, _) => {
                let mut url =
                    Url::parse(&realm).map_err(|_| denied("the registry names no place to get a token at"))?;
                if self.base.scheme() == "https" && url.scheme() != "https" {
                    return Err(denied("the registry asks for credentials without TLS"));
                }
                for (name, value) in [("service", service), ("scope", scope)] {
                    if let Some(value) = value {
                        url.query_pairs_mut().append_pair(name, &value);
                    }
                }
                let request = Request::get(url, &self.credentials);
                let answer = self.http.send(cx, &self.shown, &request, DOCUMENT_BYTES).await?;
                let answer = answer.success(&self.shown, "the place to get a token at")?;
                let token: Token =
                    serde_json::from_slice(&answer.body).map_err(|_| denied("the token cannot be read"))?;
                let text = token.token.or(token.access_token).ok_or_else(|| denied("no token was given"))?;
                let life = Duration::from_secs(token.expires_in.unwrap_or(TOKEN_LIFE).min(24 * 3600));
                let until = Instant::now() + life.saturating_sub(TOKEN_MARGIN);
                Ok(Granted { credentials: Credentials::bearer(text), until: Some(until) })
            }
        }
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        // Joined as text: a digest holds a colon, and `Url::join` would take what is before it for a scheme.
        Url::parse(&format!("{}{path}", self.base)).map_err(|error| self.rejected(error.to_string()))
    }

    fn rejected(&self, problem: String) -> SourceError {
        SourceError::Rejected { url: self.shown.clone(), problem }
    }
}

/// Where the `Link` header says the list goes on, on the same server.
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let next = url.join(target).ok()?;
    let relation = parameters.replace(['"', ' '], "");
    (relation.contains("rel=next") && next.origin() == url.origin()).then_some(next)
}
