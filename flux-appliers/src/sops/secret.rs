//! Keys in a Secret (`spec.decryption.secretRef`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::cluster::{Cluster, ClusterError};
use flux_core::digest::Digest;
use flux_core::{Class, Context, Object, ObjectId, RenderError};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Decryptor;
use super::keys::{AgeKeys, KeyError, KeyService};

/// The Secret that holds the keys of a pipeline: age identities in `*.agekey`, OpenPGP keys in `*.asc`, credentials of
/// key services in `sops.vault-token`, `sops.aws-kms`, `sops.gcp-kms` and `sops.azure-kv`.
#[derive(Debug, Clone)]
pub struct SecretKeys {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    name: String,
    #[cfg(feature = "sops-http")]
    services: Services,
}

/// What it takes to ask key services.
#[cfg(feature = "sops-http")]
#[derive(Debug, Clone, Default)]
struct Services {
    http: Option<Arc<dyn super::HttpClient>>,
    vaults: Vec<String>,
}

/// Why the keys in a Secret cannot be used. Says which entry, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeysError {
    /// The Secret could not be read.
    #[error("decryption keys of Secret/{namespace}/{name}: {error}")]
    Read {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        error: ClusterError,
    },
    /// The Secret is not there.
    #[error("decryption keys: Secret/{namespace}/{name} not found")]
    NotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An entry cannot be used.
    #[error("decryption keys of Secret/{namespace}/{name}: {key}: {error}")]
    Entry {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Which entry.
        key: String,
        /// What is wrong with it.
        #[source]
        error: KeyError,
    },
}

impl SecretKeys {
    /// The keys in a Secret of one cluster.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            cluster,
            namespace: namespace.into(),
            name: name.into(),
            #[cfg(feature = "sops-http")]
            services: Services::default(),
        }
    }

    /// Asks key services over this client, and sends tokens of Vault to servers at these addresses alone: files name the
    /// server that is to be asked, and whoever writes a file could name his own.
    #[cfg(feature = "sops-http")]
    #[must_use]
    pub fn services(mut self, http: Arc<dyn super::HttpClient>, vaults: impl IntoIterator<Item = String>) -> Self {
        self.services = Services { http: Some(http), vaults: vaults.into_iter().collect() };
        self
    }

    async fn secret(&self, cx: &Context) -> Result<Object, SecretKeysError> {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        let reference = ObjectId::new("", "Secret", &*self.namespace, &*self.name).at("v1");
        match self.cluster.get(cx, &reference).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(SecretKeysError::NotFound { namespace, name }),
            Err(error) => Err(SecretKeysError::Read { namespace, name, error }),
        }
    }

    /// A digest of what is in the Secret.
    ///
    /// # Errors
    /// The Secret cannot be read.
    pub async fn digest(&self, cx: &Context) -> Result<Digest, SecretKeysError> {
        let secret = self.secret(cx).await?;
        let data = secret.as_map().get("data").cloned().unwrap_or_default();
        Ok(Digest::sha256(Zeroizing::new(data.to_string()).as_bytes()))
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// The Secret cannot be read, or an entry is no key of the kind that its name says.
    pub async fn decryptor(&self, cx: &Context) -> Result<Decryptor, SecretKeysError> {
        let secret = self.secret(cx).await?;
        let mut keys = Keys {
            #[cfg(feature = "sops-http")]
            services: self.services.clone(),
            ..Keys::default()
        };
        let data = secret.as_map().get("data").and_then(Value::as_object);
        for (key, value) in data.into_iter().flatten() {
            let failed = |error| SecretKeysError::Entry {
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                key: key.clone(),
                error,
            };
            let value = STANDARD.decode(value.as_str().unwrap_or_default()).map(Zeroizing::new);
            let value = value.map_err(|_| failed(KeyError("is not base64".into())))?;
            keys.add(key, &value).map_err(failed)?;
        }
        Ok(keys.decryptor())
    }
}

#[derive(Default)]
struct Keys {
    age: AgeKeys,
    #[cfg(feature = "sops-pgp")]
    pgp: super::keys::PgpKeys,
    #[cfg(feature = "sops-http")]
    services: Services,
    others: Vec<Arc<dyn KeyService>>,
}

