//! TLS for every client in this crate: rustls on ring.

use std::fmt;
use std::sync::{Arc, OnceLock};

use flux_core::source::SourceError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::secret::Secret;

/// What a source trusts over TLS and which certificate it shows: the machine's authorities, more if wanted, and none.
///
/// Certificates are read once, when the first connection needs them, and no TLS provider has to be installed in the
/// process. A clone shares what was read.
#[derive(Clone, Default)]
pub struct Tls(Arc<Inner>);

#[derive(Default)]
struct Inner {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    config: OnceLock<Result<ClientConfig, String>>,
    anonymous: OnceLock<Result<ClientConfig, String>>,
}

/// A certificate with those that lead to its authority, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Trusts the authorities in a PEM text, beside those of the machine.
    ///
    /// # Errors
    /// A text that holds no certificate, or a broken one.
    pub fn with_ca(self, pem: &[u8]) -> Result<Self, SourceError> {
        let mut authorities = self.0.authorities.clone();
        authorities.extend(certificates(pem).map_err(|problem| invalid("ca.crt", problem))?);
        Ok(Self(Arc::new(Inner { authorities, identity: self.0.identity(), ..Inner::default() })))
    }

    /// Shows a certificate to servers that ask for one. Both are PEM texts.
    ///
    /// # Errors
    /// A text that holds no certificate or key, a broken one, or a key that is not the certificate's.
    pub fn with_identity(self, certificate: &[u8], key: &[u8]) -> Result<Self, SourceError> {
        let chain = certificates(certificate).map_err(|problem| invalid("tls.crt", problem))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| invalid("tls.key", "holds no private key in PEM"))?;
        let this = Inner {
            authorities: self.0.authorities.clone(),
            identity: Some(Identity { chain, key }),
            ..Inner::default()
        };
        // A key that does not fit is told now and not at the first connection.
        this.build(true).map_err(|problem| invalid("tls.key", problem))?;
        Ok(Self(Arc::new(this)))
    }

    /// What a Secret in Flux's format holds: an authority in `ca.crt`, a certificate in `tls.crt` and its key in
    /// `tls.key`; the older names `caFile`, `certFile` and `keyFile` are read too.
    ///
    /// # Errors
    /// As [`with_ca`](Self::with_ca) and [`with_identity`](Self::with_identity), or half of a certificate and key.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let ours = |key: &'static str| {
            move |error| match error {
                SourceError::Invalid { problem, .. } => secret.invalid(key, problem),
                other => other,
            }
        };
        let mut tls = Self::default();
        if let Some((key, ca)) = secret.first(&["ca.crt", "caFile"]) {
            tls = tls.with_ca(ca).map_err(ours(key))?;
        }
        match (secret.first(&["tls.crt", "certFile"]), secret.first(&["tls.key", "keyFile"])) {
            (None, None) => Ok(tls),
            (Some((name, certificate)), Some((_, key))) => tls.with_identity(certificate, key).map_err(ours(name)),
            (Some(_), None) => Err(secret.invalid("tls.key", "is missing; a certificate needs its key")),
            (None, Some(_)) => Err(secret.invalid("tls.crt", "is missing; a key needs its certificate")),
        }
    }

    /// The configuration for the server that was asked for; an error in words when it cannot be made.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, String> {
        self.0.config.get_or_init(|| self.0.build(true)).clone()
    }

    /// The configuration for servers that a redirect leads to: they are shown no certificate.
    pub(crate) fn anonymous_config(&self) -> Result<ClientConfig, String> {
        match &self.0.identity {
            None => self.client_config(),
            Some(_) => self.0.anonymous.get_or_init(|| self.0.build(false)).clone(),
        }
    }
}

impl Inner {
    fn identity(&self) -> Option<Identity> {
        self.identity.as_ref().map(|own| Identity { chain: own.chain.clone(), key: own.key.clone_key() })
    }

    fn build(&self, with_identity: bool) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        // A machine without certificates can still use plain HTTP; over HTTPS every server is then unknown, and refused.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| format!("an authority cannot be used: {error}"))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots);
        match self.identity().filter(|_| with_identity) {
            None => Ok(builder.with_no_client_auth()),
            Some(Identity { chain, key }) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("the certificate and the key cannot be used together: {error}")),
        }
    }
}

/// Every certificate in a PEM text; at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or("holds no certificate in PEM, or a broken one")
}

fn invalid(field: &str, problem: impl Into<String>) -> SourceError {
    SourceError::Invalid { field: field.to_owned(), problem: problem.into() }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.0.authorities.len())
            .field("identity", &self.0.identity.is_some())
            .finish()
    }
}
