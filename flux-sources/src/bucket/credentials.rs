//! Who a source is to the server of a bucket.

use std::fmt;

use flux_core::source::SourceError;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Which service a bucket is on: `spec.provider` of a `Bucket`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BucketProvider {
    /// Any server that speaks the protocol of S3.
    #[default]
    Generic,
    /// Amazon S3.
    Aws,
    /// Google Cloud Storage.
    Gcp,
    /// Azure Blob Storage; the bucket is a container.
    Azure,
}

/// Who we are to the server of a bucket. Keys are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BucketCredentials {
    /// Nobody: the bucket is public.
    #[default]
    Anonymous,
    /// Who the machine is: the identity that the cloud gives a workload, by a token file or its metadata service. The
    /// environment variables that name such an identity are read for it, and for nothing else.
    Ambient,
    /// An access key of S3.
    AccessKey {
        /// The public half.
        access_key: String,
        /// The secret half.
        secret_key: String,
    },
    /// A service account of Google Cloud.
    ServiceAccount {
        /// The JSON key.
        key: String,
    },
    /// The key of an Azure storage account.
    AccountKey {
        /// The key, in base64.
        key: String,
    },
    /// A shared access signature of Azure.
    SasKey {
        /// The query of a signed URL.
        key: String,
    },
    /// A service principal of Azure.
    ClientSecret {
        /// The tenant.
        tenant: String,
        /// The application.
        client: String,
        /// Its secret.
        secret: String,
        /// Where tokens come from, if not from the public cloud.
        authority: Option<String>,
    },
    /// An identity of Azure that the machine has.
    ManagedIdentity {
        /// Its client.
        client: String,
    },
}

impl BucketCredentials {
    /// What a provider is spoken to with when no Secret is named: nobody for `generic`, the machine's own identity for the
    /// clouds.
    pub fn without_secret(provider: BucketProvider) -> Self {
        if provider == BucketProvider::Generic { Self::Anonymous } else { Self::Ambient }
    }

    /// What a Secret in Flux's format holds for a provider:
    ///
    /// | provider | keys |
    /// |---|---|
    /// | `generic`, `aws` | `accesskey` and `secretkey` |
    /// | `gcp` | `serviceaccount` |
    /// | `azure` | `tenantId`, `clientId` and `clientSecret`; `clientId` alone; `accountKey`; or `sasKey`; the first of these |
    ///
    /// # Errors
    /// A Secret without such keys, half of a pair, or the client certificate of Azure, which is not supported.
    ///
    /// ```
    /// use flux_sources::Secret;
    /// use flux_sources::bucket::{BucketCredentials, BucketProvider};
    /// let secret = Secret::new("apps/bucket", [("accesskey", "AKIA"), ("secretkey", "hunter2")]);
    /// let credentials = BucketCredentials::from_secret(BucketProvider::Generic, &secret)?;
    /// assert_eq!(format!("{credentials:?}"), "AccessKey(AKIA)");
    /// # Ok::<(), flux_core::SourceError>(())
    /// ```
    pub fn from_secret(provider: BucketProvider, secret: &Secret) -> Result<Self, SourceError> {
        let text = |key: &str| secret.text(key).map(|value| value.map(|value| value.trim().to_owned()));
        let needed = |key: &str| text(key)?.ok_or_else(|| secret.invalid(key, "is missing"));
        match provider {
            BucketProvider::Generic | BucketProvider::Aws => {
                Ok(Self::AccessKey { access_key: needed("accesskey")?, secret_key: needed("secretkey")? })
            }
            BucketProvider::Gcp => {
                let key = needed("serviceaccount")?;
                let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&key);
                // The error of the parser would quote the key.
                object.map_err(|_| secret.invalid("serviceaccount", "is not a JSON object"))?;
                Ok(Self::ServiceAccount { key })
            }
            BucketProvider::Azure => match (text("tenantId")?, text("clientId")?, text("clientSecret")?) {
                (Some(tenant), Some(client), Some(secret)) => {
                    Ok(Self::ClientSecret { tenant, client, secret, authority: text("authorityHost")? })
                }
                (_, Some(_), _) if secret.get("clientCertificate").is_some() => Err(secret
                    .invalid("clientCertificate", "is not supported; use `clientSecret`, `accountKey` or `sasKey`")),
                (None, Some(client), None) => Ok(Self::ManagedIdentity { client }),
                (Some(_), Some(_), None) => Err(secret.invalid("clientSecret", "is missing")),
                (Some(_), None, _) | (None, None, Some(_)) => Err(secret.invalid("clientId", "is missing")),
                (None, Some(_), Some(_)) => Err(secret.invalid("tenantId", "is missing")),
                (None, None, None) => match (text("accountKey")?, text("sasKey")?) {
                    (Some(key), _) => Ok(Self::AccountKey { key }),
                    (None, Some(key)) => Ok(Self::SasKey { key }),
                    (None, None) => Err(secret.invalid("accountKey", "is missing, and so is every other credential")),
                },
            },
        }
    }

    /// What must not be shown, should a server send it back.
    pub(super) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::AccessKey { secret_key, .. } => vec![secret_key],
            Self::ServiceAccount { key } | Self::AccountKey { key } => vec![key],
            // The signature of a shared access signature is in the URL of every request.
            Self::SasKey { key } => {
                let signature = key.split(['?', '&']).find_map(|part| part.strip_prefix("sig="));
                [Some(key.as_str()), signature].into_iter().flatten().collect()
            }
            Self::ClientSecret { secret, .. } => vec![secret],
            Self::Anonymous | Self::Ambient | Self::ManagedIdentity { .. } => Vec::new(),
        }
    }
}

