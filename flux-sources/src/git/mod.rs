//! Git repositories over `https`, `http`, `ssh`, `git` and `file`, on gix and in process: no program is run.
//!
//! Asking for the revision costs one handshake and one list of references; fetching gets exactly one commit without its
//! history into a temporary directory and from there straight into a [`Tree`](flux_core::Tree), with no work tree. Files
//! come as they are stored: no line-end conversion, no filter, no `export-ignore`. Submodules are left out unless they are
//! asked for.
//!
//! A repository on this machine (`file://` or a path) is read in place.
//!
//! Differences from Flux:
//!
//! - Asking for the revision of a `semver` reference costs no clone, so of tags that are equal versions and differ in build
//!   metadata alone the first by name is taken and not the youngest.
//! - A `commit` is fetched by its id and not by cloning the branch it is said to be on.
//! - Symbolic links are kept in the tree, where Flux's archives leave them out.
//! - Credentials are sent to the server of the source and to no other, that of a submodule included.
//! - A signed tag counts under its own name only.
//! - With [`Include`]s the revision carries a mark of what is included, so that a change of that is a change.
//! - Host certificates and RSA signatures over SHA-1 are not accepted over `ssh`.

mod checkout;
mod daemon;
mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod github;
mod guard;
mod http;
mod include;
mod local;
mod materialise;
mod place;
mod reference;
mod remote;
mod session;
mod sparse;
#[cfg(feature = "ssh")]
mod ssh;
mod submodules;
#[cfg(feature = "verify")]
mod verify;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use flux_core::source::{Source, SourceError};
use flux_core::tree::TreeLimits;
use flux_core::{Artifact, Context, Revision};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::http::{Credentials, Http, Proxy, Settings, TIMEOUT, Tls, bounded};
use crate::listing::Selection;
use http::Login;
use local::Local;
use place::{Access, Place};
use remote::{Remote, Server};
use session::Session;
use sparse::Sparse;

pub use github::{GithubApp, Installation};
pub use include::Include;
pub use reference::Reference;
#[cfg(feature = "ssh")]
pub use ssh::{HostKeyProblem, InvalidKnownHosts, KnownHosts, SshIdentity};
#[cfg(feature = "verify")]
pub use verify::{Keyring, VerifyMode};

/// What a remote may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitLimits {
    /// Bytes in the list of references.
    pub refs_bytes: u64,
    /// Bytes in the pack with the commit's files, compressed as sent.
    pub pack_bytes: u64,
    /// Bytes in one object once it is unpacked, files that are ignored later included.
    pub object_bytes: u64,
}

impl Default for GitLimits {
    /// 64 MiB of references, 512 MiB of pack, 128 MiB an object.
    fn default() -> Self {
        Self { refs_bytes: 64 << 20, pack_bytes: 512 << 20, object_bytes: 128 << 20 }
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
    access: Access,
    reference: Reference,
    selection: Selection,
    sparse: Sparse,
    submodules: bool,
    includes: Vec<Include>,
    #[cfg(feature = "verify")]
    verification: Option<(VerifyMode, Keyring)>,
    limits: GitLimits,
    temporary: Option<PathBuf>,
}

/// Describes a [`GitSource`].
#[derive(Debug, Clone)]
#[must_use]
pub struct GitSourceBuilder {
    url: String,
    reference: Reference,
    selection: Selection,
    sparse: Sparse,
    submodules: bool,
    includes: Vec<Include>,
    #[cfg(feature = "verify")]
    verification: Option<(VerifyMode, Keyring)>,
    limits: GitLimits,
    login: Login,
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
            sparse: Sparse::default(),
            submodules: false,
            includes: Vec::new(),
            #[cfg(feature = "verify")]
            verification: None,
            limits: GitLimits::default(),
            login: Login::default(),
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
        self.login = Login::Fixed(credentials);
        self
    }

