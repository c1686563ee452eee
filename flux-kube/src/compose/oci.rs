//! From `OCIRepository` documents to sources.

use std::sync::Arc;

use flux_core::{Source, SourceError};
use flux_sources::oci::{CosignKeys, LayerOperation, LayerSelector, OciReference, OciSource};
use flux_sources::{Credentials, Proxy, Tls};

use super::Problem;
use super::secrets::{CERTIFICATE, KEYS, LOGIN, Names, PROXY, Secrets, invalid};
use crate::api::{OciRepositorySpec, OciVerification};

/// The Secrets that a repository refers to.
pub(super) fn secrets(spec: &OciRepositorySpec) -> Names {
    Names::default()
        .with(LOGIN, spec.secret_ref.as_ref())
        .with(CERTIFICATE, spec.cert_secret_ref.as_ref())
        .with(PROXY, spec.proxy_secret_ref.as_ref())
        .with(KEYS, spec.verify.as_ref().and_then(|verify| verify.secret_ref.as_ref()))
}

/// What can be said about a document without its Secrets.
pub(super) fn check(spec: &OciRepositorySpec) -> Result<(), Problem> {
    provider(spec.provider.as_deref())?;
    spec.verify.as_ref().map_or(Ok(()), check_verification)?;
    match make(spec, &Secrets::default()) {
        Err(SourceError::Invalid { field, problem }) => Err((field, problem)),
        _ => Ok(()),
    }
}

/// Clouds that give credentials by themselves are not asked.
pub(super) fn provider(provider: Option<&str>) -> Result<(), Problem> {
    match provider.unwrap_or("generic") {
        "" | "generic" => Ok(()),
        other => Err(("spec.provider".into(), format!("`{other}` is not supported yet; use generic"))),
    }
}

/// Signatures made with a key are what can be checked.
pub(super) fn check_verification(verify: &OciVerification) -> Result<(), Problem> {
    let wrong = |field: &str, problem: String| Err((format!("spec.verify{field}"), problem));
    match verify.provider.as_deref().unwrap_or("cosign") {
        "cosign" => {}
        other => return wrong(".provider", format!("`{other}` is not supported yet; use cosign")),
    }
    if !verify.match_oidc_identity.is_empty() {
        return wrong(".matchOIDCIdentity", "is not supported yet; name a Secret with keys in secretRef".into());
    }
    if verify.trusted_root_secret_ref.is_some() {
        return wrong(".trustedRootSecretRef", "is not supported yet; name a Secret with keys in secretRef".into());
    }
    if verify.secret_ref.is_none() {
        return wrong(".secretRef", "is missing; signatures without a key are not supported yet".into());
    }
    Ok(())
}

/// The keys whose signatures count. Without its Secret nothing is signed well enough.
pub(super) fn keys(verify: &OciVerification, secrets: &Secrets) -> Result<CosignKeys, SourceError> {
    check_verification(verify).map_err(|(field, problem)| invalid(&field, &problem))?;
    secrets.get(KEYS).map_or_else(|| Ok(CosignKeys::default()), CosignKeys::from_secret)
}

/// The source with what is in its Secrets.
pub(super) fn make(spec: &OciRepositorySpec, secrets: &Secrets) -> Result<Arc<dyn Source>, SourceError> {
    let mut builder =
        OciSource::builder(&spec.url).reference(reference(spec)).layer(layer(spec)?).insecure(spec.insecure);
    if let Some(ignore) = &spec.ignore {
        builder = builder.ignore(ignore);
    }
    if let Some(secret) = secrets.get(LOGIN) {
        builder = builder.credentials(Credentials::from_registry_secret(secret, &spec.url)?);
    }
    if let Some(secret) = secrets.get(CERTIFICATE) {
        builder = builder.tls(Tls::from_secret(secret)?);
    }
    if let Some(secret) = secrets.get(PROXY) {
        builder = builder.proxy(Proxy::from_secret(secret)?);
    }
    if let Some(verify) = &spec.verify {
        builder = builder.verify(keys(verify, secrets)?);
    }
    Ok(Arc::new(builder.build()?))
}

fn reference(spec: &OciRepositorySpec) -> OciReference {
    let Some(reference) = &spec.reference else { return OciReference::default() };
    if let Some(digest) = &reference.digest {
        return OciReference::digest(digest);
    }
    if let Some(range) = &reference.semver {
        return OciReference::Semver { range: range.clone(), filter: reference.semver_filter.clone() };
    }
    reference.tag.as_ref().map_or_else(OciReference::default, OciReference::tag)
}

fn layer(spec: &OciRepositorySpec) -> Result<LayerSelector, SourceError> {
    let Some(selector) = &spec.layer_selector else { return Ok(LayerSelector::default()) };
    let operation = match selector.operation.as_deref().unwrap_or("extract") {
        "extract" => LayerOperation::Extract,
        "copy" => LayerOperation::Copy,
        other => {
            return Err(invalid("spec.layerSelector.operation", &format!("`{other}` is neither extract nor copy")));
        }
    };
    Ok(LayerSelector { media_type: selector.media_type.clone(), operation })
}
