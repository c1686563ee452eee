//! Who a source is to an SSH server, and which servers it believes.

use std::fmt;
use std::sync::Arc;

use flux_core::source::SourceError;
use russh::keys::ssh_key::PrivateKey;
use russh::keys::{Error, decode_secret_key};

use super::known_hosts::KnownHosts;
use crate::secret::Secret;

/// A private key, and the keys that servers may have. Neither is ever shown.
#[derive(Clone)]
pub struct SshIdentity {
    pub(super) key: Arc<PrivateKey>,
    pub(super) known_hosts: Arc<KnownHosts>,
}

impl SshIdentity {
    /// A private key as OpenSSH or PEM text (ed25519, ECDSA or RSA), the password it is encrypted with if it is, and the
    /// text of a `known_hosts` file.
    ///
    /// # Errors
    /// A key that cannot be read or is encrypted with another password, or a broken line among the known hosts.
    pub fn new(private_key: &str, password: Option<&str>, known_hosts: &str) -> Result<Self, SourceError> {
        let invalid = |field: &str, problem: String| SourceError::Invalid { field: field.into(), problem };
        let key = decode_secret_key(private_key, password).map_err(|error| match (error, password) {
            (Error::KeyIsEncrypted, None) => invalid("password", "is missing; the private key is encrypted".into()),
            (_, None) => invalid("identity", "is no private key in a known format".into()),
            (_, Some(_)) => invalid("identity", "is no private key in a known format, or has another password".into()),
        })?;
        if key.is_encrypted() {
            return Err(invalid("password", "is missing; the private key is encrypted".into()));
        }
        let known_hosts: KnownHosts =
            known_hosts.parse().map_err(|error| invalid("known_hosts", format!("{error}")))?;
        Ok(Self { key: Arc::new(key), known_hosts: Arc::new(known_hosts) })
    }

    /// What a Secret in Flux's format holds: `identity`, `known_hosts`, and the `password` of an encrypted key.
    ///
    /// # Errors
    /// As [`new`](Self::new), or a missing part.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let part = |key: &str| secret.text(key)?.ok_or_else(|| secret.invalid(key, "is missing"));
        let (identity, known_hosts) = (part("identity")?, part("known_hosts")?);
        Self::new(identity, secret.text("password")?, known_hosts).map_err(|error| match error {
            SourceError::Invalid { field, problem } => secret.invalid(&field, problem),
            other => other,
        })
    }
}

impl fmt::Debug for SshIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SshIdentity(…)")
    }
}
