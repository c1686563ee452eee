//! The store over HTTP, as the source controller serves its artifacts.
//!
//! [`ArtifactServer`] is a [`tower::Service`] that needs no socket, and [`serve`](ArtifactServer::serve) puts it on a port.
//! `GET` and `HEAD` of `/<kind>/<namespace>/<name>/<file>` are answered, with ETags, `If-None-Match` and `Range`. A file is
//! held against its digest before the first byte of it is sent; one that is spoilt or gone is fetched again from its
//! source, if the server knows it.
//!
//! # Deviations from Flux
//! Directories are not listed and there is no `latest.tar.gz`: a consumer follows the URL in `status.artifact`. What was
//! never stored through an [`ArtifactStore`] is not served.

mod body;
mod listen;
mod range;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::{Seek as _, SeekFrom};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use flux_core::Context;
use flux_core::source::Source;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::{ArtifactStore, Owner, StoreError, Stored, directory};
use range::Wanted;

pub use body::Body;
pub use listen::Serving;

/// How long fetching a file again may take.
const REPAIR: Duration = Duration::from_secs(60);
/// How many files are held against their digests at once.
const CHECKS: usize = 8;

/// Serves what is in a store. A clone is the same server.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use flux_core::{Artifact, Revision, Tree};
/// use flux_sources::store::serve::ArtifactServer;
/// use flux_sources::store::{ArtifactStore, Owner};
/// use tower::Service as _;
///
/// # let dir = tempfile::tempdir()?;
/// let store = ArtifactStore::new(dir.path());
/// let owner = Owner { kind: "Bucket".into(), namespace: "apps".into(), name: "b".into() };
/// let tree = Tree::from_files([("a.yaml", "kind: ConfigMap")])?;
/// let stored = store.put(&owner, &Artifact::new(Revision::new("sha256:00ff"), tree))?;
///
/// let request = http::Request::get("/bucket/apps/b/00ff.tar.gz").body(())?;
/// let answer = ArtifactServer::new(store).call(request).await?;
/// assert_eq!((answer.status(), answer.headers()["content-length"].to_str()?), (http::StatusCode::OK, &*stored.size.to_string()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ArtifactServer(Arc<Inner>);

struct Inner {
    store: ArtifactStore,
    /// Sources by the directory of their files.
    sources: RwLock<BTreeMap<String, Repairer>>,
    /// One file is fetched again at a time; who waited finds it there.
    repairing: tokio::sync::Mutex<()>,
    checks: tokio::sync::Semaphore,
}

#[derive(Clone)]
struct Repairer {
    owner: Owner,
    source: Arc<dyn Source>,
}

/// What a request comes to.
struct Refusal(StatusCode, &'static str);

impl ArtifactServer {
    /// A server for this store. It mends nothing by itself until it [knows sources](Self::repair_from).
    pub fn new(store: ArtifactStore) -> Self {
        let (sources, repairing) = (RwLock::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { store, sources, repairing, checks: tokio::sync::Semaphore::new(CHECKS) }))
    }

    /// The store.
    pub fn store(&self) -> &ArtifactStore {
        &self.0.store
    }

    /// Fetches the owner's files from this source when they are spoilt or gone. They are served again only if they come
    /// out as they were stored, byte by byte.
    ///
    /// # Errors
    /// A name that cannot be part of a path.
    pub fn repair_from(&self, owner: Owner, source: Arc<dyn Source>) -> Result<(), StoreError> {
        let dir = directory(&owner)?;
        self.0.sources.write().unwrap_or_else(PoisonError::into_inner).insert(dir, Repairer { owner, source });
        Ok(())
    }

    /// Forgets the owner's source.
    pub fn forget(&self, owner: &Owner) {
        if let Ok(dir) = directory(owner) {
            self.0.sources.write().unwrap_or_else(PoisonError::into_inner).remove(&dir);
        }
    }

    async fn answer(&self, method: Method, path: String, headers: HeaderMap) -> Response<Body> {
        match self.0.found(&method, &path, &headers).await {
            Ok(response) => response,
            Err(Refusal(status, why)) => {
                let body = if method == Method::HEAD { Body::text("") } else { Body::text(format!("{why}\n")) };
                let mut response = response(status, body);
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    set(&mut response, ALLOW, "GET, HEAD");
                }
                set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
                response
            }
        }
    }
}

