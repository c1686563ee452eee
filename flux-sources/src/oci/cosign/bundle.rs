//! Signatures in Sigstore bundles, which refer to the artifact: what Cosign makes since version 3.
//!
//! A bundle holds a DSSE envelope around an in-toto statement. Attestations come in the same form, and say nothing about
//! whether the artifact is wanted: only a statement of Cosign's own kind is a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::source::SourceError;
use serde::Deserialize;

use super::{CosignKeys, SIGNATURES, SIGNED_BYTES, Search};
use crate::oci::manifest::{self, Manifest};
use crate::oci::reference::is_digest;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "application/vnd.in-toto+json";
const STATEMENT_KIND: &str = "https://in-toto.io/Statement/v1";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
struct Referrers {
    #[serde(default)]
    manifests: Vec<Referrer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    digest: String,
    artifact_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
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

/// Whether one of them is of a trusted key and about the digest.
pub(super) async fn proves(search: &mut Search<'_>) -> Result<bool, SourceError> {
    let Some(index) = search.registry.referrers(search.cx, search.digest, BUNDLE).await? else { return Ok(false) };
    let referrers = match serde_json::from_slice::<Referrers>(&index) {
        Ok(Referrers { manifests }) => manifests,
        Err(error) => {
            search.dismiss(format!("the list of bundles cannot be read: {error}"));
            return Ok(false);
        }
    };
    // Not every registry filters by the type that it was asked for.
    let bundles: Vec<&Referrer> =
        referrers.iter().filter(|referrer| referrer.artifact_type.as_deref() == Some(BUNDLE)).collect();
    if bundles.len() > SIGNATURES {
        search.dismiss(format!("there are more than {SIGNATURES} bundles"));
        return Ok(false);
    }
    for bundle in bundles {
        match judge(search, &bundle.digest).await? {
            Ok(()) => return Ok(true),
            Err(reason) => search.dismiss(reason),
        }
    }
    Ok(false)
}

/// Whether the bundle in this manifest proves something about the digest; if not, why.
async fn judge(search: &Search<'_>, manifest: &str) -> Result<Result<(), String>, SourceError> {
    let gone = || Ok(Err("a bundle is not there".into()));
    if !is_digest(manifest) {
        return Ok(Err("the digest of a bundle's manifest is not SHA-256".into()));
    }
    let document = match search.registry.manifest(search.cx, manifest).await {
        Err(SourceError::NotFound { .. }) => return gone(),
        other => other?,
    };
    let layer = match manifest::read(&document) {
        Ok(Manifest::Image(manifest)) => manifest.layers.into_iter().find(|layer| layer.media_type == BUNDLE),
        Ok(Manifest::Index(_)) => None,
        Err(problem) => return Ok(Err(problem)),
    };
    let Some(layer) = layer.filter(|layer| is_digest(&layer.digest)) else {
        return Ok(Err("a manifest holds no bundle".into()));
    };
    match search.registry.blob(search.cx, &layer.digest, SIGNED_BYTES).await {
        Err(SourceError::NotFound { .. }) => gone(),
        other => Ok(check(search.keys, &other?, search.digest)),
    }
}

fn check(keys: &CosignKeys, bundle: &[u8], digest: &str) -> Result<(), String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("a bundle cannot be read: {error}");
    let Bundle { dsse_envelope: envelope } = serde_json::from_slice(bundle).map_err(|error| unreadable(&error))?;
    let payload = STANDARD.decode(&envelope.payload).map_err(|error| unreadable(&error))?;
    let message = encoded(&envelope.payload_type, &payload);
    let signatures = envelope.signatures.iter().take(SIGNATURES);
    if !signatures.flat_map(|made| STANDARD.decode(&made.sig)).any(|made| keys.signed(&message, &made)) {
        return Err(format!("none of the keys {keys:?} made it"));
    }
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
    if statement.subject.iter().any(about) { Ok(()) } else { Err("it is for another digest".into()) }
}

/// What an envelope's signature is made over (DSSE, version 1): the type and the text, each behind its length.
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}
