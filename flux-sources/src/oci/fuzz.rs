//! What reads hostile input inside [`oci`](super), for fuzzers to reach. A host has no use for it.

use super::manifest::{self, Manifest};
use super::{CosignIdentities, NotationTrust};

/// Reads a manifest or an index; it is one of them, and the same again once it was written.
pub fn manifest(data: &[u8]) {
    let written = |manifest: &Manifest| match manifest {
        Manifest::Image(manifest) => ("manifest", serde_json::to_vec(manifest).unwrap_or_default()),
        Manifest::Index(index) => ("index", serde_json::to_vec(index).unwrap_or_default()),
    };
    if let Ok(first) = manifest::read(data).map(|read| written(&read)) {
        let again = manifest::read(&first.1).map(|read| written(&read));
        assert_eq!(again, Ok(first));
    }
}

/// Reads an envelope of the Notary Project, in JSON or CBOR, and a trust policy; a stranger's signature never passes.
pub fn notation(trust: &NotationTrust, data: &[u8]) {
    trust.refuses(data);
    let _ = NotationTrust::new(data);
}

/// Reads what lies with a signature of Cosign, a root of trust and a certificate; a stranger's signature never passes.
pub fn cosign(identities: &CosignIdentities, data: &[u8]) {
    identities.refuses(data);
    let _ = CosignIdentities::new(data);
}
