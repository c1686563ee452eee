//! Whether a chain of certificates is one for signing code: each issued by the next, the last by itself, and each allowed
//! what it does. Whom the last one belongs to is asked elsewhere.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry as oid;

use crate::oci::certificate::{is_issued_by, is_valid_at, uses};

/// Holds a chain, the signer's certificate first, against what the Notary Project requires of certificates.
///
/// # Errors
/// In words.
pub(super) fn check(chain: &[X509Certificate<'_>]) -> Result<(), String> {
    let [leaf, authorities @ ..] = chain else { return Err("there is no certificate with it".into()) };
    check_leaf(leaf)?;
    for (between, authority) in authorities.iter().enumerate() {
        check_authority(authority, between)?;
    }
    for pair in chain.windows(2) {
        let [certificate, issuer] = pair else { continue };
        if is_issued_by(certificate, certificate) {
            return Err("a certificate that is not the last of its chain is issued by itself".into());
        }
        if !is_issued_by(certificate, issuer) {
            return Err("a certificate of its chain is not issued by the next".into());
        }
    }
    let last = authorities.last().unwrap_or(leaf);
    if is_issued_by(last, last) {
        Ok(())
    } else {
        Err("its chain does not end in a certificate issued by itself".into())
    }
}

/// Whether all certificates are good at a time, in seconds.
pub(super) fn is_valid(chain: &[X509Certificate<'_>], seconds: i64) -> bool {
    chain.iter().all(|certificate| is_valid_at(certificate, seconds))
}

/// Whether somebody says somewhere that a certificate of the chain is revoked, or not.
pub(super) fn is_revocable(chain: &[X509Certificate<'_>]) -> bool {
    let (_, below_root) = chain.split_last().map_or((None, chain), |(last, rest)| (Some(last), rest));
    let told = |certificate: &X509Certificate<'_>| {
        certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(_) => true,
            ParsedExtension::AuthorityInfoAccess(access) => access
                .accessdescs
                .iter()
                .any(|description| description.access_method == oid::OID_PKIX_ACCESS_DESCRIPTOR_OCSP),
            _ => false,
        })
    };
    below_root.iter().any(told)
}

fn check_leaf(certificate: &X509Certificate<'_>) -> Result<(), String> {
    let uses = uses(certificate)?;
    if uses.is_authority {
        return Err("its certificate is one of an authority".into());
    }
    let key = critical_key_usage(certificate)?;
    let other = key.key_cert_sign()
        || key.crl_sign()
        || key.key_encipherment()
        || key.data_encipherment()
        || key.key_agreement()
        || key.encipher_only()
        || key.decipher_only();
    if !key.digital_signature() || other {
        return Err("its certificate is not for signatures alone".into());
    }
    let Some(extended) = uses.extended else { return Ok(()) };
    let other = extended.any
        || extended.server_auth
        || extended.client_auth
        || extended.email_protection
        || extended.time_stamping
        || extended.ocsp_signing;
    if extended.code_signing && !other { Ok(()) } else { Err("its certificate is not for signing code alone".into()) }
}

/// An authority with this many others between it and the signer.
fn check_authority(certificate: &X509Certificate<'_>, between: usize) -> Result<(), String> {
    let uses = uses(certificate)?;
    if !uses.is_authority {
        return Err("a certificate of its chain is not one of an authority".into());
    }
    if uses.path_length.is_some_and(|most| usize::try_from(most).is_ok_and(|most| between > most)) {
        return Err("its chain is longer than a certificate of it allows".into());
    }
    if critical_key_usage(certificate)?.key_cert_sign() {
        Ok(())
    } else {
        Err("a certificate of its chain is not for signing certificates".into())
    }
}

fn critical_key_usage<'a>(
    certificate: &'a X509Certificate<'_>,
) -> Result<&'a x509_parser::extensions::KeyUsage, &'static str> {
    let usage = certificate.key_usage().ok().flatten().filter(|usage| usage.critical);
    usage.map(|usage| usage.value).ok_or("a certificate of its chain does not say critically what its key is for")
}
