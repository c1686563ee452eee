//! `fluxrs source bucket`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flux_sources::Secret;
use flux_sources::bucket::{BucketCredentials, BucketProvider, BucketSource};

use super::access::Transport;
use super::{Common, read_text};
use crate::Failure;

/// Where the secret half of an access key is looked for when no file is named.
const SECRET_KEY: &str = "FLUXRS_SECRET_KEY";

#[derive(Args)]
pub(crate) struct Bucket {
    /// Which service it is on
    #[arg(long, value_enum, default_value = "generic")]
    provider: Provider,
    /// The server: a host, with a port if need be, or its URL
    #[arg(long)]
    endpoint: String,
    /// The name of the bucket, or of the container
    #[arg(long)]
    bucket_name: String,
    /// The region of the bucket
    #[arg(long)]
    region: Option<String>,
    /// Take only objects whose keys start with this
    #[arg(long, default_value = "")]
    prefix: String,
    /// Speak plain HTTP
    #[arg(long)]
    insecure: bool,
    /// An access key of S3; its secret half is read from --secret-key-file or from the variable FLUXRS_SECRET_KEY
    #[arg(long, conflicts_with = "secret_file")]
    access_key: Option<String>,
    /// A file with the secret half
    #[arg(long, requires = "access_key", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
    /// A credential as the Secret of a Bucket has it: its key and a file with its value, such as accountKey=FILE
    #[arg(long, value_name = "KEY=FILE")]
    secret_file: Vec<String>,
    /// Be who the machine is, as clouds say it
    #[arg(long, conflicts_with_all = ["access_key", "secret_file"])]
    ambient: bool,
    #[command(flatten)]
    transport: Transport,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Provider {
    Generic,
    Aws,
    Gcp,
    Azure,
}

impl Bucket {
    pub(super) fn source(&self) -> Result<BucketSource, Failure> {
        let provider = match self.provider {
            Provider::Generic => BucketProvider::Generic,
            Provider::Aws => BucketProvider::Aws,
            Provider::Gcp => BucketProvider::Gcp,
            Provider::Azure => BucketProvider::Azure,
        };
        let mut builder = BucketSource::builder(provider, &self.endpoint, &self.bucket_name)
            .prefix(&self.prefix)
            .insecure(self.insecure)
            .credentials(self.credentials(provider)?)
            .tls(self.transport.tls()?);
        if let Some(region) = &self.region {
            builder = builder.region(region);
        }
        if let Some(ignore) = self.common.ignore() {
            builder = builder.ignore(ignore);
        }
        if let Some(proxy) = self.transport.proxy()? {
            builder = builder.proxy(proxy);
        }
        Ok(builder.build()?)
    }

    fn credentials(&self, provider: BucketProvider) -> Result<BucketCredentials, Failure> {
        let mut data = Vec::new();
        if let Some(access_key) = &self.access_key {
            let secret_key = match &self.secret_key_file {
                Some(path) => read_text("secret-key-file", path)?,
                None => std::env::var(SECRET_KEY)
                    .map_err(|_| format!("--access-key needs --secret-key-file, or the variable {SECRET_KEY}"))?,
            };
            data.extend([("accesskey".to_owned(), access_key.clone()), ("secretkey".to_owned(), secret_key)]);
        }
        for pair in &self.secret_file {
            let (key, path) =
                pair.split_once('=').ok_or_else(|| format!("--secret-file {pair}: should be KEY=FILE"))?;
            data.push((key.to_owned(), read_text("secret-file", path.as_ref())?));
        }
        Ok(match (data.is_empty(), self.ambient) {
            (false, _) => BucketCredentials::from_secret(provider, &Secret::new("of the command line", data))?,
            (true, true) => BucketCredentials::Ambient,
            // Nobody asks the machine's identity to be shown by saying nothing.
            (true, false) => BucketCredentials::Anonymous,
        })
    }
}
