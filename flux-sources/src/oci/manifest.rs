//! Manifests and indexes of an OCI registry.

use oci_client::manifest::{OciImageIndex, OciImageManifest};
use serde::Deserialize;
use serde::de::IgnoredAny;

pub(super) enum Manifest {
    Image(Box<OciImageManifest>),
    Index(OciImageIndex),
}

/// What tells one from the other.
#[derive(Deserialize)]
struct Shape {
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    manifests: Option<IgnoredAny>,
}

/// Reads a document by what is in it. One that could be read as a manifest and as an index is neither: two readers would
/// find different content under one digest (CVE-2021-41190).
///
/// # Errors
/// In words: a document that is neither, or broken.
pub(super) fn read(data: &[u8]) -> Result<Manifest, String> {
    let broken = |error: serde_json::Error| format!("the manifest is broken: {error}");
    let shape: Shape = serde_json::from_slice(data).map_err(broken)?;
    match (shape.config.is_some() || shape.layers.is_some(), shape.manifests.is_some()) {
        (true, true) => Err("the document is a manifest and an index at once".into()),
        (true, false) => serde_json::from_slice(data).map(Manifest::Image).map_err(broken),
        (false, true) => serde_json::from_slice(data).map(Manifest::Index).map_err(broken),
        (false, false) => Err("the document is neither a manifest nor an index".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h30_a_document_is_a_manifest_or_an_index_and_not_both() {
        let descriptor = r#"{"mediaType": "a", "digest": "sha256:0", "size": 1}"#;
        let read = |fields: &str| read(format!(r#"{{"schemaVersion": 2, {fields}}}"#).as_bytes());
        let image = format!(r#""config": {descriptor}, "layers": [{descriptor}]"#);
        assert!(matches!(read(&image), Ok(Manifest::Image(_))));
        assert!(matches!(read(&format!(r#""manifests": [{descriptor}]"#)), Ok(Manifest::Index(_))));
        for (fields, problem) in [
            (format!(r#"{image}, "manifests": [{descriptor}]"#), "at once"),
            (format!(r#""layers": [], "manifests": [{descriptor}]"#), "at once"),
            (r#""x": 1"#.to_owned(), "neither"),
            (r#""layers": 1"#.to_owned(), "broken"),
        ] {
            let error = read(&fields).err().unwrap();
            assert!(error.contains(problem), "{fields}: {error}");
        }
    }
}