/// Shows who, and never the proof.
impl fmt::Debug for BucketCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Ambient => f.write_str("Ambient"),
            Self::AccessKey { access_key, .. } => write!(f, "AccessKey({access_key})"),
            Self::ServiceAccount { .. } => f.write_str("ServiceAccount"),
            Self::AccountKey { .. } => f.write_str("AccountKey"),
            Self::SasKey { .. } => f.write_str("SasKey"),
            Self::ClientSecret { client, .. } => write!(f, "ClientSecret({client})"),
            Self::ManagedIdentity { client } => write!(f, "ManagedIdentity({client})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_secret_is_read_and_none_is_shown() {
        use BucketProvider::{Aws, Azure, Gcp, Generic};
        let read = |provider, data: &[(&str, &str)]| {
            BucketCredentials::from_secret(provider, &Secret::new("ns/s", data.iter().copied()))
        };
        let shown = |provider, data: &[(&str, &str)]| format!("{:?}", read(provider, data).unwrap());
        let azure = [("tenantId", "t"), ("clientId", "c"), ("clientSecret", "hunter2")];
        for (provider, data, wanted) in [
            (Generic, &[("accesskey", "AKIA"), ("secretkey", "hunter2")][..], "AccessKey(AKIA)"),
            (Aws, &[("accesskey", "AKIA"), ("secretkey", "hunter2\n")], "AccessKey(AKIA)"),
            (Gcp, &[("serviceaccount", r#"{"private_key": "hunter2"}"#)], "ServiceAccount"),
            (Azure, &azure, "ClientSecret(c)"),
            (Azure, &[("clientId", "c")], "ManagedIdentity(c)"),
            (Azure, &[("accountKey", "hunter2")], "AccountKey"),
            (Azure, &[("sasKey", "?sv=1&sig=hunter2")], "SasKey"),
        ] {
            assert_eq!(shown(provider, data), wanted);
        }
        for (provider, data, problem) in [
            (Generic, &[][..], "data.accesskey: is missing"),
            (Generic, &[("accesskey", "a")], "data.secretkey: is missing"),
            (Gcp, &[("serviceaccount", "hunter2")], "data.serviceaccount: is not a JSON object"),
            (Azure, &azure[..2], "data.clientSecret: is missing"),
            (Azure, &azure[1..], "data.tenantId: is missing"),
            (Azure, &[("clientId", "c"), ("clientCertificate", "x")], "data.clientCertificate: is not supported"),
            (Azure, &[], "data.accountKey: is missing"),
        ] {
            let error = read(provider, data).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("hunter2"), "{problem}: {error}");
        }
        let sas = read(Azure, &[("sasKey", "?sv=1&sig=abc")]).unwrap();
        assert_eq!(sas.secrets(), ["?sv=1&sig=abc", "abc"]);
    }
}
