//! Decryption of files that SOPS encrypted, and of Secrets that hold them (`spec.decryption` of a Flux Kustomization).
//!
//! ```no_run
//! # async fn example(cx: &flux_core::Context, file: &[u8], key: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use flux_appliers::sops::{AgeKeys, Decryptor, Format};
//!
//! let mut keys = AgeKeys::new();
//! keys.add(key)?;
//! let decryptor = Decryptor::new([Arc::new(keys) as _]);
//! let plain = decryptor.decrypt(cx, file, Format::Yaml, Format::Yaml).await?;
//! # Ok(()) }
//! ```
//!
//! All formats (YAML, JSON, dotenv, INI, binary), key groups with Shamir's secret sharing, and every rule for what is
//! encrypted are known. A file is refused as a whole where a value is not what was encrypted, or where values were added,
//! removed or moved: the code that authenticates the file is always checked. Nothing is written to disk, and keys and
//! decrypted texts of this module are wiped from memory when they go; once decrypted objects are in a set of manifests,
//! they are ordinary objects.
//!
//! # Unlike Flux
//! Flux does not check the code, and decrypts objects after kustomize has changed them. Here a file is decrypted when the
//! build reads it, before anything changes it; the input of a `configMapGenerator` stays encrypted, as in Flux.
//! YAML loses its comments.

mod cipher;
mod error;
mod keys;
mod metadata;
mod objects;
mod renderer;
mod secret;
mod shamir;
mod store;
mod tree;

use std::fmt;
use std::sync::Arc;

use flux_core::Context;
use zeroize::Zeroizing;

pub use error::SopsError;
#[cfg(feature = "sops-aws")]
pub use keys::AwsKmsKeys;
#[cfg(feature = "sops-azure")]
pub use keys::AzureKeys;
#[cfg(feature = "sops-gcp")]
pub use keys::GcpKmsKeys;
#[cfg(feature = "sops-pgp")]
pub use keys::PgpKeys;
#[cfg(feature = "sops-vault")]
pub use keys::VaultKeys;
pub use keys::{AgeKeys, KeyError, KeyService, MasterKey};
#[cfg(feature = "sops-http")]
pub use keys::{HttpClient, HttpRequest, HttpResponse, HttpsClient};
pub use renderer::DecryptingRenderer;
pub use secret::{SecretKeys, SecretKeysError};
pub use store::Format;

/// The largest file that is decrypted: 5 MiB, as in Flux.
pub const MAX_FILE: usize = 5 << 20;

/// Decrypts files with the keys of some services.
#[derive(Clone, Default)]
pub struct Decryptor {
    services: Vec<Arc<dyn KeyService>>,
}

impl Decryptor {
    /// Asks these services for data keys, in their order.
    pub fn new(services: impl IntoIterator<Item = Arc<dyn KeyService>>) -> Self {
        Self { services: services.into_iter().collect() }
    }

    /// Decrypts a file, and writes it in the format it is in or in another.
    ///
    /// # Errors
    /// No key fits, or the file is not what was encrypted.
    pub async fn decrypt(
        &self,
        cx: &Context,
        data: &[u8],
        from: Format,
        to: Format,
    ) -> Result<Zeroizing<Vec<u8>>, SopsError> {
        store::write(&self.content(cx, data, from).await?, to)
    }

    async fn content(&self, cx: &Context, data: &[u8], from: Format) -> Result<tree::Content, SopsError> {
        if data.len() > MAX_FILE {
            return Err(SopsError::TooLarge { limit: MAX_FILE });
        }
        let (mut content, metadata) = store::read(data, from)?;
        let key = keys::data_key(cx, &metadata, &self.services).await?;
        tree::decrypt(&mut content, &metadata, &key)?;
        Ok(content)
    }
}

impl fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decryptor").field("services", &self.services).finish()
    }
}
