//! Envelopes in JSON: a flattened JWS (RFC 7515) whose header holds the certificates.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::envelope::{Envelope, PAYLOAD_TYPE, SCHEME, attribute};
use crate::oci::certificate::Algorithm;

pub(super) const MEDIA_TYPE: &str = "application/jose+json";

#[derive(Deserialize)]
struct Written {
    payload: String,
    protected: String,
    header: Header,
    signature: String,
}

/// What is not signed.
#[derive(Deserialize)]
struct Header {
    x5c: Vec<String>,
}

/// Takes an envelope apart.
///
/// # Errors
/// In words.
pub(super) fn read(data: &[u8]) -> Result<Envelope, String> {
    let written: Written = serde_json::from_slice(data).map_err(|error| format!("it cannot be read: {error}"))?;
    let decoded = |what: &str, text: &str| {
        URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("its {what} cannot be read: {error}"))
    };
    let protected: Map<String, Value> = serde_json::from_slice(&decoded("header", &written.protected)?)
        .map_err(|error| format!("its header cannot be read: {error}"))?;
    let chain: Result<Vec<_>, _> = written.header.x5c.iter().map(|certificate| STANDARD.decode(certificate)).collect();
    let chain = chain.map_err(|error| format!("a certificate with it cannot be read: {error}"))?;
    let text = |name: &str| protected.get(name).and_then(Value::as_str);
    let expect = |name: &str, wanted: &str| match text(name) {
        Some(found) if found == wanted => Ok(()),
        found => Err(format!("its `{name}` is `{}` and not `{wanted}`", found.unwrap_or_default().escape_debug())),
    };
    expect("cty", PAYLOAD_TYPE)?;
    expect(attribute::SCHEME, SCHEME)?;
    check_critical(&protected)?;
    let algorithm = match text("alg") {
        Some("PS256") => Algorithm::Ps256,
        Some("PS384") => Algorithm::Ps384,
        Some("PS512") => Algorithm::Ps512,
        Some("ES256") => Algorithm::Es256,
        Some("ES384") => Algorithm::Es384,
        other => return Err(format!("its algorithm `{}` is not read", other.unwrap_or_default().escape_debug())),
    };
    let time = |name: &str| {
        let time = text(name).and_then(|time| time.parse::<jiff::Timestamp>().ok());
        time.map(jiff::Timestamp::as_second).ok_or_else(|| format!("its `{name}` is not a time"))
    };
    Ok(Envelope {
        payload: decoded("payload", &written.payload)?,
        message: format!("{}.{}", written.protected, written.payload).into_bytes(),
        signature: decoded("signature", &written.signature)?,
        algorithm,
        chain,
        made: time(attribute::TIME)?,
        expiry: protected.contains_key(attribute::EXPIRY).then(|| time(attribute::EXPIRY)).transpose()?,
    })
}

/// Whether everything that must be understood is, and is marked so.
fn check_critical(protected: &Map<String, Value>) -> Result<(), String> {
    if protected.contains_key(attribute::PLUGIN) {
        return Err("it must be verified by a plugin".into());
    }
    let critical = protected.get("crit").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for name in critical {
        let known = name.as_str().is_some_and(|name| [attribute::SCHEME, attribute::EXPIRY].contains(&name));
        if !known || !protected.contains_key(name.as_str().unwrap_or_default()) {
            return Err(format!("its attribute {name} must be understood"));
        }
    }
    for name in [attribute::SCHEME, attribute::EXPIRY] {
        if protected.contains_key(name) && !critical.iter().any(|critical| critical == name) {
            return Err(format!("its `{name}` is not marked as critical"));
        }
    }
    Ok(())
}
