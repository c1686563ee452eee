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

mod daemon;
mod error;
mod guard;
mod http;
mod local;
mod materialise;
mod reference;
mod remote;
mod session;
#[cfg(feature = "ssh")]
mod ssh;

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
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::http::{Credentials, Http, Proxy, Settings, TIMEOUT, Tls, bounded};
use crate::listing::Selection;
use http::HttpRemote;
use local::Local;
use materialise::Materialise;
use remote::{Remote, Server};
use session::Session;
#[cfg(feature = "ssh")]
use ssh::SshServer;

pub use reference::Reference;
#[cfg(feature = "ssh")]
pub use ssh::{HostKeyProblem, InvalidKnownHosts, KnownHosts, SshIdentity};

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
    temporary: Option<PathBuf>,
}

enum Place {
    Remote(Box<Server>),
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
    settings: Settings,
    #[cfg(feature = "ssh")]
    identity: Option<SshIdentity>,
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
            settings: Settings::default(),
            #[cfg(feature = "ssh")]
            identity: None,
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

    /// What is trusted over TLS, and the certificate that is shown.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = tls;
        self
    }

    /// The proxy on the way to the server, for `https` and `http`.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.settings.proxy = Some(proxy);
        self
    }

    /// Who we are to the server over `ssh`, and which keys it may have.
    #[cfg(feature = "ssh")]
    pub fn ssh_identity(mut self, identity: SshIdentity) -> Self {
        self.identity = Some(identity);
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
        let (place, shown) = self.place()?;
        Ok(GitSource(Arc::new(Inner {
            place,
            shown,
            reference: self.reference,
            selection: self.selection,
            limits: self.limits,
            temporary: self.temporary,
        })))
    }

    /// Where the URL leads, and how it may be shown.
    fn place(&self) -> Result<(Place, String), SourceError> {
        let invalid = |problem: String| SourceError::Invalid { field: "spec.url".into(), problem };
        let mut parsed =
            gix::url::parse(self.url.as_str()).map_err(|_| invalid("is not the URL of a Git repository".into()))?;
        if parsed.scheme == gix::url::Scheme::File {
            let path = String::from_utf8(parsed.path.to_vec()).map_err(|_| invalid("the path is not UTF-8".into()))?;
            return Ok((Place::Local(path.into()), self.url.clone()));
        }
        if parsed.host().is_none_or(str::is_empty) {
            return Err(invalid("names no host".into()));
        }
        let server = match &parsed.scheme {
            gix::url::Scheme::Http | gix::url::Scheme::Https => {
                let mut url = reqwest::Url::parse(&self.url).map_err(|error| invalid(error.to_string()))?;
                let credentials = self.credentials.clone().or_from(&mut url);
                Server::Http(HttpRemote::new(Http::new(self.settings.clone()), credentials, url))
            }
            gix::url::Scheme::Git => Server::Daemon(parsed.clone()),
            #[cfg(feature = "ssh")]
            gix::url::Scheme::Ssh if self.url.starts_with("ssh://") => {
                Server::Ssh(SshServer::new(&parsed, self.identity.as_ref())?)
            }
            gix::url::Scheme::Ssh if !self.url.contains("://") => {
                return Err(invalid("is in the short form `user@host:path`; write `ssh://user@host/path`".into()));
            }
            scheme => {
                return Err(invalid(format!("scheme `{scheme}` is not supported; use https, http, ssh, git or file")));
            }
        };
        parsed.set_user(None);
        parsed.set_password(None);
        Ok((Place::Remote(Box::new(server)), parsed.to_bstring().to_string()))
    }
}

impl Inner {
    fn resolve(&self, work: &Work<'_>) -> Result<Revision, SourceError> {
        if let Some(revision) = self.reference.pinned() {
            return Ok(revision);
        }
        match &self.place {
            Place::Local(path) => Local::open(path, &self.shown)?.resolve(&self.reference),
            Place::Remote(server) => self.remote(server, self.limits.refs_bytes, work).resolve(&self.reference),
        }
    }

    fn fetch(&self, revision: &Revision, work: &Work<'_>) -> Result<Artifact, SourceError> {
        let url = self.shown.as_str();
        let missing = || SourceError::NotFound { url: url.to_owned(), what: format!("revision `{revision}`") };
        let commit = revision.hash().and_then(|hash| ObjectId::from_hex(hash.as_bytes()).ok()).ok_or_else(missing)?;
        let read = |objects: &gix::odb::Handle| {
            Materialise { url, objects, selection: &self.selection, stop: work.stop }.commit(commit)
        };
        let (tree, mut metadata) = match &self.place {
            Place::Local(path) => read(Local::open(path, url)?.objects(commit)?)?,
            Place::Remote(server) => {
                let dir = self.temporary().map_err(|error| error::local(url, error))?;
                read(&self.remote(server, self.limits.pack_bytes, work).fetch(commit, dir.path())?)?
            }
        };
        metadata.insert("origin".to_owned(), url.to_owned());
        Ok(Artifact { revision: revision.clone(), tree, metadata })
    }

    fn remote<'a>(&'a self, server: &'a Server, limit: u64, work: &'a Work<'a>) -> Remote<'a> {
        let session = Session::new(work.cx, work.runtime, work.stop, limit, work.timeout);
        Remote { server, shown: &self.shown, session }
    }

    fn temporary(&self) -> std::io::Result<tempfile::TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("flux-git-");
        self.temporary.as_ref().map_or_else(|| builder.tempdir(), |dir| builder.tempdir_in(dir))
    }
}

/// One call, on a thread that may block.
struct Work<'a> {
    cx: &'a Context,
    runtime: &'a Handle,
    stop: &'a AtomicBool,
    timeout: Duration,
}

impl GitSource {
    /// Runs work that blocks, until it is done, cancelled or late. When the caller goes away, so does the work.
    async fn run<T: Send + 'static>(
        &self,
        cx: &Context,
        work: impl FnOnce(&Inner, &Work<'_>) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        cx.check()?;
        let inner = self.0.clone();
        let cancel = cx.cancellation().child_token();
        let _gone = cancel.clone().drop_guard();
        let cx = bounded(cx).with_cancel(cancel);
        let timeout = cx.deadline().map_or(TIMEOUT, |deadline| deadline.saturating_duration_since(Instant::now()));
        let (inside, runtime) = (cx.clone(), Handle::current());
        cx.run_blocking(move |stop| work(&inner, &Work { cx: &inside, runtime: &runtime, stop, timeout })).await?
    }
}

#[async_trait]
impl Source for GitSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        self.run(cx, |inner, work| inner.resolve(work)).await
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        let revision = revision.clone();
        self.run(cx, move |inner, work| inner.fetch(&revision, work)).await
    }
}

impl fmt::Debug for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitSource")
            .field("url", &self.0.shown)
            .field("reference", &self.0.reference)
            .finish_non_exhaustive()
    }
}
