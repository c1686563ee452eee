//! Signatures in Sigstore bundles, which refer to the artifact: what Cosign makes since version 3.
//!
//! A bundle holds a DSSE envelope around an in-toto statement. Attestations come in the same form, and say nothing about
//! whether the artifact is wanted: only a statement of Cosign's own kind is a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::source::SourceError;
use serde::Deserialize;

use super::{SIGNATURES, SIGNED_BYTES, Search, Signers};
use crate::oci::referrers;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "application/vnd.in-toto+json";
const STATEMENT_KIND: &str = "https://in-toto.io/Statement/v1";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    /// What a signature without a key of its own is verified with.
    #[cfg(feature = "oci-verify")]
    #[serde(default)]
    verification_material: serde_json::Value,
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    sha256: Option<String>,
}

/// Who of the trusted made one of them about the digest.
pub(super) async fn proves(search: &mut Search<'_>) -> Result<Option<String>, SourceError> {
    let bundles = match referrers::list(search.cx, search.registry, search.digest, BUNDLE, SIGNATURES).await? {
        Ok(bundles) => bundles,
        Err(reason) => {
            search.dismiss(reason);
            return Ok(None);
        }
    };
    for bundle in bundles {
        let held = referrers::layer(search.cx, search.registry, &bundle, &[BUNDLE], SIGNED_BYTES).await?;
        match held.and_then(|(_, bundle)| check(search.signers, &bundle, search.digest)) {
            Ok(signer) => return Ok(Some(signer)),
            Err(reason) => search.dismiss(reason),
        }
    }
    Ok(None)
}

/// Who made a signature in a bundle about the digest; if nobody who is trusted did, why.
pub(super) fn check(signers: Signers<'_>, bundle: &[u8], digest: &str) -> Result<String, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("a bundle cannot be read: {error}");
    let bundle: Bundle = serde_json::from_slice(bundle).map_err(|error| unreadable(&error))?;
    let envelope = &bundle.dsse_envelope;
    let payload = STANDARD.decode(&envelope.payload).map_err(|error| unreadable(&error))?;
    let message = encoded(&envelope.payload_type, &payload);
    let mut signer = Err("a bundle holds no signature".to_owned());
    for made in envelope.signatures.iter().take(SIGNATURES).flat_map(|made| STANDARD.decode(&made.sig)) {
        signer = match signers {
            Signers::Keys(keys) => keys.signer(&message, &made),
            #[cfg(feature = "oci-verify")]
            Signers::Identities(identities) => {
                identities.of_bundled((&message, &made), &payload, &bundle.verification_material)
            }
        };
        if signer.is_ok() {
            break;
        }
    }
    let signer = signer?;
    if envelope.payload_type != STATEMENT {
        return Err(format!("it signs a `{}`", envelope.payload_type.escape_debug()));
    }
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|error| format!("the signed text cannot be read: {error}"))?;
    for (found, wanted) in [(&statement.kind, STATEMENT_KIND), (&statement.predicate, SIGNATURE)] {
        if found != wanted {
            return Err(format!("it signs a `{}`", found.escape_debug()));
        }
    }
    let about = |subject: &Subject| {
        subject.digest.sha256.as_deref().is_some_and(|hash| digest.strip_prefix("sha256:") == Some(hash))
    };
    if statement.subject.iter().any(about) { Ok(signer) } else { Err("it is for another digest".into()) }
}

/// What an envelope's signature is made over (DSSE, version 1): the type and the text, each behind its length.
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}
