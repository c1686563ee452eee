//! Git repositories over `https`, `http`, `git` and `file`, on gix and in process: no program is run.
//!
//! Asking for the revision costs one handshake and one list of references; fetching gets exactly one commit without its
//! history into a temporary directory and from there straight into a [`Tree`](flux_core::Tree), with no work tree. Files
//! come as they are stored: no line-end conversion, no filter, no `export-ignore`. Submodules are left out.
//!
//! A repository on this machine (`file://` or a path) is read in place.
//!
//! Differences from Flux: asking for the revision of a `semver` reference costs no clone, so of tags that are equal
//! versions and differ in build metadata alone the first by name is taken and not the youngest; a `commit` is fetched by its id and not by cloning the branch it is said to be on; symbolic
//! links are kept in the tree, where Flux's archives leave them out.

mod error;
mod guard;
mod local;
mod materialise;
mod reference;
mod remote;
mod transport;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use flux_core::source::{Source, SourceError};
use flux_core::tree::TreeLimits;
use flux_core::{Artifact, Context, Revision};
use gix::ObjectId;
use tokio::time::Instant;

use crate::auth::Credentials;
use crate::deadline::{TIMEOUT, bounded};
use crate::listing::Selection;
use crate::tls::Tls;
use local::Local;
use materialise::Materialise;
use remote::Remote;
use transport::Connect;

pub use reference::Reference;

/// What a remote may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitLimits {
    /// Bytes in the list of references.
    pub refs_bytes: u64,
    /// Bytes in the pack with the commit's files, compressed as sent.
    pub pack_bytes: u64,
}

impl Default for GitLimits {
    /// 64 MiB of references, 512 MiB of pack.
    fn default() -> Self {
        Self { refs_bytes: 64 << 20, pack_bytes: 512 << 20 }
    }
}

/// A Git repository as a source. A clone shares everything.
///
/// ```no_run
/// # async fn example() -> Result<(), flux_core::SourceError> {
/// use flux_core::{Context, Source};
/// use flux_sources::git::{GitSource, Reference};
///
/// let source = GitSource::builder("https://github.com/org/my-app").reference(Reference::branch("main")).build()?;
/// let cx = Context::background();
/// let revision = source.resolve(&cx).await?; // main@sha1:…
/// let artifact = source.fetch(&cx, &revision).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct GitSource(Arc<Inner>);

struct Inner {
    place: Place,
    /// The URL without credentials, as it may be shown.
    shown: String,
    reference: Reference,
    selection: Selection,
    limits: GitLimits,
    credentials: Credentials,
    tls: Tls,
    temporary: Option<PathBuf>,
}

enum Place {
    Remote(gix::Url),
    Local(PathBuf),
}

/// Describes a [`GitSource`].
#[derive(Debug, Clone)]
#[must_use]
pub struct GitSourceBuilder {
    url: String,
    reference: Reference,
    selection: Selection,
    limits: GitLimits,
    credentials: Credentials,
    temporary: Option<PathBuf>,
}

impl GitSource {
    /// Starts with the URL of the repository, or the path of one on this machine.
    pub fn builder(url: impl Into<String>) -> GitSourceBuilder {
        GitSourceBuilder {
            url: url.into(),
            reference: Reference::default(),
            selection: Selection::default(),
            limits: GitLimits::default(),
            credentials: Credentials::default(),
            temporary: None,
        }
    }

    /// The URL, without credentials.
    pub fn url(&self) -> &str {
        &self.0.shown
    }

    /// What is checked out.
    pub fn reference(&self) -> &Reference {
        &self.0.reference
    }
}

impl GitSourceBuilder {
    /// What to check out; the branch `master` if nothing is said.
    pub fn reference(mut self, reference: Reference) -> Self {
        self.reference = reference;
        self
    }

    /// Leaves out what these patterns match, like `spec.ignore`; see [`ignore`](crate::ignore).
    pub fn ignore(mut self, patterns: impl Into<String>) -> Self {
        self.selection.ignore = Some(patterns.into());
        self
    }

    /// What the tree may hold.
    pub fn tree_limits(mut self, limits: TreeLimits) -> Self {
        self.selection.limits = limits;
        self
    }

    /// What the remote may send.
    pub fn limits(mut self, limits: GitLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Who we are to the server, over `https` and `http`; a user in the URL is used if nothing is said. They are sent to
    /// no other host.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Where to put the directory that a fetch needs while it runs; the system's place for temporary files if nothing is
    /// said.
    pub fn temporary_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.temporary = Some(dir.into());
        self
    }

