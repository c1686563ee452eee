//! From `Bucket` documents to sources.

use std::sync::Arc;

use flux_core::{Source, SourceError};
use flux_sources::bucket::{BucketCredentials, BucketProvider, BucketSource};
use flux_sources::{Proxy, Tls};

use super::Problem;
use super::secrets::{CERTIFICATE, LOGIN, Names, PROXY, Secrets, invalid};
use crate::api::BucketSpec;

/// The Secrets that a bucket refers to.
pub(super) fn secrets(spec: &BucketSpec) -> Names {
    Names::default()
        .with(LOGIN, spec.secret_ref.as_ref())
        .with(CERTIFICATE, spec.cert_secret_ref.as_ref())
        .with(PROXY, spec.proxy_secret_ref.as_ref())
}

/// What can be said about a document without its Secrets.
pub(super) fn check(spec: &BucketSpec) -> Result<(), Problem> {
    if spec.cert_secret_ref.is_some() && provider(spec).is_ok_and(|provider| provider != BucketProvider::Generic) {
        return Err(("spec.certSecretRef".into(), "is for the provider `generic`".into()));
    }
    match make(spec, &Secrets::default()) {
        Err(SourceError::Invalid { field, problem }) => Err((field, problem)),
        _ => Ok(()),
    }
}

fn provider(spec: &BucketSpec) -> Result<BucketProvider, SourceError> {
    match spec.provider.as_deref().unwrap_or("generic") {
        "" | "generic" => Ok(BucketProvider::Generic),
        "aws" => Ok(BucketProvider::Aws),
        "gcp" => Ok(BucketProvider::Gcp),
        "azure" => Ok(BucketProvider::Azure),
        other => Err(invalid("spec.provider", &format!("`{other}` is none of generic, aws, gcp and azure"))),
    }
}

/// The source with what is in its Secrets.
pub(super) fn make(spec: &BucketSpec, secrets: &Secrets) -> Result<Arc<dyn Source>, SourceError> {
    let provider = provider(spec)?;
    let mut builder = BucketSource::builder(provider, &spec.endpoint, &spec.bucket_name)
        .insecure(spec.insecure)
        .region(spec.region.clone().unwrap_or_default())
        .prefix(spec.prefix.clone().unwrap_or_default());
    if let Some(ignore) = &spec.ignore {
        builder = builder.ignore(ignore);
    }
    builder = match (secrets.get(LOGIN), &spec.secret_ref) {
        (Some(secret), _) => builder.credentials(BucketCredentials::from_secret(provider, secret)?),
        // It is only looked at.
        (None, Some(_)) => builder.credentials(BucketCredentials::Anonymous),
        (None, None) => builder,
    };
    if let Some(secret) = secrets.get(CERTIFICATE) {
        builder = builder.tls(Tls::from_secret(secret)?);
    }
    if let Some(secret) = secrets.get(PROXY) {
        builder = builder.proxy(Proxy::from_secret(secret)?);
    }
    Ok(Arc::new(builder.build()?))
}
