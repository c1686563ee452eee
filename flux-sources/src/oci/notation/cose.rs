//! Envelopes in CBOR: a COSE_Sign1 (RFC 9052) whose unprotected header holds the certificates.

use super::cbor::{Value, write_bytes, write_text};
use super::envelope::{Envelope, PAYLOAD_TYPE, SCHEME, attribute};
use crate::oci::certificate::Algorithm;

pub(super) const MEDIA_TYPE: &str = "application/cose";

/// The tag of a COSE_Sign1, and that of a time in seconds.
const SIGN1: u64 = 18;
const EPOCH: u64 = 1;
/// The labels of header parameters.
const ALGORITHM: Value<'_> = Value::Integer(1);
const CRITICAL: Value<'_> = Value::Integer(2);
const CONTENT_TYPE: Value<'_> = Value::Integer(3);
const CERTIFICATES: Value<'_> = Value::Integer(33);

/// Takes an envelope apart.
///
/// # Errors
/// In words.
pub(super) fn read(data: &[u8]) -> Result<Envelope, String> {
    let unreadable = || "it cannot be read".to_owned();
    let Some(Value::Tagged(SIGN1, message)) = Value::read(data) else { return Err(unreadable()) };
    let Value::Array(parts) = *message else { return Err(unreadable()) };
    let [Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)] = &*parts
    else {
        return Err(unreadable());
    };
    let Some(Value::Map(header)) = Value::read(protected) else { return Err("its header cannot be read".into()) };
    let expect = |name: &str, key: &Value<'_>, wanted: &str| match get(&header, key) {
        Some(Value::Text(found)) if *found == wanted => Ok(()),
        Some(Value::Text(found)) => Err(format!("its `{name}` is `{}` and not `{wanted}`", found.escape_debug())),
        _ => Err(format!("its `{name}` is `` and not `{wanted}`")),
    };
    expect("cty", &CONTENT_TYPE, PAYLOAD_TYPE)?;
    expect(attribute::SCHEME, &Value::Text(attribute::SCHEME), SCHEME)?;
    check_critical(&header)?;
    let algorithm = match get(&header, &ALGORITHM) {
        Some(Value::Integer(-37)) => Algorithm::Ps256,
        Some(Value::Integer(-38)) => Algorithm::Ps384,
        Some(Value::Integer(-39)) => Algorithm::Ps512,
        Some(Value::Integer(-7)) => Algorithm::Es256,
        Some(Value::Integer(-35)) => Algorithm::Es384,
        _ => return Err("its algorithm is not read".into()),
    };
    let Some(Value::Array(certificates)) = get(unprotected, &CERTIFICATES) else {
        return Err("there is no certificate with it".into());
    };
    let certificate = |value: &Value<'_>| match value {
        Value::Bytes(der) => Ok(der.to_vec()),
        _ => Err("a certificate with it cannot be read".to_owned()),
    };
    let time = |name: &str| match get(&header, &Value::Text(name)) {
        Some(Value::Tagged(EPOCH, seconds)) => match **seconds {
            Value::Integer(seconds) => Ok(seconds),
            _ => Err(format!("its `{name}` is not a time")),
        },
        _ => Err(format!("its `{name}` is not a time")),
    };
    let expires = get(&header, &Value::Text(attribute::EXPIRY)).is_some();
    Ok(Envelope {
        payload: payload.to_vec(),
        message: signed(protected, payload),
        signature: signature.to_vec(),
        algorithm,
        chain: certificates.iter().map(certificate).collect::<Result<_, _>>()?,
        made: time(attribute::TIME)?,
        expiry: expires.then(|| time(attribute::EXPIRY)).transpose()?,
    })
}

fn get<'v, 'a>(header: &'v [(Value<'a>, Value<'a>)], key: &Value<'_>) -> Option<&'v Value<'a>> {
    header.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// What the signature is over (RFC 9052, section 4.4): the header as it is written, nothing from outside, and the payload.
fn signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0x84];
    write_text(&mut message, "Signature1");
    write_bytes(&mut message, protected);
    write_bytes(&mut message, &[]);
    write_bytes(&mut message, payload);
    message
}

/// Whether everything that must be understood is, and is marked so.
fn check_critical(header: &[(Value<'_>, Value<'_>)]) -> Result<(), String> {
    if get(header, &Value::Text(attribute::PLUGIN)).is_some() {
        return Err("it must be verified by a plugin".into());
    }
    let critical = match get(header, &CRITICAL) {
        Some(Value::Array(critical)) => critical.as_slice(),
        _ => &[],
    };
    for name in critical {
        let known = match name {
            // The algorithm and the type of the payload are understood always.
            Value::Text(text) => [attribute::SCHEME, attribute::EXPIRY].contains(text),
            other => [ALGORITHM, CONTENT_TYPE].contains(other),
        };
        if !known || get(header, name).is_none() {
            let name = if let Value::Text(text) = name { text.escape_debug().to_string() } else { format!("{name:?}") };
            return Err(format!("its attribute \"{name}\" must be understood"));
        }
    }
    for name in [attribute::SCHEME, attribute::EXPIRY] {
        let name = Value::Text(name);
        if get(header, &name).is_some() && !critical.contains(&name) {
            return Err("what must be understood of it is not marked as critical".into());
        }
    }
    Ok(())
}
