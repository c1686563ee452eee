//! Signatures by OpenPGP keys. A key counts only as far as it vouches for itself, now: its own signatures say until when it
//! is good and whether it may sign, and a revocation ends it.

use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, Timestamp};

pub(crate) use pgp::composed::SignedPublicKey;

const END_OF_KEYS: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Every key in a text of armored blocks.
pub(crate) fn read_keys(text: &str) -> Result<Vec<SignedPublicKey>, String> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(END_OF_KEYS) {
        let (block, after) = rest.split_at(end + END_OF_KEYS.len());
        rest = after;
        let (found, _) = SignedPublicKey::from_armor_many(block.as_bytes()).map_err(|error| error.to_string())?;
        for key in found {
            keys.push(key.map_err(|error| error.to_string())?);
        }
    }
    if keys.is_empty() { Err("holds no OpenPGP key".into()) } else { Ok(keys) }
}

/// Every key in a keyring as `gpg --export` writes it: a text of armored blocks, or packets one after the other.
#[cfg(feature = "provenance")]
pub(crate) fn read_keyring(data: &[u8]) -> Result<Vec<SignedPublicKey>, String> {
    // The first byte of a packet has its highest bit set, which no byte of an armor has.
    if data.first().is_none_or(u8::is_ascii) {
        return read_keys(std::str::from_utf8(data).map_err(|_| "is not UTF-8")?);
    }
    let keys: Result<Vec<_>, _> = SignedPublicKey::from_bytes_many(data).map_err(|error| error.to_string())?.collect();
    match keys {
        Ok(keys) if keys.is_empty() => Err("holds no OpenPGP key".into()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Which of the keys made the signature over the payload; an error in words when none that is good at `now` did.
pub(crate) fn verify(keys: &[SignedPublicKey], armored: &str, payload: &[u8], now: i64) -> Result<String, String> {
    let (DetachedSignature { signature }, _) = DetachedSignature::from_armor_single(armored.as_bytes())
        .map_err(|error| format!("the signature cannot be read: {error}"))?;
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err("the signature is not one over a document".into());
    }
    if !matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha224
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    ) {
        return Err("the signature is over a digest that is too weak".into());
    }
    let made = alive(signature.created(), signature.signature_expiration_time().map(|time| time.as_secs()), now)
        .ok_or("the signature is not valid at this time")?;
    let mut problem = None;
    for key in keys {
        match verify_with(key, &signature, payload, made, now) {
            Ok(Some(id)) => return Ok(id),
            Ok(None) => {}
            Err(why) => problem = Some(why),
        }
    }
    Err(problem.map_or_else(|| "no key of the keyring made the signature".to_owned(), str::to_owned))
}

/// Whether this key, or a part of it, made the signature; an error when it did and is not good.
fn verify_with(
    key: &SignedPublicKey,
    signature: &Signature,
    payload: &[u8],
    made: i64,
    now: i64,
) -> Result<Option<String>, &'static str> {
    if signature.verify(&key.primary_key, payload).is_ok() {
        let own = primary(key, now)?;
        if !own.key_flags().sign() {
            return Err("the key may not sign");
        }
        born_before(&key.primary_key, made)?;
        return Ok(Some(name(&key.primary_key)));
    }
    let Some(subkey) = key.public_subkeys.iter().find(|subkey| signature.verify(&subkey.key, payload).is_ok()) else {
        return Ok(None);
    };
    primary(key, now)?;
    sub(key, subkey, now)?;
    born_before(&subkey.key, made)?;
    Ok(Some(name(&subkey.key)))
}

/// The newest signature by which a key vouches for itself, if it is not revoked and good now.
fn primary(key: &SignedPublicKey, now: i64) -> Result<&Signature, &'static str> {
    let primary = &key.primary_key;
    if key.details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
        return Err("the key is revoked");
    }
    let by_user = key.details.users.iter().flat_map(|user| {
        let certified = move |own: &&Signature| {
            own.is_certification()
                && own.typ() != Some(SignatureType::CertRevocation)
                && own.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        user.signatures.iter().filter(certified)
    });
    let direct = key.details.direct_signatures.iter().filter(|own| own.verify_key(primary).is_ok());
    let own = by_user.chain(direct).max_by_key(|own| own.created().map(Timestamp::as_secs));
    let own = own.ok_or("the key does not vouch for itself")?;
    good(primary, own, now)?;
    Ok(own)
}

/// Whether a key may sign on behalf of the one it is part of, now.
fn sub(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: i64) -> Result<(), &'static str> {
    let primary = &key.primary_key;
    let bound: Vec<&Signature> =
        subkey.signatures.iter().filter(|own| own.verify_subkey_binding(primary, &subkey.key).is_ok()).collect();
    if bound.iter().any(|own| own.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err("the subkey is revoked");
    }
    let own = bound.into_iter().max_by_key(|own| own.created().map(Timestamp::as_secs));
    let own = own.ok_or("the subkey does not belong to the key")?;
    let agreed = |back: &Signature| back.verify_primary_key_binding(&subkey.key, primary).is_ok();
    if !own.key_flags().sign() || !own.embedded_signature().is_some_and(agreed) {
        return Err("the subkey may not sign");
    }
    good(&subkey.key, own, now)
}

/// Whether a key is good at a time, by what it says about itself.
fn good(key: &impl KeyDetails, own: &Signature, now: i64) -> Result<(), &'static str> {
    let lives = own.key_expiration_time().map(|time| time.as_secs());
    alive(Some(key.created_at()), lives, now).ok_or("the key is expired, or not valid yet")?;
    let signed = own.signature_expiration_time().map(|time| time.as_secs());
    alive(own.created(), signed, now).ok_or("what the key says about itself is expired")?;
    Ok(())
}

fn born_before(key: &impl KeyDetails, made: i64) -> Result<(), &'static str> {
    if i64::from(key.created_at().as_secs()) <= made { Ok(()) } else { Err("the signature is older than the key") }
}

/// When something was made, if a time is within its life; a life of no length has no end.
fn alive(made: Option<Timestamp>, lives: Option<u32>, now: i64) -> Option<i64> {
    let made = i64::from(made?.as_secs());
    let ended = lives.filter(|&lives| lives > 0).is_some_and(|lives| now >= made + i64::from(lives));
    (made <= now && !ended).then_some(made)
}

fn name(key: &impl KeyDetails) -> String {
    format!("OpenPGP key {:X}", key.fingerprint())
}
