//! What Helm and OCI sources read from strangers: repositories, registries, and the signatures in them.

use std::sync::LazyLock;

use flux_sources::helm::{ProvenanceKeys, fuzz as helm};
use flux_sources::oci::{CosignIdentities, NotationTrust, fuzz as oci};

/// A provenance file of a chart, signed by none of ours.
pub(super) fn provenance(data: &[u8]) {
    static KEYS: LazyLock<ProvenanceKeys> = LazyLock::new(|| {
        ProvenanceKeys::default().with_keyring(include_bytes!("../../fuzz/keys/openpgp.asc")).expect("a key")
    });
    helm::provenance(&KEYS, data);
}

/// The index of a chart repository.
pub(super) fn index(data: &[u8]) {
    helm::index(data);
}

/// The archive of a chart or an artifact.
pub(super) fn archive(data: &[u8]) {
    helm::archive(data);
}

/// A manifest or an index of a registry.
pub(super) fn manifest(data: &[u8]) {
    oci::manifest(data);
}

/// An envelope of the Notary Project below no certificate of ours.
pub(super) fn notation(data: &[u8]) {
    static TRUST: LazyLock<NotationTrust> = LazyLock::new(|| {
        let policy = br#"{"version": "1.0", "trustPolicies": [{"name": "a", "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"}, "trustStores": ["ca:a"], "trustedIdentities": ["*"]}]}"#;
        let certificate = include_bytes!("../../fuzz/keys/stranger.pem");
        NotationTrust::new(policy).and_then(|trust| trust.with_certificates("ca.pem", certificate)).expect("a policy")
    });
    oci::notation(&TRUST, data);
}

/// A keyless signature of Cosign, which our authority and our logs may vouch for, of nobody who was asked for.
pub(super) fn cosign(data: &[u8]) {
    static IDENTITIES: LazyLock<CosignIdentities> = LazyLock::new(|| {
        let root = CosignIdentities::new(include_bytes!("../../fuzz/keys/trusted_root.json")).expect("a root of trust");
        root.with_identity("^nobody$", "^nobody$").expect("expressions")
    });
    oci::cosign(&IDENTITIES, data);
}
