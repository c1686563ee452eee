//! What refers to an artifact: manifests of one layer, of a type of their own.

use bytes::Bytes;
use flux_core::Context;
use flux_core::source::SourceError;
use serde::Deserialize;

use super::manifest::{self, Manifest};
use super::reference::is_digest;
use super::registry::Registry;

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    artifact_type: Option<String>,
}

/// The digests of the manifests of a type that refer to a digest. Nothing vouches for any of them.
///
/// # Errors
/// Inside, in words: a list that cannot be read, or more of them than `most`.
pub(super) async fn list(
    cx: &Context,
    registry: &Registry,
    digest: &str,
    artifact_type: &str,
    most: usize,
) -> Result<Result<Vec<String>, String>, SourceError> {
    let Some(index) = registry.referrers(cx, digest, artifact_type).await? else { return Ok(Ok(Vec::new())) };
    let Index { manifests } = match serde_json::from_slice(&index) {
        Ok(index) => index,
        Err(error) => return Ok(Err(format!("the list of what refers to the artifact cannot be read: {error}"))),
    };
    // Not every registry filters by the type that it was asked for.
    let wanted = manifests.into_iter().filter(|entry| entry.artifact_type.as_deref() == Some(artifact_type));
    let digests: Vec<String> = wanted.map(|entry| entry.digest).collect();
    Ok(if digests.len() > most { Err(format!("there are more than {most} of `{artifact_type}`")) } else { Ok(digests) })
}

/// The type and the content of the one layer, among those of these types, that a manifest holds; if not, why.
pub(super) async fn layer(
    cx: &Context,
    registry: &Registry,
    manifest: &str,
    media_types: &[&str],
    limit: u64,
) -> Result<Result<(String, Bytes), String>, SourceError> {
    let gone = || Ok(Err("what refers to the artifact is not there".into()));
    if !is_digest(manifest) {
        return Ok(Err("the digest of a manifest that refers to the artifact is not SHA-256".into()));
    }
    let document = match registry.manifest(cx, manifest).await {
        Err(SourceError::NotFound { .. }) => return gone(),
        other => other?,
    };
    let layers = match manifest::read(&document) {
        Ok(Manifest::Image(manifest)) => manifest.layers,
        Ok(Manifest::Index(_)) => Vec::new(),
        Err(problem) => return Ok(Err(problem)),
    };
    let mut wanted = layers.into_iter().filter(|layer| media_types.contains(&layer.media_type.as_str()));
    let (Some(layer), None) = (wanted.next(), wanted.next()) else {
        return Ok(Err(format!("a manifest does not hold one layer of {}", media_types.join(" or "))));
    };
    if !is_digest(&layer.digest) {
        return Ok(Err("the digest of a layer that refers to the artifact is not SHA-256".into()));
    }
    match registry.blob(cx, &layer.digest, limit).await {
        Err(SourceError::NotFound { .. }) => gone(),
        other => Ok(Ok((layer.media_type, other?))),
    }
}