impl Inner {
    async fn found(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered"));
        }
        let path = decoded(path).filter(|path| path.split('/').count() == 4).ok_or(MISSING)?;
        let stored = self.blocking(move |store| store.stored(&path)).await.map_err(refused)?;
        let etag = format!("\"{}\"", stored.digest);
        let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if header(IF_NONE_MATCH).is_some_and(|list| range::names(list, &etag)) {
            let mut response = response(StatusCode::NOT_MODIFIED, Body::text(""));
            set(&mut response, ETAG, &etag);
            return Ok(response);
        }
        let mut file = self.open(&stored).await?;
        // A part is of use only to who has the rest of the same file.
        let same = header(IF_RANGE).is_none_or(|known| known.trim() == etag);
        let wanted = range::wanted(header(RANGE).filter(|_| same && method == Method::GET), stored.size);
        let mut response = match &wanted {
            Wanted::Outside => {
                let mut response = response(StatusCode::RANGE_NOT_SATISFIABLE, Body::text(""));
                set(&mut response, CONTENT_RANGE, &format!("bytes */{}", stored.size));
                return Ok(response);
            }
            Wanted::Whole if method == Method::HEAD => response(StatusCode::OK, Body::text("")),
            Wanted::Whole => response(StatusCode::OK, Body::file(file, stored.size)),
            Wanted::Part(range) => {
                file.seek(SeekFrom::Start(range.start)).map_err(|_| BROKEN)?;
                let length = range.end.saturating_sub(range.start);
                let mut response = response(StatusCode::PARTIAL_CONTENT, Body::file(file, length));
                let last = range.end.saturating_sub(1);
                set(&mut response, CONTENT_RANGE, &format!("bytes {}-{last}/{}", range.start, stored.size));
                response
            }
        };
        let length = match wanted {
            Wanted::Part(range) => range.end.saturating_sub(range.start),
            _ => stored.size,
        };
        set(&mut response, CONTENT_LENGTH, &length.to_string());
        set(&mut response, CONTENT_TYPE, content_type(&stored.path));
        set(&mut response, ETAG, &etag);
        set(&mut response, ACCEPT_RANGES, "bytes");
        Ok(response)
    }

    /// The file, held against its digest; fetched again if it does not hold.
    async fn open(&self, stored: &Stored) -> Result<std::fs::File, Refusal> {
        match self.checked(stored).await {
            Err(StoreError::Corrupt { .. } | StoreError::Missing(_)) => {}
            Err(error) => return Err(refused(error)),
            Ok(file) => return Ok(file),
        }
        let dir = stored.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let known = self.sources.read().unwrap_or_else(PoisonError::into_inner).get(dir).cloned();
        let Some(Repairer { owner, source }) = known else { return Err(MISSING) };
        let _alone = self.repairing.lock().await;
        if let Ok(file) = self.checked(stored).await {
            return Ok(file);
        }
        tracing::warn!(path = stored.path, "a stored artifact is spoilt or gone and is fetched again");
        let cx = Context::background().with_timeout(REPAIR);
        let artifact = source.fetch(&cx, &stored.revision).await.map_err(|error| {
            tracing::warn!(path = stored.path, %error, "it cannot be fetched again");
            UNAVAILABLE
        })?;
        let chart = stored.path.ends_with(".tgz");
        let again = self.blocking(move |store| put(store, &owner, &artifact, chart)).await.map_err(refused)?;
        if again != *stored {
            tracing::warn!(path = stored.path, "what was fetched again is not what was stored");
            return Err(UNAVAILABLE);
        }
        self.checked(stored).await.map_err(refused)
    }

    async fn checked(&self, stored: &Stored) -> Result<std::fs::File, StoreError> {
        let _turn = self.checks.acquire().await;
        let stored = stored.clone();
        self.blocking(move |store| store.open(&stored)).await
    }

    /// Work on the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ArtifactStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| Err(StoreError::Io { path: String::new(), source: std::io::Error::other(error) }))
    }
}

#[cfg(feature = "helm")]
fn put(
    store: &ArtifactStore,
    owner: &Owner,
    artifact: &flux_core::Artifact,
    chart: bool,
) -> Result<Stored, StoreError> {
    if chart { store.put_chart(owner, artifact) } else { store.put(owner, artifact) }
}

#[cfg(not(feature = "helm"))]
fn put(store: &ArtifactStore, owner: &Owner, artifact: &flux_core::Artifact, _: bool) -> Result<Stored, StoreError> {
    store.put(owner, artifact)
}

const MISSING: Refusal = Refusal(StatusCode::NOT_FOUND, "not found");
const BROKEN: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read");
const UNAVAILABLE: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "the file cannot be had now");

fn refused(error: StoreError) -> Refusal {
    match error {
        StoreError::Missing(_) | StoreError::Name(_) | StoreError::Corrupt { .. } => MISSING,
        other => {
            tracing::warn!(error = %other, "a stored artifact cannot be served");
            BROKEN
        }
    }
}

/// A path without its leading `/` and with `%41` read; none if that is no text.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/')?.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("gz" | "tgz") => "application/gzip",
        Some("yaml") => "application/yaml",
        _ => "application/octet-stream",
    }
}

fn response(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

impl<B> tower::Service<Request<B>> for ArtifactServer {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// Answers; the body of the request is not read.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        let (method, path, headers) =
            (request.method().clone(), request.uri().path().to_owned(), request.headers().clone());
        Box::pin(async move { Ok(server.answer(method, path, headers).await) })
    }
}

impl fmt::Debug for ArtifactServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArtifactServer").field(&self.0.store).finish()
    }
}
