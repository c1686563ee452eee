//! Signatures under the tag `sha256-….sig`: a manifest whose layers are signed texts, each with its signature in an
//! annotation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::source::SourceError;
use oci_client::manifest::OciDescriptor;
use serde::Deserialize;

use super::{SIGNATURES, SIGNED_BYTES, Search, Signers};
use crate::oci::manifest::{self, Manifest};
use crate::oci::reference::is_digest;

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
#[cfg(feature = "oci-verify")]
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
#[cfg(feature = "oci-verify")]
const ENTRY: &str = "dev.sigstore.cosign/bundle";
const PAYLOAD_KIND: &str = "cosign container image signature";

/// What a signature is about.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Who of the trusted made one of them about the digest.
pub(super) async fn proves(search: &mut Search<'_>) -> Result<Option<String>, SourceError> {
    let tag = format!("{}.sig", search.digest.replacen(':', "-", 1));
    let document = match search.registry.tagged(search.cx, &tag).await {
        Err(SourceError::NotFound { .. }) => return Ok(None),
        other => other?,
    };
    let layers = match manifest::read(&document) {
        Ok(Manifest::Image(manifest)) => manifest.layers,
        Ok(Manifest::Index(_)) => {
            search.dismiss("an index stands where signatures should");
            return Ok(None);
        }
        Err(problem) => {
            search.dismiss(problem);
            return Ok(None);
        }
    };
    if layers.len() > SIGNATURES {
        search.dismiss(format!("there are more than {SIGNATURES} signatures"));
        return Ok(None);
    }
    for layer in layers.iter().filter(|layer| layer.media_type == PAYLOAD) {
        match judge(search, layer).await? {
            Ok(signer) => return Ok(Some(signer)),
            Err(reason) => search.dismiss(reason),
        }
    }
    Ok(None)
}

/// Who made one signature about the digest; if nobody who is trusted did, why.
async fn judge(search: &Search<'_>, layer: &OciDescriptor) -> Result<Result<String, String>, SourceError> {
    let signature = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE));
    let Some(signature) = signature.and_then(|text| STANDARD.decode(text).ok()) else {
        return Ok(Err("a signature is missing or not base64".into()));
    };
    if !is_digest(&layer.digest) {
        return Ok(Err("the digest of a signed text is not SHA-256".into()));
    }
    let payload = match search.registry.blob(search.cx, &layer.digest, SIGNED_BYTES).await {
        Err(SourceError::NotFound { .. }) => return Ok(Err("a signed text is not there".into())),
        other => other?,
    };
    let signer = match search.signers {
        Signers::Keys(keys) => keys.signer(&payload, &signature),
        #[cfg(feature = "oci-verify")]
        Signers::Identities(identities) => {
            let annotation = |name: &str| layer.annotations.as_ref().and_then(|all| all.get(name)).map(String::as_str);
            identities.of_annotated(&payload, &signature, annotation(CERTIFICATE), annotation(ENTRY))
        }
    };
    let signer = match signer {
        Ok(signer) => signer,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(match serde_json::from_slice::<Payload>(&payload) {
        Err(error) => Err(format!("the signed text cannot be read: {error}")),
        Ok(Payload { critical }) if critical.kind != PAYLOAD_KIND => {
            Err(format!("it signs a `{}`", critical.kind.escape_debug()))
        }
        Ok(Payload { critical }) if critical.image.digest != search.digest => {
            Err(format!("it is for `{}`", critical.image.digest.escape_debug()))
        }
        Ok(_) => Ok(signer),
    })
}
