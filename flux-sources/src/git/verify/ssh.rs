//! Signatures by SSH keys, made for Git and for nothing else.

use ssh_key::authorized_keys::AuthorizedKeys;
use ssh_key::{HashAlg, PublicKey, SshSig};

/// What the signature says it was made for.
const NAMESPACE: &str = "git";

/// Every key in a text of the form of `authorized_keys`. A key with conditions is not taken, since these are not checked.
pub(super) fn read_keys(text: &str) -> Result<Vec<PublicKey>, String> {
    let mut keys = Vec::new();
    for entry in AuthorizedKeys::new(text) {
        let entry = entry.map_err(|error| format!("holds something that is no SSH key: {error}"))?;
        if !entry.config_opts().is_empty() {
            return Err("holds an SSH key with options, which are not supported".into());
        }
        keys.push(entry.public_key().clone());
    }
    if keys.is_empty() { Err("holds no SSH key".into()) } else { Ok(keys) }
}

/// Which of the keys made the signature over the payload.
pub(super) fn verify(keys: &[PublicKey], armored: &str, payload: &[u8]) -> Result<String, String> {
    let signature = SshSig::from_pem(armored).map_err(|error| format!("the signature cannot be read: {error}"))?;
    let key = keys.iter().find(|key| key.key_data() == signature.public_key());
    let key = key.ok_or("no key of the keyring made the signature")?;
    key.verify(NAMESPACE, payload, &signature).map_err(|_| "the signature is not over this object".to_owned())?;
    Ok(format!("SSH key {}", key.fingerprint(HashAlg::Sha256)))
}
