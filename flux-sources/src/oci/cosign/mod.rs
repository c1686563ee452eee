//! Signatures that Cosign makes: `spec.verify` of an `OCIRepository`, with a `secretRef` for keys and without for
//! those of an identity.
//!
//! They lie beside the artifact, as [`bundle`]s that refer to it or, as Cosign made them before version 3, under a
//! [`tag`] made of its digest. Whoever may push may put anything there, so only what somebody who is trusted has signed
//! about exactly this digest counts. For keys, the transparency log is not asked, as Flux does not ask it.

mod bundle;
#[cfg(feature = "oci-verify")]
mod keyless;
mod tag;

use std::fmt;

use flux_core::Context;
use flux_core::source::SourceError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::{RawPublicKeyEntity, ring as algorithms};

use super::registry::Registry;
use crate::secret::Secret;
#[cfg(feature = "oci-verify")]
pub use keyless::CosignIdentities;

/// What a signed text and what holds it may weigh; they are of some hundred bytes.
const SIGNED_BYTES: u64 = 128 << 10;
/// How many signatures of one artifact are looked at, of each form.
const SIGNATURES: usize = 100;

/// Every kind of key that Cosign signs with, each with the digest it uses.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
];

/// Public keys whose signatures count. Any of them suffices; where there is none, nothing is trusted.
#[derive(Clone, Default)]
pub struct CosignKeys(Vec<Key>);

#[derive(Clone)]
struct Key {
    name: String,
    info: SubjectPublicKeyInfoDer<'static>,
}

impl CosignKeys {
    /// Trusts one more key: a name for errors, and a PEM text as `cosign generate-key-pair` writes it to `cosign.pub`.
    ///
    /// # Errors
    /// A text that holds no public key.
    pub fn with_key(mut self, name: impl Into<String>, pem: &[u8]) -> Result<Self, SourceError> {
        let name = name.into();
        let invalid = || SourceError::Invalid { field: name.clone(), problem: "holds no public key in PEM".into() };
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| invalid())?;
        RawPublicKeyEntity::try_from(&info).map_err(|_| invalid())?;
        self.0.push(Key { name, info });
        Ok(self)
    }

    /// The keys in a Secret: every value whose name ends in `.pub`.
    ///
    /// # Errors
    /// A value that is no public key, or a Secret that holds none.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let mut keys = Self::default();
        for name in secret.keys().filter(|name| name.ends_with(".pub")) {
            let pem = secret.get(name).unwrap_or_default();
            keys = keys.with_key(name, pem).map_err(|_| secret.invalid(name, "holds no public key in PEM"))?;
        }
        if keys.0.is_empty() { Err(secret.invalid("*.pub", "is missing; no key would be trusted")) } else { Ok(keys) }
    }

    /// Which of the keys made a signature; an error in words if none did.
    fn signer(&self, message: &[u8], signature: &[u8]) -> Result<String, String> {
        let key = self.0.iter().find(|key| made_by(&key.info, message, signature));
        key.map(|key| key.name.clone()).ok_or_else(|| format!("none of the keys {self:?} made it"))
    }
}

/// Whether a key made a signature.
fn made_by(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = SubjectPublicKeyInfoDer::from(key);
    let Ok(entity) = RawPublicKeyEntity::try_from(&key) else { return false };
    // A key of another kind than the algorithm's is refused before its bytes are looked at.
    ALGORITHMS.iter().any(|algorithm| entity.verify_signature(*algorithm, message, signature).is_ok())
}

/// Whose signatures count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signers<'a> {
    Keys(&'a CosignKeys),
    #[cfg(feature = "oci-verify")]
    Identities(&'a CosignIdentities),
}

impl Signers<'_> {
    /// Refuses an artifact that none of them has signed; who did is returned.
    pub(super) async fn verify(
        self,
        cx: &Context,
        registry: &Registry,
        url: &str,
        digest: &str,
    ) -> Result<String, SourceError> {
        let unverified = |problem: String| Err(SourceError::Unverified { url: url.to_owned(), problem });
        match self {
            Self::Keys(keys) if keys.0.is_empty() => return unverified("no key is trusted".into()),
            #[cfg(feature = "oci-verify")]
            Self::Identities(identities) if identities.is_empty() => {
                return unverified("no identity is trusted".into());
            }
            _ => {}
        }
        let mut search = Search { cx, registry, signers: self, digest, reasons: Vec::new() };
        let mut signer = bundle::proves(&mut search).await?;
        if signer.is_none() {
            signer = tag::proves(&mut search).await?;
        }
        if let Some(signer) = signer {
            return Ok(signer);
        }
        if search.reasons.is_empty() {
            return unverified(format!("`{digest}` has no signature"));
        }
        unverified(format!("no signature of `{digest}` holds: {}", search.reasons.join("; ")))
    }
}

/// The search for a signature of one digest, and why what was found so far proves nothing.
struct Search<'a> {
    cx: &'a Context,
    registry: &'a Registry,
    signers: Signers<'a>,
    digest: &'a str,
    reasons: Vec<String>,
}

impl Search<'_> {
    /// Notes why something proves nothing.
    fn dismiss(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

impl fmt::Debug for CosignKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}
