//! What an artifact has to be signed with before it is fetched: `spec.verify`.

use flux_core::Context;
use flux_core::source::SourceError;

use super::cosign::{CosignKeys, Signers};
use super::registry::Registry;
#[cfg(feature = "oci-verify")]
use super::{CosignIdentities, NotationTrust};

/// The signatures that an artifact needs, of one kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OciVerification {
    /// A signature that Cosign made with one of these keys.
    Cosign(CosignKeys),
    /// A signature that Cosign made without a key of the signer, as one of these identities.
    #[cfg(feature = "oci-verify")]
    CosignKeyless(CosignIdentities),
    /// A signature of the Notary Project that a trust policy lets pass.
    #[cfg(feature = "oci-verify")]
    Notation(NotationTrust),
}

impl From<CosignKeys> for OciVerification {
    fn from(keys: CosignKeys) -> Self {
        Self::Cosign(keys)
    }
}

#[cfg(feature = "oci-verify")]
impl From<CosignIdentities> for OciVerification {
    fn from(identities: CosignIdentities) -> Self {
        Self::CosignKeyless(identities)
    }
}

#[cfg(feature = "oci-verify")]
impl From<NotationTrust> for OciVerification {
    fn from(trust: NotationTrust) -> Self {
        Self::Notation(trust)
    }
}

impl OciVerification {
    /// Refuses an artifact that is not signed as it should be. Who signed it is returned if it was proved.
    pub(super) async fn verify(
        &self,
        cx: &Context,
        registry: &Registry,
        url: &str,
        digest: &str,
    ) -> Result<Option<String>, SourceError> {
        match self {
            Self::Cosign(keys) => Signers::Keys(keys).verify(cx, registry, url, digest).await.map(Some),
            #[cfg(feature = "oci-verify")]
            Self::CosignKeyless(identities) => {
                Signers::Identities(identities).verify(cx, registry, url, digest).await.map(Some)
            }
            #[cfg(feature = "oci-verify")]
            Self::Notation(trust) => trust.verify(cx, registry, url, digest).await,
        }
    }
}
