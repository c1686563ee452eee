//! Objects that are encrypted still when they are built.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::{Context, Manifest, Manifests, Object, RenderError};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Decryptor, Format, SopsError};

/// The annotation by which an object is left as it is when its value is `disabled`.
const DIRECTIVE: &str = "kustomize.toolkit.fluxcd.io/decrypt";

/// Whether an object is to be left as it is.
pub(super) fn is_left_alone(object: &Value) -> bool {
    let annotation = object.get("metadata").and_then(|metadata| metadata.get("annotations")?.get(DIRECTIVE)?.as_str());
    annotation.is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

/// Decrypts the entries of Secrets that are SOPS files by themselves. An object that is encrypted as a whole is refused:
/// it was changed after it was encrypted, or made from parts.
pub(super) async fn decrypt(
    cx: &Context,
    manifests: &Manifests,
    decryptor: &Decryptor,
) -> Result<Manifests, RenderError> {
    let mut items = Vec::with_capacity(manifests.len());
    for manifest in manifests {
        items.push(Manifest { object: object(cx, manifest, decryptor).await?, origin: manifest.origin.clone() });
    }
    Ok(Manifests::new(items))
}

async fn object(cx: &Context, manifest: &Manifest, decryptor: &Decryptor) -> Result<Object, RenderError> {
    let mut object = manifest.object.clone();
    let failed = |field: String, error: SopsError| match error {
        SopsError::Interrupted(interrupted) => interrupted.into(),
        error => RenderError::Input {
            origin: manifest.origin.clone(),
            field,
            message: format!("{}: {error}", manifest.object),
        },
    };
    let map = object.as_map();
    let left_alone = map.get("metadata").is_some_and(|metadata| {
        is_left_alone(&serde_json::json!({"metadata": {"annotations": metadata.get("annotations")}}))
    });
    if left_alone {
        return Ok(object);
    }
    if map.get("sops").is_some_and(|sops| sops.get("mac").is_some()) {
        let problem = "is encrypted in a form that a build cannot decrypt: it does not come from one encrypted file";
        return Err(failed("sops".into(), SopsError::metadata("*", problem)));
    }
    if !object.is_secret() {
        return Ok(object);
    }
    let sealed = sealed_entries(&object);
    for (key, data, format) in sealed {
        let plain = decryptor.decrypt(cx, &data, format, Format::of_path(&key)).await;
        let plain = plain.map_err(|error| failed(format!("data.{key}"), error))?;
        if let Some(Value::Object(entries)) = object.as_map_mut().get_mut("data") {
            entries.insert(key, STANDARD.encode(&*plain).into());
        }
    }
    Ok(object)
}

/// The entries that SOPS encrypted.
fn sealed_entries(secret: &Object) -> Vec<(String, Vec<u8>, Format)> {
    let data = secret.as_map().get("data").and_then(Value::as_object);
    let sealed = |(key, value): (&String, &Value)| {
        let data = STANDARD.decode(value.as_str()?.replace(['\n', '\r'], "")).ok()?;
        let format = Format::of_encrypted(&data)?;
        Some((key.clone(), data, format))
    };
    data.into_iter().flatten().filter_map(sealed).collect()
}

/// Decrypts a file that a build is about to read; `None` where it is to be read as it is.
pub(super) async fn file(
    cx: &Context,
    decryptor: &Decryptor,
    data: &[u8],
    from: Format,
    to: Format,
) -> Result<Option<Zeroizing<Vec<u8>>>, SopsError> {
    if from == Format::Yaml && to == Format::Yaml {
        let options = flux_core::yaml::ReadOptions::new(flux_core::yaml::Dialect::V3);
        if flux_core::yaml::read(data, &options).is_ok_and(|first| is_left_alone(&first)) {
            return Ok(None);
        }
    }
    decryptor.decrypt(cx, data, from, to).await.map(Some)
}
