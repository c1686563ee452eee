//! From a description to a client: one for each service, all on this crate's own TLS, proxy and limits.

use std::sync::Arc;

use async_trait::async_trait;
use flux_core::source::SourceError;
use http_body_util::{BodyExt as _, Full, Limited};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    StaticCredentialProvider,
};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{ClientOptions, RetryConfig};
use reqwest::{Client, StatusCode, Url};

use super::credentials::{BucketCredentials, BucketProvider};
use super::listed::Odd;
use super::remote::{Cloud, Remote};
use crate::http::Settings;

/// How large a page of a listing may be; a thousand keys of a kilobyte each with all that is said about them are less.
const PAGE_BYTES: usize = 16 << 20;
/// How much of an error's text is read.
const ERROR_BYTES: usize = 64 << 10;
/// How often a request is sent again after a failure that may pass.
const RETRIES: usize = 2;

/// What a client is made from.
pub(super) struct Place {
    pub(super) provider: BucketProvider,
    pub(super) endpoint: String,
    pub(super) bucket: String,
    pub(super) region: Option<String>,
    pub(super) insecure: bool,
    pub(super) credentials: BucketCredentials,
    pub(super) settings: Settings,
    /// Bytes of one object at most.
    pub(super) object_bytes: u64,
}

impl Place {
    /// The URL of the server. Plain HTTP is spoken only when that was asked for.
    pub(super) fn url(&self) -> Result<Url, SourceError> {
        let invalid = |problem: String| SourceError::Invalid { field: "spec.endpoint".into(), problem };
        let scheme = if self.insecure { "http" } else { "https" };
        let text = match self.endpoint.contains("://") {
            true => self.endpoint.clone(),
            false => format!("{scheme}://{}", self.endpoint),
        };
        let url = Url::parse(&text).map_err(|error| invalid(error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if self.insecure => {}
            "http" => return Err(invalid("is plain HTTP, which needs `spec.insecure`".into())),
            _ => return Err(invalid("should be a host, or start with `https://` or `http://`".into())),
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.host().is_none() {
            return Err(invalid("should be a host and nothing that is secret".into()));
        }
        Ok(url)
    }

    /// The client. Nothing is sent yet.
    pub(super) fn connect(&self, url: &Url) -> Result<Box<dyn Remote>, SourceError> {
        let client = self.settings.client().map_err(|problem| invalid("spec.certSecretRef", problem))?;
        let object_bytes = usize::try_from(self.object_bytes).unwrap_or(usize::MAX);
        let connector = Connector(Bounded { client, object_bytes });
        // The library's own errors about a description hold no secret except for a key that it cannot read.
        let refused = |error: object_store::Error| match &self.credentials {
            BucketCredentials::Anonymous | BucketCredentials::Ambient => invalid("spec", error.to_string()),
            _ => invalid("spec.secretRef", "the credentials cannot be used".into()),
        };
        let url = url.as_str().trim_end_matches('/');
        match self.provider {
            BucketProvider::Generic | BucketProvider::Aws => {
                let store = self.s3(url).with_http_connector(connector).with_retry(patience()).build();
                Ok(Box::new(Cloud(store.map_err(refused)?)))
            }
            BucketProvider::Gcp => {
                let store = self.gcs(url).with_http_connector(connector).with_retry(patience()).build();
                Ok(Box::new(Cloud(store.map_err(refused)?)))
            }
            BucketProvider::Azure => {
                let store = self.azure(url)?.with_http_connector(connector).with_retry(patience()).build();
                Ok(Box::new(Cloud(store.map_err(refused)?)))
            }
        }
    }

    fn s3(&self, url: &str) -> AmazonS3Builder {
        let mut builder =
            AmazonS3Builder::new().with_bucket_name(&self.bucket).with_client_options(options()).with_allow_http(true);
        match &self.region {
            // The one name of Amazon S3 for all regions answers for one of them only.
            Some(region) if url == "https://s3.amazonaws.com" => builder = builder.with_region(region),
            Some(region) => builder = builder.with_endpoint(url).with_region(region),
            None => builder = builder.with_endpoint(url),
        }
        match &self.credentials {
            BucketCredentials::AccessKey { access_key, secret_key } => {
                builder.with_access_key_id(access_key).with_secret_access_key(secret_key)
            }
            BucketCredentials::Ambient => identity(AWS_IDENTITY).fold(builder, |builder, (key, value)| {
                match key.to_lowercase().parse::<AmazonS3ConfigKey>() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                }
            }),
            _ => builder.with_skip_signature(true),
        }
    }

    fn gcs(&self, url: &str) -> GoogleCloudStorageBuilder {
        let builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&self.bucket)
            .with_client_options(options())
            .with_base_url(url);
        match &self.credentials {
            BucketCredentials::ServiceAccount { key } => builder.with_service_account_key(key),
            BucketCredentials::Ambient => builder,
            _ => {
                // Without credentials the library looks for some on the machine.
                let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
                builder.with_credentials(Arc::new(nobody)).with_skip_signature(true)
            }
        }
    }

