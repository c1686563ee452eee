//! Builds of encrypted sources.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::digest::Digest;
use flux_core::{Artifact, Context, Manifests, RenderError, Renderer};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::{Decryptor, Format, SecretKeys, objects};
use crate::kustomize::{FileFilter, KustomizeRenderer, Purpose};

/// Renders a kustomization whose files are encrypted, as Flux's kustomize-controller does.
///
/// Manifests, patches and the inputs of secret generators are decrypted when they are read; the inputs of other generators
/// are not, since what they make is not secret. Whatever is not encrypted is read as it is.
#[derive(Debug, Clone)]
pub struct DecryptingRenderer {
    inner: KustomizeRenderer,
    keys: Option<SecretKeys>,
    decryptor: Decryptor,
}

impl DecryptingRenderer {
    /// Decrypts what `inner` reads, with keys that are at hand.
    pub fn new(inner: KustomizeRenderer, decryptor: Decryptor) -> Self {
        Self { inner, keys: None, decryptor }
    }

    /// Uses the keys in a Secret too, which is read anew for every run.
    #[must_use]
    pub fn keys(mut self, keys: SecretKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    async fn decryptor(&self, cx: &Context) -> Result<Decryptor, RenderError> {
        let Some(keys) = &self.keys else { return Ok(self.decryptor.clone()) };
        let mut decryptor = keys.decryptor(cx).await?;
        decryptor.services.extend(self.decryptor.services.iter().cloned());
        Ok(decryptor)
    }
}

#[async_trait]
impl Renderer for DecryptingRenderer {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let decryptor = self.decryptor(cx).await?;
        let filter = Filter { cx: cx.clone(), decryptor: decryptor.clone(), runtime: Handle::current() };
        let manifests = self.inner.clone().with_filter(Arc::new(filter)).render(cx, artifact).await?;
        objects::decrypt(cx, &manifests, &decryptor).await
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Option<Digest>, RenderError> {
        let own = match &self.keys {
            Some(keys) => Some(keys.digest(cx).await?),
            None => None,
        };
        Ok(Digest::of_several(self.inner.inputs(cx, artifact).await?.into_iter().chain(own)))
    }
}

/// Decrypts what a build reads.
struct Filter {
    cx: Context,
    decryptor: Decryptor,
    runtime: Handle,
}

impl FileFilter for Filter {
    fn read(&self, path: &str, purpose: Purpose<'_>, content: Bytes) -> Result<Bytes, String> {
        let Some(sealed) = Format::of_encrypted(&content) else { return Ok(content) };
        let (from, to) = match purpose {
            Purpose::Manifest => match Format::of_path(path) {
                Format::Binary => return Ok(content),
                format => (format, format),
            },
            Purpose::SecretFile { key } => (from_path(path, sealed), Format::of_path(key)),
            Purpose::SecretEnv => (Format::Dotenv, Format::Dotenv),
            Purpose::Other => return Ok(content),
        };
        // A build runs on a thread of its own, which may wait.
        let plain = self.runtime.block_on(objects::file(&self.cx, &self.decryptor, &content, from, to));
        match plain.map_err(|error| error.to_string())? {
            Some(plain) => Ok(Bytes::from_owner(Wiped(plain))),
            None => Ok(content),
        }
    }
}

/// The format that a file has by its name; where that says nothing, the one that it was encrypted in.
fn from_path(path: &str, sealed: Format) -> Format {
    match (Format::of_path(path), sealed) {
        (Format::Binary, Format::Json) => Format::Binary,
        (Format::Binary, sealed) => sealed,
        (format, _) => format,
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("decryptor", &self.decryptor).finish_non_exhaustive()
    }
}

/// Bytes that are wiped when the last who shares them is gone.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
