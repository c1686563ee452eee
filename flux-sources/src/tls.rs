//! TLS for every client in this crate: rustls on ring, trusting what the machine trusts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// The TLS of one source. Certificates are read once, when the first connection needs them, and no provider needs to be
/// installed in the process.
#[derive(Clone, Default)]
pub(crate) struct Tls(Arc<OnceLock<Result<Arc<ClientConfig>, String>>>);

impl Tls {
    /// The client configuration; an error in words when it cannot be made.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        self.0.get_or_init(build).clone()
    }
}

fn build() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // A machine without certificates can still use plain HTTP; over HTTPS every server is then unknown, and refused.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
