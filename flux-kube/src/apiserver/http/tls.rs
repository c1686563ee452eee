//! Certificates that are made on the spot: an authority, the server's, and those of users.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::serve::Credentials;
use crate::apiserver::auth::User;

/// Why a server does not answer HTTPS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// A certificate cannot be made, or the two do not go together.
    #[error("no certificate can be made: {0}")]
    Certificate(Box<dyn std::error::Error + Send + Sync>),
    /// Only a server that encrypts knows users by certificates.
    #[error("the server does not encrypt, so nobody is known to it by a certificate")]
    Plain,
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Certificate(Box::new(error))
}

/// An authority, the server that it vouches for, and the users.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    acceptor: TlsAcceptor,
    /// Who is known by which certificate.
    users: Mutex<HashMap<Vec<u8>, User>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// An authority, with a certificate for a server at this address and at the names of the loopback interface.
    pub(super) fn new(address: IpAddr) -> Result<Self, TlsError> {
        let mut params = params(&[], "embedded API server CA")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(wrong)?).map_err(wrong)?;

        let names = ["kubernetes".to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let mut names = names.to_vec();
        if !names.contains(&address.to_string()) {
            names.push(address.to_string());
        }
        let mut params = self::params(&names, "embedded API server")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(wrong)?;
        let certificate = params.signed_by(&key, &issuer).map_err(wrong)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(AsRef::<rcgen::Certificate>::as_ref(&issuer).der().clone()).map_err(wrong)?;
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let clients = clients.allow_unauthenticated().build().map_err(wrong)?;
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?.with_client_cert_verifier(clients);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).map_err(wrong)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let pem = issuer.pem();
        Ok(Self { issuer, pem, acceptor: TlsAcceptor::from(Arc::new(config)), users: Mutex::default() })
    }

    /// The certificate of the authority.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// A certificate by which a user is known.
    pub(super) fn certify(&self, user: &str, groups: &[String]) -> Result<Credentials, TlsError> {
        let mut params = params(&[], user)?;
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, group.as_str());
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(wrong)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(wrong)?;
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(certificate.der().to_vec(), User::new(user, groups));
        Ok(Credentials::Certificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Who showed this chain of certificates.
    pub(super) fn user_of(&self, chain: Option<&[CertificateDer<'_>]>) -> Option<User> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(chain?.first()?.as_ref()).cloned()
    }
}

/// A certificate for these names, valid from last year to the next.
fn params(names: &[String], common_name: &str) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names).map_err(wrong)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let year = i32::from(jiff::Zoned::now().year());
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 1, 12, 31);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
