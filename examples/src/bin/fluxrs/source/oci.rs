//! `fluxrs source oci`.

use std::path::PathBuf;

use clap::Args;
use flux_sources::oci::{CosignKeys, LayerOperation, LayerSelector, OciReference, OciSource};

use super::registry::Registry;
use super::{Common, read};
use crate::Failure;

#[derive(Args)]
pub(crate) struct Oci {
    /// oci://host/path, without a tag
    #[arg(long)]
    url: String,
    #[command(flatten)]
    reference: Wanted,
    /// A regular expression that tags must match to be looked at
    #[arg(long, requires = "semver", value_name = "REGEX")]
    semver_filter: Option<String>,
    /// Take the first layer of this media type; the first of all if nothing is said
    #[arg(long, value_name = "MEDIA TYPE")]
    layer_media_type: Option<String>,
    /// Keep the layer as it is, and do not unpack it
    #[arg(long)]
    copy: bool,
    /// A public key of Cosign; what none of these keys has signed is refused
    #[arg(long, value_name = "FILE")]
    verify_key_file: Vec<PathBuf>,
    #[command(flatten)]
    registry: Registry,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to pull; the tag `latest` when nothing is said.
#[derive(Args)]
#[group(multiple = false)]
struct Wanted {
    /// A tag
    #[arg(long)]
    tag: Option<String>,
    /// The newest tag in a range of versions
    #[arg(long)]
    semver: Option<String>,
    /// A manifest by its digest
    #[arg(long)]
    digest: Option<String>,
}

impl Oci {
    pub(super) fn source(&self) -> Result<OciSource, Failure> {
        let operation = if self.copy { LayerOperation::Copy } else { LayerOperation::Extract };
        let mut builder = OciSource::builder(&self.url)
            .reference(self.reference())
            .layer(LayerSelector { media_type: self.layer_media_type.clone(), operation })
            .credentials(self.registry.credentials(&self.url)?)
            .tls(self.registry.tls()?)
            .insecure(self.registry.insecure);
        if !self.verify_key_file.is_empty() {
            builder = builder.verify(self.keys()?);
        }
        if let Some(ignore) = self.common.ignore() {
            builder = builder.ignore(ignore);
        }
        if let Some(proxy) = self.registry.proxy()? {
            builder = builder.proxy(proxy);
        }
        Ok(builder.build()?)
    }

    fn keys(&self) -> Result<CosignKeys, Failure> {
        let mut keys = CosignKeys::default();
        for path in &self.verify_key_file {
            let name = path.display().to_string();
            keys = keys.with_key(name, &read("verify-key-file", path)?)?;
        }
        Ok(keys)
    }

    fn reference(&self) -> OciReference {
        match &self.reference {
            Wanted { tag: Some(tag), .. } => OciReference::tag(tag),
            Wanted { semver: Some(range), .. } => {
                OciReference::Semver { range: range.clone(), filter: self.semver_filter.clone() }
            }
            Wanted { digest: Some(digest), .. } => OciReference::digest(digest),
            _ => OciReference::default(),
        }
    }
}
