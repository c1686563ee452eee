//! The Kubernetes Secrets that Flux's sources read, without the cluster they are in.

use std::collections::BTreeMap;
use std::fmt;

use flux_core::source::SourceError;

/// The data of a Secret, decoded from base64. It is never shown.
///
/// ```
/// use flux_sources::{Credentials, Secret};
/// let secret = Secret::new("apps/git", [("username", "ada"), ("password", "hunter2")]);
/// assert_eq!(Credentials::from_secret(&secret)?, Credentials::basic("ada", "hunter2"));
/// assert_eq!(format!("{secret:?}"), r#"Secret("apps/git", ["password", "username"])"#);
/// # Ok::<(), flux_core::SourceError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    name: String,
    data: BTreeMap<String, Vec<u8>>,
}

impl Secret {
    /// A Secret by its name, which errors use, and its data.
    pub fn new<K: Into<String>, V: Into<Vec<u8>>>(
        name: impl Into<String>,
        data: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let data = data.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { name: name.into(), data }
    }

    /// The value of a key, if it is there and not empty.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    /// The value of the first of these keys that is there: the name of today, then the names of old.
    pub(crate) fn first(&self, keys: &[&'static str]) -> Option<(&'static str, &[u8])> {
        keys.iter().find_map(|key| Some((*key, self.get(key)?)))
    }

    /// The value of a key as text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, SourceError> {
        let text = |value| std::str::from_utf8(value).map_err(|_| self.invalid(key, "is not UTF-8"));
        self.get(key).map(text).transpose()
    }

    /// The names of the keys.
    #[cfg(any(feature = "oci", feature = "provenance", feature = "verify"))]
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.data.keys().map(String::as_str)
    }

    /// An error about a key. The problem must not hold the value.
    pub(crate) fn invalid(&self, key: &str, problem: impl Into<String>) -> SourceError {
        SourceError::Invalid { field: format!("Secret `{}`: data.{key}", self.name), problem: problem.into() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.name).field(&self.data.keys().collect::<Vec<_>>()).finish()
    }
}
