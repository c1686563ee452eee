//! What an entry of a log is about: the signature, what it is over, and the certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::Digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

/// A signature that has to be the logged one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'a> {
    /// The text: the payload of an envelope, or what is signed itself.
    pub(super) text: &'a [u8],
    pub(super) signature: &'a [u8],
    /// In DER.
    pub(super) certificate: &'a [u8],
}

/// The kinds of entries that Cosign makes.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Body {
    HashedRekord {
        #[serde(rename = "apiVersion")]
        version: String,
        spec: HashedRekord,
    },
    Dsse {
        #[serde(rename = "apiVersion")]
        version: String,
        spec: Dsse,
    },
}

#[derive(Deserialize)]
struct HashedRekord {
    data: Data,
    signature: Signature,
}

#[derive(Deserialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    content: String,
    public_key: PublicKey,
}

#[derive(Deserialize)]
struct PublicKey {
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse {
    payload_hash: Hash,
    signatures: Vec<Verified>,
}

#[derive(Deserialize)]
struct Verified {
    signature: String,
    verifier: String,
}

impl Made<'_> {
    /// Whether an entry is about this signature.
    ///
    /// # Errors
    /// In words.
    pub(super) fn is_logged(&self, body: &[u8]) -> Result<(), String> {
        let body = serde_json::from_slice(body)
            .map_err(|error| format!("what is logged cannot be read: {}", error.to_string().escape_debug()))?;
        let (version, hash, signature, verifier) = match &body {
            Body::HashedRekord { version, spec } => {
                (version, &spec.data.hash, &spec.signature.content, &spec.signature.public_key.content)
            }
            Body::Dsse { version, spec } => match spec.signatures.as_slice() {
                [one] => (version, &spec.payload_hash, &one.signature, &one.verifier),
                _ => return Err("what is logged is not one signature".into()),
            },
        };
        let same = version == "0.0.1"
            && hash.algorithm == "sha256"
            && hash.value == Digest::sha256(self.text).hex()
            && STANDARD.decode(signature).is_ok_and(|signature| signature == self.signature)
            && STANDARD.decode(verifier).is_ok_and(|pem| {
                CertificateDer::from_pem_slice(&pem).is_ok_and(|certificate| *certificate == *self.certificate)
            });
        if same { Ok(()) } else { Err("its entry in the log is for another signature".into()) }
    }
}
