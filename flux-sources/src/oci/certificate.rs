//! Certificates of those who sign artifacts. All that is believed of one is what a signature up to a trusted one covers.

use flux_core::source::SourceError;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage, ParsedExtension};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Reads a certificate.
///
/// # Errors
/// In words.
pub(super) fn read(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("there is more behind a certificate".into()),
        Err(error) => Err(format!("a certificate cannot be read: {error}")),
    }
}

/// The certificates in a file: as PEM, one after the other, or one as DER.
///
/// # Errors
/// A file without a certificate or with a broken one.
pub(super) fn read_file(field: &str, data: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
    let invalid = |problem: String| SourceError::Invalid { field: field.to_owned(), problem };
    let found: Result<Vec<Vec<u8>>, _> =
        CertificateDer::pem_slice_iter(data).map(|found| found.map(|der| der.to_vec())).collect();
    let mut found = found.map_err(|_| invalid("holds a broken certificate".into()))?;
    if found.is_empty() {
        found.push(data.to_vec());
    }
    for der in &found {
        read(der).map_err(|_| invalid("holds no certificate, or a broken one".into()))?;
    }
    Ok(found)
}

/// A way to sign with the key of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

impl Algorithm {
    /// The one way that the Notary Project has for a key.
    pub(super) fn of(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        match key.parsed().ok()? {
            PublicKey::RSA(rsa) => match rsa.key_size() {
                2048 => Some(Self::Ps256),
                3072 => Some(Self::Ps384),
                4096 => Some(Self::Ps512),
                _ => None,
            },
            PublicKey::EC(_) => {
                let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
                if curve == oid::OID_EC_P256 {
                    Some(Self::Es256)
                } else if curve == oid::OID_NIST_EC_P384 {
                    Some(Self::Es384)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Whether the key made a signature in the form that JOSE and COSE share.
    pub(super) fn made(self, key: &SubjectPublicKeyInfo<'_>, message: &[u8], made: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self {
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        };
        UnparsedPublicKey::new(algorithm, &key.subject_public_key.data).verify(message, made).is_ok()
    }
}

/// Whether one certificate is issued by another, by name and by signature.
pub(super) fn is_issued_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let sha1 = [oid::OID_PKCS1_SHA1WITHRSA, oid::OID_SHA1_WITH_RSA];
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.signature_algorithm == certificate.tbs_certificate.signature
        && !sha1.contains(&certificate.signature_algorithm.algorithm)
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

/// Whether a certificate is good at a time, in seconds.
pub(super) fn is_valid_at(certificate: &X509Certificate<'_>, seconds: i64) -> bool {
    let validity = certificate.validity();
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&seconds)
}

/// What a certificate may be used for, by its extensions.
pub(super) struct Uses<'a, 'b> {
    pub(super) is_authority: bool,
    /// How many authorities there may be between it and the last certificate.
    pub(super) path_length: Option<u32>,
    pub(super) key: Option<&'a KeyUsage>,
    pub(super) extended: Option<&'a ExtendedKeyUsage<'b>>,
}

/// Reads the extensions that say what a certificate may be used for.
///
/// # Errors
/// In words: extensions that cannot be read or come twice, and one that must be understood and is not.
pub(super) fn uses<'a, 'b>(certificate: &'a X509Certificate<'b>) -> Result<Uses<'a, 'b>, String> {
    certificate.tbs_certificate.extensions_map().map_err(|_| "an extension of a certificate comes twice")?;
    let mut uses = Uses { is_authority: false, path_length: None, key: None, extended: None };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                uses.is_authority = constraints.ca;
                uses.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => uses.key = Some(usage),
            ParsedExtension::ExtendedKeyUsage(usage) => uses.extended = Some(usage),
            ParsedExtension::SubjectAlternativeName(_) => {}
            // Who is not held against them must not say that they hold.
            ParsedExtension::NameConstraints(_) => {
                return Err("a certificate holds only for some names, which are not looked at".into());
            }
            ParsedExtension::ParseError { .. } => {
                return Err(format!("the extension {} of a certificate cannot be read", extension.oid));
            }
            _ if extension.critical => {
                return Err(format!("the extension {} of a certificate must be understood", extension.oid));
            }
            _ => {}
        }
    }
    Ok(uses)
}
