//! Buckets: objects on a server that speaks the protocol of S3, on Google Cloud Storage or on Azure Blob Storage.
//!
//! The revision is the digest of what the bucket holds by name and ETag, as Flux has it, so that an unchanged bucket costs
//! its listing and no object. Of a changed one only the objects that changed are downloaded, and exactly those that were
//! listed: one that changes meanwhile makes the revision not found.
//!
//! # Deviations from Flux
//! An object that vanishes or changes while it is downloaded is an error, and the next interval has the new revision;
//! Flux delivers the rest under another revision than it announced. Google Cloud Storage is spoken to by its XML API,
//! whose ETags are others than those of its JSON API, so that the revision of equal content differs from Flux's. A key
//! that is no path in a tree fails the source, where Flux writes it to another place. The client certificate of an Azure
//! service principal and `spec.sts` are not supported.

mod connect;
mod credentials;
mod index;
mod listed;
mod remote;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Tree, TreeBuilder, TreeLimits};
use flux_core::{Artifact, Context, Revision};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::http::{Proxy, Settings, Tls, bounded};
use crate::ignore::{IGNORE_FILE, IgnoreRules};
use connect::Place;
use index::{Index, Object};
use remote::{Content, Page, Server, Wanted, bare};

pub use credentials::{BucketCredentials, BucketProvider};

/// How many objects are downloaded at once.
const AT_ONCE: usize = 16;
/// How many keys are listed, wanted or not.
const LISTED: usize = 1_000_000;
/// Bytes of the ignore file.
const IGNORE_BYTES: u64 = 1 << 20;
/// How often a listing is begun anew because the ignore file changed meanwhile.
const ATTEMPTS: usize = 3;

/// A bucket as a source. A clone shares everything, what was downloaded last too.
///
/// Keys are paths: an object `deploy/app.yaml` is the file `deploy/app.yaml`, whatever prefix was asked for. Only the
/// `.sourceignore` at the root of the bucket is read, and nothing is left out that it or `spec.ignore` does not name.
///
/// ```no_run
/// # async fn example() -> Result<(), flux_core::SourceError> {
/// use flux_core::{Context, Source};
/// use flux_sources::bucket::{BucketCredentials, BucketProvider, BucketSource};
/// use flux_sources::Secret;
///
/// let secret = Secret::new("apps/minio", [("accesskey", "AKIA…"), ("secretkey", "…")]);
/// let source = BucketSource::builder(BucketProvider::Generic, "minio.example.com", "manifests")
///     .credentials(BucketCredentials::from_secret(BucketProvider::Generic, &secret)?)
///     .prefix("deploy/")
///     .build()?;
/// let cx = Context::background();
/// let revision = source.resolve(&cx).await?; // sha256:…
/// let artifact = source.fetch(&cx, &revision).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct BucketSource(Arc<Inner>);

struct Inner {
    server: Server,
    prefix: String,
    ignore: Option<String>,
    limits: TreeLimits,
    last: Mutex<Last>,
}

/// What is known from before.
#[derive(Default)]
struct Last {
    ignore: Option<IgnoreFile>,
    /// Objects as they were downloaded last, by key and with their ETag.
    objects: HashMap<String, (String, Bytes)>,
}

/// The ignore file of a bucket.
#[derive(Clone)]
struct IgnoreFile {
    etag: String,
    text: String,
}

/// What a listing comes to.
enum Listing {
    /// All that is wanted.
    Whole(Index),
    /// The ignore file is another one, or there is none any more.
    OtherRules { there: bool },
}

/// Describes a [`BucketSource`].
#[derive(Debug, Clone)]
#[must_use]
pub struct BucketSourceBuilder {
    provider: BucketProvider,
    endpoint: String,
    bucket: String,
    region: Option<String>,
    prefix: String,
    insecure: bool,
    credentials: Option<BucketCredentials>,
    ignore: Option<String>,
    limits: TreeLimits,
    settings: Settings,
}

impl BucketSource {
    /// Starts with the provider, the server, such as `minio.example.com:9000` or `https://acme.blob.core.windows.net`, and
    /// the name of the bucket.
    pub fn builder(
        provider: BucketProvider,
        endpoint: impl Into<String>,
        bucket: impl Into<String>,
    ) -> BucketSourceBuilder {
        BucketSourceBuilder {
            provider,
            endpoint: endpoint.into(),
            bucket: bucket.into(),
            region: None,
            prefix: String::new(),
            insecure: false,
            credentials: None,
            ignore: None,
            limits: TreeLimits::default(),
            settings: Settings::default(),
        }
    }
}