    /// The GitHub App that we are to the server, over `https`.
    pub fn github_app(mut self, app: GithubApp) -> Self {
        self.login = Login::Github(app);
        self
    }

    /// Checks out these directories only: `spec.sparseCheckout`. As in Flux, a file is taken when its path starts with one
    /// of the texts, and every one of them has to be there.
    pub fn sparse_checkout(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.sparse = Sparse::new(paths);
        self
    }

    /// Fetches submodules too, those inside them as well: `spec.recurseSubmodules`. Credentials are sent to the server of
    /// the repository itself and to no other.
    pub fn recurse_submodules(mut self, recurse: bool) -> Self {
        self.submodules = recurse;
        self
    }

    /// Puts a part of another source's artifact among the files: an entry of `spec.include`.
    pub fn include(mut self, include: Include) -> Self {
        self.includes.push(include);
        self
    }

    /// Delivers nothing that is not signed by a key of the keyring: `spec.verify`.
    #[cfg(feature = "verify")]
    pub fn verify(mut self, mode: VerifyMode, keyring: Keyring) -> Self {
        self.verification = Some((mode, keyring));
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
    /// A URL that is none or whose scheme is not known, a reference that cannot be one, or a tag to verify where no tag is
    /// checked out.
    pub fn build(self) -> Result<GitSource, SourceError> {
        self.reference.validate()?;
        #[cfg(feature = "verify")]
        if self.verification.as_ref().is_some_and(|(mode, _)| mode.wants_tag()) && !self.reference.is_tag() {
            let problem = format!("a tag has to be verified, and {} is none", self.reference);
            return Err(SourceError::Invalid { field: "spec.verify.mode".into(), problem });
        }
        let mut access = Access {
            http: Http::new(self.settings),
            login: self.login,
            #[cfg(feature = "ssh")]
            identity: self.identity,
            owner: None,
        };
        let (place, shown) = access.source(&self.url)?;
        Ok(GitSource(Arc::new(Inner {
            place,
            shown,
            access,
            reference: self.reference,
            selection: self.selection,
            sparse: self.sparse,
            submodules: self.submodules,
            includes: self.includes,
            #[cfg(feature = "verify")]
            verification: self.verification,
            limits: self.limits,
            temporary: self.temporary,
        })))
    }
}

impl Inner {
    fn resolve(&self, work: &Work<'_>) -> Result<Revision, SourceError> {
        let own = match (self.reference.pinned(), &self.place) {
            (Some(revision), _) => revision,
            (None, Place::Local(path)) => Local::open(path, &self.shown)?.resolve(&self.reference)?,
            (None, Place::Remote(server)) => {
                self.remote(server, &self.shown, self.limits.refs_bytes, work).resolve(&self.reference)?
            }
        };
        work.runtime.block_on(include::marked(&self.includes, own, work.cx))
    }

    /// The references whose full name starts like this.
    #[cfg(feature = "verify")]
    fn list(&self, prefix: &str, work: &Work<'_>) -> Result<Vec<reference::Listed>, SourceError> {
        match &self.place {
            Place::Local(path) => Local::open(path, &self.shown)?.references(prefix),
            Place::Remote(server) => self.remote(server, &self.shown, self.limits.refs_bytes, work).references(prefix),
        }
    }

    fn remote<'a>(&'a self, server: &'a Server, shown: &'a str, limit: u64, work: &'a Work<'a>) -> Remote<'a> {
        Remote { server, shown, session: Session::new(work.cx, work.runtime, work.stop, limit, work.timeout) }
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
        let shown = self.0.shown.clone();
        let guarded = move |stop: &Arc<AtomicBool>| {
            let work = || work(&inner, &Work { cx: &inside, runtime: &runtime, stop, timeout });
            // gix panics over some of what a server may say, such as a symbolic reference to none that it lists.
            std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                let problem = "what was sent makes no sense to the Git library".to_owned();
                Err(SourceError::Rejected { url: shown, problem })
            })
        };
        cx.run_blocking(guarded).await?
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