impl Keys {
    /// An entry by the kind that its name says. Those of other names are for others.
    fn add(&mut self, name: &str, value: &[u8]) -> Result<(), KeyError> {
        if name.ends_with(".agekey") {
            return self.age.add(value);
        }
        if name.ends_with(".asc") {
            return self.add_pgp(value);
        }
        match name {
            "sops.vault-token" => self.add_vault(value),
            "sops.aws-kms" => self.add_aws(value),
            "sops.gcp-kms" => self.add_gcp(value),
            "sops.azure-kv" => self.add_azure(value),
            _ => Ok(()),
        }
    }

    #[cfg(feature = "sops-http")]
    fn http(&self) -> Result<Arc<dyn super::HttpClient>, KeyError> {
        self.services.http.clone().ok_or_else(|| KeyError("key services cannot be asked here".into()))
    }

    #[cfg(feature = "sops-vault")]
    fn add_vault(&mut self, value: &[u8]) -> Result<(), KeyError> {
        let token = std::str::from_utf8(value).map_err(|_| KeyError("is not text".into()))?;
        let http = self.http()?;
        if self.services.vaults.is_empty() {
            return Err(KeyError("no address of a Vault is allowed here, and a token goes to no other".into()));
        }
        for address in &self.services.vaults {
            self.others.push(Arc::new(super::VaultKeys::new(http.clone(), address, token)));
        }
        Ok(())
    }

    #[cfg(feature = "sops-aws")]
    fn add_aws(&mut self, value: &[u8]) -> Result<(), KeyError> {
        self.others.push(Arc::new(super::AwsKmsKeys::from_file(self.http()?, value)?));
        Ok(())
    }

    #[cfg(feature = "sops-gcp")]
    fn add_gcp(&mut self, value: &[u8]) -> Result<(), KeyError> {
        self.others.push(Arc::new(super::GcpKmsKeys::from_file(self.http()?, value)?));
        Ok(())
    }

    #[cfg(feature = "sops-azure")]
    fn add_azure(&mut self, value: &[u8]) -> Result<(), KeyError> {
        self.others.push(Arc::new(super::AzureKeys::from_file(self.http()?, value)?));
        Ok(())
    }

    #[cfg(not(feature = "sops-vault"))]
    fn add_vault(&mut self, _: &[u8]) -> Result<(), KeyError> {
        Err(without("sops-vault"))
    }

    #[cfg(not(feature = "sops-aws"))]
    fn add_aws(&mut self, _: &[u8]) -> Result<(), KeyError> {
        Err(without("sops-aws"))
    }

    #[cfg(not(feature = "sops-gcp"))]
    fn add_gcp(&mut self, _: &[u8]) -> Result<(), KeyError> {
        Err(without("sops-gcp"))
    }

    #[cfg(not(feature = "sops-azure"))]
    fn add_azure(&mut self, _: &[u8]) -> Result<(), KeyError> {
        Err(without("sops-azure"))
    }

    #[cfg(feature = "sops-pgp")]
    fn add_pgp(&mut self, value: &[u8]) -> Result<(), KeyError> {
        self.pgp.add(value)
    }

    #[cfg(not(feature = "sops-pgp"))]
    fn add_pgp(&mut self, _: &[u8]) -> Result<(), KeyError> {
        Err(without("sops-pgp"))
    }

    fn decryptor(self) -> Decryptor {
        let mut services: Vec<Arc<dyn KeyService>> = vec![
            Arc::new(self.age),
            #[cfg(feature = "sops-pgp")]
            Arc::new(self.pgp),
        ];
        services.extend(self.others);
        Decryptor::new(services)
    }
}

#[cfg(not(all(
    feature = "sops-pgp",
    feature = "sops-vault",
    feature = "sops-aws",
    feature = "sops-gcp",
    feature = "sops-azure"
)))]
fn without(feature: &str) -> KeyError {
    KeyError(format!("this program is built without the feature `{feature}` that it needs"))
}

impl From<SecretKeysError> for RenderError {
    fn from(error: SecretKeysError) -> Self {
        let class = match &error {
            SecretKeysError::Read { error, .. } => error.class(),
            // It may come, or be corrected, at any time.
            SecretKeysError::NotFound { .. } | SecretKeysError::Entry { .. } => Class::Transient,
        };
        Self::Other { error: error.into(), class }
    }
}