impl BucketSourceBuilder {
    /// The region of the bucket: `spec.region`; `us-east-1` if nothing is said.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into()).filter(|region| !region.is_empty());
        self
    }

    /// Wants only objects whose keys start with this text: `spec.prefix`. It stays in their paths.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Speaks plain HTTP: `spec.insecure`.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// Who we are to the server; without this, what [`without_secret`](BucketCredentials::without_secret) says.
    pub fn credentials(mut self, credentials: BucketCredentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Leaves out what these patterns match, like `spec.ignore`; see [`ignore`](crate::ignore).
    pub fn ignore(mut self, patterns: impl Into<String>) -> Self {
        self.ignore = Some(patterns.into());
        self
    }

    /// What the tree may hold.
    pub fn tree_limits(mut self, limits: TreeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Which authorities are trusted and which certificate is shown: `spec.certSecretRef`.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = tls;
        self
    }

    /// The proxy on the way: `spec.proxySecretRef`.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.settings.proxy = Some(proxy);
        self
    }

    /// The source.
    ///
    /// # Errors
    /// An endpoint that is none or plain HTTP without [`insecure`](Self::insecure), a name that is none of a bucket, or
    /// credentials that cannot be used.
    pub fn build(self) -> Result<BucketSource, SourceError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if self.bucket.is_empty() || self.bucket.starts_with('.') || !self.bucket.bytes().all(plain) {
            let problem = "should be made of letters, digits, `-`, `_` and `.`".to_owned();
            return Err(SourceError::Invalid { field: "spec.bucketName".into(), problem });
        }
        let credentials = self.credentials.unwrap_or_else(|| BucketCredentials::without_secret(self.provider));
        let secrets = credentials.secrets().into_iter().map(str::to_owned).collect();
        let place = Place {
            provider: self.provider,
            endpoint: self.endpoint,
            bucket: self.bucket,
            region: self.region,
            insecure: self.insecure,
            credentials,
            settings: self.settings,
            object_bytes: self.limits.file_bytes,
        };
        let url = place.url()?;
        let shown = format!("{}/{}", url.as_str().trim_end_matches('/'), place.bucket);
        let server = Server { remote: place.connect(&url)?, shown, secrets };
        Ok(BucketSource::new(server, self.prefix, self.ignore, self.limits))
    }
}

impl BucketSource {
    fn new(server: Server, prefix: String, ignore: Option<String>, limits: TreeLimits) -> Self {
        Self(Arc::new(Inner { server, prefix, ignore, limits, last: Mutex::default() }))
    }
}

impl Inner {
    /// What the bucket holds and is wanted.
    async fn index(&self, cx: &Context) -> Result<Index, SourceError> {
        let known = self.last().ignore.clone();
        // A listing that has the ignore file says whether the one that is known is still it; without, it has to be asked for.
        let mut file = match IGNORE_FILE.starts_with(&self.prefix) {
            true => known,
            false => self.ignore_file(cx, known).await?,
        };
        for _ in 0..ATTEMPTS {
            match self.list(cx, &file).await? {
                Listing::Whole(index) => {
                    self.last().ignore = file;
                    return Ok(index);
                }
                Listing::OtherRules { there: false } => file = None,
                Listing::OtherRules { there: true } => file = self.ignore_file(cx, None).await?,
            }
        }
        Err(self.server.rejected(format!("`{IGNORE_FILE}` changes while the bucket is listed")))
    }

    fn rules(&self, file: Option<&IgnoreFile>) -> IgnoreRules {
        let mut rules = IgnoreRules::default();
        rules.add_text(file.map_or("", |file| &file.text), "");
        rules.add_text(self.ignore.as_deref().unwrap_or_default(), "");
        rules
    }

    async fn ignore_file(&self, cx: &Context, known: Option<IgnoreFile>) -> Result<Option<IgnoreFile>, SourceError> {
        let wanted = known.as_ref().map_or(Wanted::Any, |file| Wanted::Other(&file.etag));
        Ok(match self.server.read(cx, IGNORE_FILE, wanted, IGNORE_BYTES).await? {
            Content::Read { data, etag } => {
                let etag = etag.unwrap_or_default();
                Some(IgnoreFile { etag, text: String::from_utf8_lossy(&data).into_owned() })
            }
            Content::Same => known,
            Content::Gone => None,
        })
    }

