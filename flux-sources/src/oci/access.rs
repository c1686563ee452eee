//! How a repository of a registry is reached, and who we are to it.

use std::str::FromStr as _;

use flux_core::source::SourceError;
use oci_client::Reference;
use reqwest::Url;

use super::registry::Registry;
use crate::http::{Credentials, Http, Settings};

/// The field that errors about the URL name.
pub(super) const URL: &str = "spec.url";

#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) credentials: Credentials,
    pub(super) insecure: bool,
    pub(super) settings: Settings,
}

/// What comes after `oci://`.
pub(super) fn name(url: &str) -> Result<&str, SourceError> {
    let problem = "does not start with `oci://`";
    url.strip_prefix("oci://").ok_or_else(|| SourceError::Invalid { field: URL.into(), problem: problem.into() })
}

impl Access {
    /// The repository in `oci://host/path:tag`, and what else the URL says.
    pub(super) fn open(self, url: &str) -> Result<(Registry, Reference), SourceError> {
        let invalid = |problem: String| SourceError::Invalid { field: URL.into(), problem };
        let reference = Reference::from_str(name(url)?).map_err(|error| invalid(error.to_string()))?;
        let scheme = if self.insecure { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}/", reference.resolve_registry(), reference.repository());
        let base = Url::parse(&base).map_err(|error| invalid(error.to_string()))?;
        Ok((Registry::new(Http::new(self.settings), base, url.to_owned(), self.credentials), reference))
    }
}
