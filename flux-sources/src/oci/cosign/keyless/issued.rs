//! Whether a certificate for one signature is issued by a trusted authority, as a log of certificates knows.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::der;
use super::root::{Authority, Log, TrustedRoot};
use crate::oci::certificate::{self, is_issued_by, is_valid_at, uses};

/// The extension that holds what logs have promised (1.3.6.1.4.1.11129.2.4.2).
const TIMESTAMPS: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The field of a certificate that holds its extensions.
const EXTENSIONS: u8 = 0xa3;
/// How many promises are looked at.
const PROMISES: usize = 20;

/// Holds a certificate against what is trusted, as it was at a time.
///
/// # Errors
/// In words.
pub(super) fn check(leaf: &X509Certificate<'_>, root: &TrustedRoot, time: i64) -> Result<(), String> {
    check_uses(leaf)?;
    if !is_valid_at(leaf, time) {
        return Err("it was logged when its certificate was not valid".into());
    }
    for authority in root.authorities.iter().filter(|authority| authority.valid.holds(time)) {
        if let Some(issuer_key) = issuer_key(leaf, authority, time)? {
            return check_promises(leaf, &issuer_key, &root.certificate_logs);
        }
    }
    Err("its certificate is not issued by a trusted authority".into())
}

fn check_uses(leaf: &X509Certificate<'_>) -> Result<(), String> {
    let uses = uses(leaf)?;
    let signs = uses.key.is_some_and(|key| key.digital_signature());
    let code = uses.extended.is_some_and(|extended| extended.code_signing);
    if signs && code && !uses.is_authority { Ok(()) } else { Err("its certificate is not for signing code".into()) }
}

/// The key of the certificate that issued another, if the authority did.
fn issuer_key(leaf: &X509Certificate<'_>, authority: &Authority, time: i64) -> Result<Option<Vec<u8>>, String> {
    let chain: Result<Vec<_>, _> = authority.chain.iter().map(|der| certificate::read(der)).collect();
    let chain = chain?;
    let mut below = leaf;
    for (between, issuer) in chain.iter().enumerate() {
        let uses = uses(issuer)?;
        let allowed = uses.is_authority
            && uses.key.is_none_or(|key| key.key_cert_sign())
            && uses.extended.is_none_or(|extended| extended.code_signing || extended.any)
            && uses.path_length.is_none_or(|most| usize::try_from(most).is_ok_and(|most| between <= most));
        if !allowed || !is_valid_at(issuer, time) || !is_issued_by(below, issuer) {
            return Ok(None);
        }
        below = issuer;
    }
    Ok(chain.first().map(|issuer| issuer.public_key().raw.to_vec()))
}

/// Whether a trusted log has promised to log the certificate (RFC 6962, section 3.2).
fn check_promises(leaf: &X509Certificate<'_>, issuer_key: &[u8], logs: &[Log]) -> Result<(), String> {
    let unlogged = || "no trusted log knows its certificate".to_owned();
    let promised = leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SCT(promises) => Some(promises),
        _ => None,
    });
    let without = without_timestamps(leaf.tbs_certificate.as_ref()).ok_or_else(unlogged)?;
    let length = u32::try_from(without.len()).ok().filter(|length| *length < 1 << 24).ok_or_else(unlogged)?;
    for promise in promised.ok_or_else(unlogged)?.iter().take(PROMISES) {
        let extensions = promise.extensions.0;
        let Ok(extensions_length) = u16::try_from(extensions.len()) else { continue };
        // Version 1, a promise for a certificate, then when, for which issuer and for which certificate.
        let mut message = vec![0, 0];
        message.extend_from_slice(&promise.timestamp.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&hash(issuer_key));
        message.extend_from_slice(length.to_be_bytes().get(1..).unwrap_or_default());
        message.extend_from_slice(&without);
        message.extend_from_slice(&extensions_length.to_be_bytes());
        message.extend_from_slice(extensions);
        let seconds = i64::try_from(promise.timestamp / 1000).unwrap_or(i64::MAX);
        let known = logs.iter().filter(|log| log.id == promise.id.key_id && log.valid.holds(seconds));
        if promise.version.0 == 0 && known.into_iter().any(|log| log.made(&message, promise.signature.data)) {
            return Ok(());
        }
    }
    Err(unlogged())
}

fn hash(data: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, data).as_ref().to_vec()
}

/// What a certificate says without the promises in it, which are made about the rest.
fn without_timestamps(certificate: &[u8]) -> Option<Vec<u8>> {
    let fields = der::all(der::only(certificate)?.content)?;
    let mut content = Vec::with_capacity(certificate.len());
    for field in fields {
        if field.tag != EXTENSIONS {
            content.extend_from_slice(field.whole);
            continue;
        }
        let mut kept = Vec::new();
        for extension in der::all(der::only(field.content)?.content)? {
            let mut rest = extension.content;
            let kind = der::next(&mut rest)?;
            if (kind.tag, kind.content) != (OBJECT_IDENTIFIER, TIMESTAMPS) {
                kept.extend_from_slice(extension.whole);
            }
        }
        content.extend_from_slice(&der::wrap(EXTENSIONS, &der::wrap(SEQUENCE, &kept)));
    }
    Some(der::wrap(SEQUENCE, &content))
}