    fn azure(&self, url: &str) -> Result<MicrosoftAzureBuilder, SourceError> {
        let builder = MicrosoftAzureBuilder::new()
            .with_account(account(url))
            .with_container_name(&self.bucket)
            .with_client_options(options())
            .with_allow_http(true)
            .with_endpoint(url.to_owned());
        Ok(match &self.credentials {
            BucketCredentials::AccountKey { key } => builder.with_access_key(key),
            BucketCredentials::SasKey { key } => builder.with_config(AzureConfigKey::SasKey, key),
            BucketCredentials::ClientSecret { tenant, client, secret, authority } => {
                let builder = builder.with_client_secret_authorization(client, secret, tenant);
                match authority {
                    Some(authority) if self.insecure || authority.starts_with("https://") => {
                        builder.with_authority_host(authority)
                    }
                    Some(_) => return Err(invalid("authorityHost", "should start with `https://`".into())),
                    None => builder,
                }
            }
            BucketCredentials::ManagedIdentity { client } => {
                builder.with_client_id(client).with_credential_type("managed_identity")
            }
            BucketCredentials::Ambient => identity(AZURE_IDENTITY).fold(builder, |builder, (key, value)| {
                match key.to_lowercase().parse::<AzureConfigKey>() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                }
            }),
            _ => builder.with_skip_signature(true),
        })
    }
}

/// What a workload on Amazon is told about its identity.
const AWS_IDENTITY: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// What a workload on Azure is told about its identity.
const AZURE_IDENTITY: &[&str] = &[
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
];

fn identity(names: &'static [&'static str]) -> impl Iterator<Item = (&'static str, String)> {
    names.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)))
}

/// The storage account: the last part of the path if there is one, as emulators have it, else the first of the host.
fn account(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.rsplit_once('/') {
        Some((_, account)) => account,
        None => rest.split(['.', ':']).next().unwrap_or_default(),
    }
}

fn options() -> ClientOptions {
    ClientOptions::new()
}

fn patience() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, ..RetryConfig::default() }
}

fn invalid(field: &str, problem: String) -> SourceError {
    SourceError::Invalid { field: field.into(), problem }
}

/// Gives the library this crate's client for whatever it does.
#[derive(Debug, Clone)]
struct Connector(Bounded);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Sends requests and lets no answer be larger than it may be.
#[derive(Debug, Clone)]
struct Bounded {
    client: Client,
    object_bytes: usize,
}

#[async_trait]
impl HttpService for Bounded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let listing = query.split('&').any(|part| part == "list-type=2" || part == "comp=list");
        let (mut parts, body) = HttpService::call(&self.client, request).await?.into_parts();
        if listing && parts.status.is_client_error() {
            // The library does not tell which status it was.
            let text = Limited::new(body, ERROR_BYTES).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            return Err(HttpError::new(HttpErrorKind::Unknown, Answered { status: parts.status, text }));
        }
        if !(listing && parts.status.is_success()) {
            let body = Limited::new(body, self.object_bytes.max(PAGE_BYTES)).map_err(too_large);
            return Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)));
        }
        let page = Limited::new(body, PAGE_BYTES).collect().await.map_err(too_large)?.to_bytes();
        parts.extensions.insert(Odd::find(&String::from_utf8_lossy(&page)));
        let body = Full::new(page).map_err(|never| match never {});
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

fn too_large(error: Box<dyn std::error::Error + Send + Sync>) -> HttpError {
    match error.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(error) => HttpError::new(HttpErrorKind::Decode, Refused(error.to_string())),
    }
}

/// An answer to the request for a listing that is none.
#[derive(Debug, thiserror::Error)]
#[error("HTTP status {status}: {text}")]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    text: String,
}

/// An answer that is not read on.
#[derive(Debug, thiserror::Error)]
#[error("the answer is refused: {0}")]
struct Refused(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_in_urls() {
        assert_eq!(account("https://acme.blob.core.windows.net"), "acme");
        assert_eq!(account("http://127.0.0.1:10000/devstoreaccount1"), "devstoreaccount1");
    }

    #[test]
    fn plain_http_has_to_be_asked_for() {
        let url = |endpoint: &str, insecure| {
            let place = Place {
                provider: BucketProvider::Generic,
                endpoint: endpoint.into(),
                bucket: "b".into(),
                region: None,
                insecure,
                credentials: BucketCredentials::Anonymous,
                settings: Settings::default(),
                object_bytes: 1,
            };
            place.url().map(String::from).map_err(|error| error.to_string())
        };
        assert_eq!(url("minio:9000", false).unwrap(), "https://minio:9000/");
        assert_eq!(url("minio:9000", true).unwrap(), "http://minio:9000/");
        assert_eq!(url("http://minio:9000", true).unwrap(), "http://minio:9000/");
        for endpoint in ["http://minio:9000", "ftp://minio", "https://a:b@minio", "minio?sig=1", ""] {
            assert!(url(endpoint, false).unwrap_err().starts_with("spec.endpoint: "), "{endpoint}");
        }
    }
}