    /// Lists the bucket, up to where it says that the ignore file is another one.
    async fn list(&self, cx: &Context, file: &Option<IgnoreFile>) -> Result<Listing, SourceError> {
        let rules = self.rules(file.as_ref());
        let known = file.as_ref().map(|file| file.etag.as_str());
        let (mut index, mut met) = (Index::default(), false);
        let (mut token, mut listed, mut total) = (None, 0, 0_u64);
        let mut refused = None;
        loop {
            let Page { objects, next, odd } = self.server.page(cx, &self.prefix, token.clone()).await?;
            if let Some(key) = odd.absolute {
                return Err(self.server.rejected(format!("the key `{key}` is absolute")));
            }
            listed += objects.len();
            if listed > LISTED {
                return Err(self.server.rejected(format!("more than {LISTED} objects are listed")));
            }
            let mut folders: HashSet<String> = odd.folders.into_iter().collect();
            // Backwards, for a folder comes after a file of the same name.
            for object in objects.into_iter().rev() {
                let key = object.location.to_string();
                if folders.remove(&key) {
                    continue;
                }
                let Some(etag) = object.e_tag.as_deref().map(bare).filter(|etag| !etag.is_empty()) else {
                    return Err(self.server.rejected(format!("`{key}`: the listing has no ETag")));
                };
                if key == IGNORE_FILE {
                    if known != Some(etag) {
                        return Ok(Listing::OtherRules { there: true });
                    }
                    met = true;
                    continue;
                }
                if rules.ignores(&key, false) {
                    continue;
                }
                if let Err(error) = self.check(&key, object.size, index.0.len(), &mut total) {
                    // It stands only if the rules do: a later page may have others, which leave this out.
                    refused.get_or_insert(error);
                }
                if refused.is_some() {
                    continue;
                }
                let object = Object { etag: etag.to_owned(), size: object.size };
                if index.0.insert(key.clone(), object).is_some() {
                    return Err(self.server.rejected(format!("the key `{key}` is listed twice")));
                }
            }
            match next {
                Some(next) if token.as_ref() == Some(&next) => {
                    return Err(self.server.rejected("the listing does not end".into()));
                }
                Some(next) => token = Some(next),
                None => break,
            }
        }
        if IGNORE_FILE.starts_with(&self.prefix) && known.is_some() && !met {
            return Ok(Listing::OtherRules { there: false });
        }
        if let Some(error) = refused {
            return Err(error);
        }
        if let Some(path) = index.clash() {
            return Err(self.server.rejected(format!("`{path}` is a file and a directory")));
        }
        Ok(Listing::Whole(index))
    }

    /// Holds one more object against the limits, before anything of it is read.
    fn check(&self, key: &str, size: u64, so_far: usize, total: &mut u64) -> Result<(), SourceError> {
        let limits = &self.limits;
        *total = total.saturating_add(size);
        let start = || key.chars().take(80).collect::<String>();
        let problem = if so_far >= limits.entries {
            format!("more than {} objects", limits.entries)
        } else if key.len() > limits.path_bytes {
            format!("`{}…`: more than {} bytes in a path", start(), limits.path_bytes)
        } else if size > limits.file_bytes {
            format!("`{}`: more than {} bytes in one file", start(), limits.file_bytes)
        } else if *total > limits.total_bytes {
            format!("`{}`: more than {} bytes in all files", start(), limits.total_bytes)
        } else {
            return Ok(());
        };
        Err(self.server.rejected(problem))
    }

    /// Downloads what is listed, as it is listed; none when the bucket changed meanwhile.
    async fn download(&self, cx: &Context, index: &Index) -> Result<Option<Tree>, SourceError> {
        let (mut objects, mut missing) = (BTreeMap::new(), Vec::new());
        {
            let last = self.last();
            for (key, object) in &index.0 {
                match last.objects.get(key).filter(|(etag, _)| *etag == object.etag) {
                    Some((_, data)) => drop(objects.insert(key.clone(), data.clone())),
                    None => missing.push((key.clone(), object.clone())),
                }
            }
        }
        let reads = missing.into_iter().map(|(key, object)| async move {
            let content = self.server.read(cx, &key, Wanted::Exactly(&object.etag), object.size).await?;
            Ok::<_, SourceError>((key, content))
        });
        let mut reads = futures::stream::iter(reads).buffer_unordered(AT_ONCE);
        while let Some((key, content)) = reads.try_next().await? {
            let Content::Read { data, .. } = content else { return Ok(None) };
            objects.insert(key, data);
        }
        let mut builder = TreeBuilder::with_limits(self.limits);
        for (key, data) in &objects {
            let in_tree = |source| SourceError::Tree { url: self.server.shown.clone(), source };
            builder.file(key, data.clone()).map_err(in_tree)?;
        }
        let etag = |key: &str| index.0.get(key).map(|object| object.etag.clone()).unwrap_or_default();
        let objects = objects.into_iter().map(|(key, data)| (key.clone(), (etag(&key), data))).collect();
        self.last().objects = objects;
        Ok(Some(builder.build()))
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Source for BucketSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        Ok(self.0.index(&bounded(cx)).await?.revision())
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let cx = bounded(cx);
        let inner = &*self.0;
        let index = inner.index(&cx).await?;
        let missing = |why: String| SourceError::NotFound {
            url: inner.server.shown.clone(),
            what: format!("revision `{revision}` ({why})"),
        };
        let now = index.revision();
        if now != *revision {
            return Err(missing(format!("the bucket is at `{now}` now")));
        }
        let tree = inner.download(&cx, &index).await?;
        let tree = tree.ok_or_else(|| missing("the bucket changed while it was read".into()))?;
        let metadata = BTreeMap::from([("origin".to_owned(), inner.server.shown.clone())]);
        Ok(Artifact { revision: now, tree, metadata })
    }
}

impl fmt::Debug for BucketSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketSource")
            .field("bucket", &self.0.server.shown)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}