    /// The source.
    ///
    /// # Errors
    /// A URL that is none or whose scheme is not known, or a reference that cannot be one.
    pub fn build(self) -> Result<GitSource, SourceError> {
        self.reference.validate()?;
        let (mut place, shown) = place(&self.url)?;
        let mut credentials = self.credentials;
        if let Place::Remote(url) = &mut place {
            let (user, password) = (url.set_user(None), url.set_password(None));
            if let (Credentials::Anonymous, Some(user)) = (&credentials, user) {
                credentials = Credentials::basic(user, password.unwrap_or_default());
            }
        }
        Ok(GitSource(Arc::new(Inner {
            place,
            shown,
            reference: self.reference,
            selection: self.selection,
            limits: self.limits,
            credentials,
            tls: Tls::default(),
            temporary: self.temporary,
        })))
    }
}

/// Where the URL leads, and how it may be shown.
fn place(url: &str) -> Result<(Place, String), SourceError> {
    let invalid = |problem: String| SourceError::Invalid { field: "spec.url".into(), problem };
    let mut parsed = gix::url::parse(url).map_err(|_| invalid("is not the URL of a Git repository".into()))?;
    let local = || String::from_utf8(parsed.path.to_vec()).map_err(|_| invalid("the path is not UTF-8".into()));
    match parsed.scheme {
        gix::url::Scheme::File => Ok((Place::Local(local()?.into()), url.to_owned())),
        gix::url::Scheme::Http | gix::url::Scheme::Https | gix::url::Scheme::Git => {
            if parsed.host().is_none_or(str::is_empty) {
                return Err(invalid("names no host".into()));
            }
            let full = parsed.clone();
            parsed.set_user(None);
            parsed.set_password(None);
            let shown = parsed.to_bstring().to_string();
            Ok((Place::Remote(full), shown))
        }
        ref scheme => Err(invalid(format!("scheme `{scheme}` is not supported; use https, http, git or file"))),
    }
}

impl Inner {
    fn resolve(&self, timeout: Duration, stop: &AtomicBool) -> Result<Revision, SourceError> {
        if let Some(revision) = self.reference.pinned() {
            return Ok(revision);
        }
        match &self.place {
            Place::Local(path) => Local::open(path, &self.shown)?.resolve(&self.reference),
            Place::Remote(url) => self.remote(url, self.limits.refs_bytes, timeout, stop).resolve(&self.reference),
        }
    }

    fn fetch(&self, revision: &Revision, timeout: Duration, stop: &AtomicBool) -> Result<Artifact, SourceError> {
        let url = self.shown.as_str();
        let missing = || SourceError::NotFound { url: url.to_owned(), what: format!("revision `{revision}`") };
        let commit = revision.hash().and_then(|hash| ObjectId::from_hex(hash.as_bytes()).ok()).ok_or_else(missing)?;
        let read =
            |objects: &gix::odb::Handle| Materialise { url, objects, selection: &self.selection, stop }.commit(commit);
        let (tree, mut metadata) = match &self.place {
            Place::Local(path) => read(Local::open(path, url)?.objects(commit)?)?,
            Place::Remote(remote) => {
                let dir = self.temporary().map_err(|error| error::local(url, error))?;
                let remote = self.remote(remote, self.limits.pack_bytes, timeout, stop);
                read(&remote.fetch(commit, dir.path(), stop)?)?
            }
        };
        metadata.insert("origin".to_owned(), url.to_owned());
        Ok(Artifact { revision: revision.clone(), tree, metadata })
    }

    fn remote<'a>(&'a self, url: &'a gix::Url, limit: u64, timeout: Duration, stop: &'a AtomicBool) -> Remote<'a> {
        Remote {
            url,
            shown: &self.shown,
            connect: Connect { tls: &self.tls, credentials: &self.credentials, stop, limit, timeout },
        }
    }

    fn temporary(&self) -> std::io::Result<tempfile::TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("flux-git-");
        self.temporary.as_ref().map_or_else(|| builder.tempdir(), |dir| builder.tempdir_in(dir))
    }
}

#[async_trait]
impl Source for GitSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        let inner = self.0.clone();
        let (cx, timeout) = with_timeout(cx);
        cx.run_blocking(move |stop| inner.resolve(timeout, stop)).await?
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let inner = self.0.clone();
        let revision = revision.clone();
        let (cx, timeout) = with_timeout(cx);
        cx.run_blocking(move |stop| inner.fetch(&revision, timeout, stop)).await?
    }
}

/// The context with a deadline, and how far away that is.
fn with_timeout(cx: &Context) -> (Context, Duration) {
    let cx = bounded(cx);
    let timeout = cx.deadline().map_or(TIMEOUT, |deadline| deadline.saturating_duration_since(Instant::now()));
    (cx, timeout)
}

impl fmt::Debug for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitSource")
            .field("url", &self.0.shown)
            .field("reference", &self.0.reference)
            .finish_non_exhaustive()
    }
}
