//! Keys that open data keys.

mod age;
#[cfg(feature = "sops-aws")]
mod aws;
#[cfg(feature = "sops-azure")]
mod azure;
#[cfg(feature = "sops-gcp")]
mod gcp;
#[cfg(feature = "sops-http")]
mod http;
#[cfg(feature = "sops-pgp")]
mod pgp;
#[cfg(feature = "sops-vault")]
mod vault;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::Context;
use zeroize::Zeroizing;

pub use self::age::AgeKeys;
#[cfg(feature = "sops-aws")]
pub use self::aws::AwsKmsKeys;
#[cfg(feature = "sops-azure")]
pub use self::azure::AzureKeys;
#[cfg(feature = "sops-gcp")]
pub use self::gcp::GcpKmsKeys;
#[cfg(feature = "sops-http")]
pub use self::http::{HttpClient, HttpRequest, HttpResponse, HttpsClient};
#[cfg(feature = "sops-pgp")]
pub use self::pgp::PgpKeys;
#[cfg(feature = "sops-vault")]
pub use self::vault::VaultKeys;

use super::cipher::DataKey;
use super::error::SopsError;
use super::metadata::Metadata;
use super::shamir;

/// The most that a data key may take once it is opened, in bytes.
const MAX_KEY: u64 = 4096;

/// A key with which a data key was encrypted, as the file names it, and the encrypted data key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MasterKey {
    /// An age recipient.
    Age {
        /// The recipient.
        recipient: String,
        /// The encrypted data key, in armour.
        enc: String,
    },
    /// An OpenPGP key.
    Pgp {
        /// Its fingerprint.
        fingerprint: String,
        /// The encrypted data key, in armour.
        enc: String,
    },
    /// A key of Vault's or OpenBao's transit engine.
    Vault {
        /// The server.
        address: String,
        /// Where the engine is mounted.
        engine_path: String,
        /// The key.
        key_name: String,
        /// The encrypted data key: `vault:v1:…`.
        enc: String,
    },
    /// A key of AWS KMS.
    AwsKms {
        /// The key.
        arn: String,
        /// The role to assume.
        role: Option<String>,
        /// The encryption context.
        context: Vec<(String, String)>,
        /// The encrypted data key, in Base64.
        enc: String,
    },
    /// A key of Google Cloud KMS.
    GcpKms {
        /// The key: `projects/…/locations/…/keyRings/…/cryptoKeys/…`.
        resource_id: String,
        /// The encrypted data key, in Base64.
        enc: String,
    },
    /// A key of Azure Key Vault.
    AzureKeyVault {
        /// The vault.
        vault_url: String,
        /// The key.
        name: String,
        /// Its version.
        version: String,
        /// The encrypted data key, in unpadded URL-safe Base64.
        enc: String,
    },
}

/// Which key it is.
impl fmt::Display for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { recipient, .. } => write!(f, "age {recipient}"),
            Self::Pgp { fingerprint, .. } => write!(f, "pgp {fingerprint}"),
            Self::Vault { address, engine_path, key_name, .. } => {
                write!(f, "vault {}/v1/{engine_path}/keys/{key_name}", address.trim_end_matches('/'))
            }
            Self::AwsKms { arn, .. } => write!(f, "aws kms {arn}"),
            Self::GcpKms { resource_id, .. } => write!(f, "gcp kms {resource_id}"),
            Self::AzureKeyVault { vault_url, name, .. } => {
                write!(f, "azure key vault {}/keys/{name}", vault_url.trim_end_matches('/'))
            }
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({self})")
    }
}

/// Why a key service could not open a data key. Must not hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// Opens data keys: age or OpenPGP keys at hand, or a service that keeps keys to itself.
#[async_trait]
pub trait KeyService: fmt::Debug + Send + Sync {
    /// The data key, or the share of one, that was encrypted with a key; `None` if the key is none of this service's.
    ///
    /// # Errors
    /// The key is one of this service's and does not open it, or the service cannot be asked.
    async fn open(&self, cx: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError>;
}

/// Opens the data key of a file with the first key of every group that fits.
pub(super) async fn data_key(
    cx: &Context,
    metadata: &Metadata,
    services: &[Arc<dyn KeyService>],
) -> Result<DataKey, SopsError> {
    let mut parts = Vec::new();
    let mut problems = Vec::new();
    let needed = match (metadata.groups.len(), metadata.threshold) {
        (1, _) => 1,
        (groups, 0) => groups,
        (_, threshold) => threshold,
    };
    for group in &metadata.groups {
        if parts.len() == needed {
            break;
        }
        parts.extend(open_group(cx, group, services, &mut problems).await?);
    }
    if parts.len() < needed || parts.is_empty() {
        let what =
            if needed > 1 { format!("{} of {needed} groups of keys were opened", parts.len()) } else { String::new() };
        let problems = std::iter::once(what).filter(|what| !what.is_empty()).chain(problems).collect::<Vec<_>>();
        let problems = if problems.is_empty() { "the file names no keys".to_owned() } else { problems.join("; ") };
        return Err(SopsError::NoKey(problems));
    }
    let key = match parts.as_slice() {
        [one] if metadata.groups.len() == 1 => one.clone(),
        shares => shamir::combine(shares).ok_or_else(|| SopsError::NoKey("the shares do not fit each other".into()))?,
    };
    DataKey::new(&key).ok_or_else(|| SopsError::NoKey("what was opened is no key of 32 bytes".into()))
}

async fn open_group(
    cx: &Context,
    group: &[MasterKey],
    services: &[Arc<dyn KeyService>],
    problems: &mut Vec<String>,
) -> Result<Option<Zeroizing<Vec<u8>>>, SopsError> {
    for key in group {
        let mut asked = false;
        for service in services {
            match cx.run(service.open(cx, key)).await? {
                Ok(Some(part)) => return Ok(Some(part)),
                Ok(None) => {}
                Err(error) => {
                    asked = true;
                    problems.push(format!("{key}: {error}"));
                }
            }
        }
        if !asked {
            problems.push(format!("{key}: there is no key for it"));
        }
    }
    Ok(None)
}
