//! Artifacts into a registry, as `flux push artifact` makes them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use flux_core::source::SourceError;
use flux_core::tree::Tree;
use flux_core::{Context, Digest};
use serde::Serialize;
use serde_json::{Value, json};

use super::access::{Access, URL};
use super::reference::is_tag;
use super::registry::Registry;
use crate::archive::{gzip, write_tar};
use crate::http::{Credentials, Proxy, Tls, bounded};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

const SOURCE: &str = "org.opencontainers.image.source";
const REVISION: &str = "org.opencontainers.image.revision";
const CREATED: &str = "org.opencontainers.image.created";
/// Go's zero time, which is what the configuration of an artifact holds: when it was made is an annotation.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A place in a registry to push a tree to.
///
/// The tree becomes one layer whose bytes follow from its content alone, so that a registry that has it is sent nothing.
/// Links are left out, as Flux leaves them out.
///
/// ```no_run
/// # async fn example(tree: &flux_core::Tree) -> Result<(), flux_core::SourceError> {
/// use flux_core::Context;
/// use flux_sources::oci::OciPush;
///
/// let push = OciPush::builder("oci://ghcr.io/org/manifests:latest")
///     .origin("https://github.com/org/app", "main@sha1:a3f2…")
///     .build()?;
/// let pushed = push.push(&Context::background(), tree).await?;
/// println!("{}@{}", pushed.repository, pushed.digest);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OciPush(Arc<Inner>);

struct Inner {
    registry: Registry,
    url: String,
    repository: String,
    tag: String,
    annotations: BTreeMap<String, String>,
}

/// Describes an [`OciPush`].
#[derive(Debug, Clone)]
#[must_use]
pub struct OciPushBuilder {
    url: String,
    annotations: BTreeMap<String, String>,
    access: Access,
}

/// An artifact that a registry has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// Host and path, without a scheme.
    pub repository: String,
    /// The tag it is under.
    pub tag: String,
    /// The digest of its manifest.
    pub digest: Digest,
}

impl OciPush {
    /// Starts with where to push to, `oci://host/path:tag`; the tag `latest` if the URL holds none.
    pub fn builder(url: impl Into<String>) -> OciPushBuilder {
        OciPushBuilder { url: url.into(), annotations: BTreeMap::new(), access: Access::default() }
    }

    /// Sends what the registry does not have yet, and then the manifest. The tag moves last, so that whoever reads it
    /// finds the artifact of before or the whole of this one.
    ///
    /// # Errors
    /// The registry cannot be reached, refuses us or what we send, or the context ends.
    pub async fn push(&self, cx: &Context, tree: &Tree) -> Result<Pushed, SourceError> {
        cx.check()?;
        let cx = bounded(cx);
        let inner = &*self.0;
        let rejected = |error: &dyn fmt::Display| SourceError::Rejected {
            url: inner.url.clone(),
            problem: format!("the artifact cannot be made: {error}"),
        };
        let tree = tree.clone();
        let made = cx.run_blocking(move |_| {
            let tar = write_tar(&tree)?;
            gzip(&tar).map(|layer| (Digest::sha256(&tar), layer))
        });
        let (content, layer) = made.await?.map_err(|error| rejected(&error))?;
        let bytes = |value: Value| serde_json::to_vec(&value).map_err(|error| rejected(&error));
        let config = bytes(json!({
            "architecture": "",
            "created": NEVER,
            "history": [{"created": NEVER}],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [content]},
            "config": {},
        }))?;
        let mut annotations = inner.annotations.clone();
        annotations.entry(CREATED.to_owned()).or_insert_with(|| cx.now().truncated_to_seconds().to_string());
        let manifest = bytes(json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(CONTENT, &layer)],
            "annotations": annotations,
        }))?;
        for blob in [layer, config] {
            inner.registry.upload(&cx, &Digest::sha256(&blob), Bytes::from(blob)).await?;
        }
        let digest = Digest::sha256(&manifest);
        inner.registry.put_manifest(&cx, &inner.tag, MANIFEST, manifest.into()).await?;
        Ok(Pushed { repository: inner.repository.clone(), tag: inner.tag.clone(), digest })
    }
}

impl OciPushBuilder {
    /// Where the content comes from: the address of the source, such as a Git URL, and its revision. Consumers see both.
    pub fn origin(self, source: impl Into<String>, revision: impl Into<String>) -> Self {
        self.annotation(SOURCE, source).annotation(REVISION, revision)
    }

    /// Adds an annotation. `org.opencontainers.image.created` is the time of the push unless it is given, in RFC 3339.
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Who we are to the registry.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.access.credentials = credentials;
        self
    }

    /// Which authorities are trusted and which certificate is shown.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.access.settings.tls = tls;
        self
    }

    /// The proxy on the way.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.access.settings.proxy = Some(proxy);
        self
    }

    /// Speaks plain HTTP.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.access.insecure = insecure;
        self
    }

    /// The place to push to.
    ///
    /// # Errors
    /// A URL that is none, or one with a digest: what is pushed has its own.
    pub fn build(self) -> Result<OciPush, SourceError> {
        let invalid = |problem: String| SourceError::Invalid { field: URL.into(), problem };
        let (registry, reference) = self.access.open(&self.url)?;
        if reference.digest().is_some() {
            return Err(invalid("holds a digest; an artifact is pushed to a tag".into()));
        }
        let tag = reference.tag().unwrap_or("latest");
        if !is_tag(tag) {
            return Err(invalid(format!("`{}` is not a tag", tag.escape_debug())));
        }
        Ok(OciPush(Arc::new(Inner {
            registry,
            repository: format!("{}/{}", reference.registry(), reference.repository()),
            tag: tag.to_owned(),
            url: self.url,
            annotations: self.annotations,
        })))
    }
}

fn descriptor(media_type: &str, data: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": data.len(), "digest": Digest::sha256(data)})
}

impl fmt::Debug for OciPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OciPush").field("url", &self.0.url).finish_non_exhaustive()
    }
}
