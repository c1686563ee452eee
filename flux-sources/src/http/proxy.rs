//! The proxy between a source and its server.

use std::fmt;

use flux_core::source::SourceError;
use reqwest::Url;

use super::credentials::Credentials;
use crate::secret::Secret;

/// The longest address that Flux reads.
const ADDRESS_BYTES: usize = 2048;

/// A proxy that everything goes through. The environment (`https_proxy` and the like) is never read.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    credentials: Credentials,
}

impl Proxy {
    /// The proxy at `http://`, `https://` or `socks5://host:port`; a user in the URL is who we are to it.
    ///
    /// # Errors
    /// A URL that is none, is too long, or has another scheme.
    pub fn new(address: &str) -> Result<Self, SourceError> {
        let invalid = |problem: &str| SourceError::Invalid { field: "address".into(), problem: problem.into() };
        if address.len() > ADDRESS_BYTES {
            return Err(invalid("is longer than 2,048 bytes"));
        }
        let mut url = Url::parse(address).map_err(|_| invalid("is not the URL of a proxy"))?;
        if !matches!(url.scheme(), "http" | "https" | "socks5") || url.host().is_none() {
            return Err(invalid("should be `http://`, `https://` or `socks5://` and a host"));
        }
        let credentials = Credentials::Anonymous.or_from(&mut url);
        Ok(Self { url, credentials })
    }

    /// Who we are to the proxy.
    #[must_use]
    pub fn with_basic_auth(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Credentials::basic(username, password);
        self
    }

    /// What the Secret of a `proxySecretRef` holds: `address`, and `username` and `password` if the proxy wants them.
    ///
    /// # Errors
    /// As [`new`](Self::new), or no address.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let address = secret.text("address")?.ok_or_else(|| secret.invalid("address", "is missing"))?;
        let proxy = Self::new(address).map_err(|error| match error {
            SourceError::Invalid { problem, .. } => secret.invalid("address", problem),
            other => other,
        })?;
        Ok(match secret.text("username")? {
            Some(username) => proxy.with_basic_auth(username, secret.text("password")?.unwrap_or_default()),
            None => proxy,
        })
    }

    pub(super) fn for_client(&self) -> Result<reqwest::Proxy, String> {
        let proxy =
            reqwest::Proxy::all(self.url.clone()).map_err(|error| format!("the proxy cannot be used: {error}"))?;
        Ok(match &self.credentials {
            Credentials::Basic { username, password } => proxy.basic_auth(username, password),
            _ => proxy,
        })
    }
}

/// Shows the address and never the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_from_secrets_and_their_passwords_are_not_shown() {
        let read = |data: &[(&str, &str)]| Proxy::from_secret(&Secret::new("ns/s", data.iter().copied()));
        let proxy = read(&[("address", "http://proxy:3128"), ("username", "a"), ("password", "hunter2")]).unwrap();
        assert_eq!(proxy.credentials, Credentials::basic("a", "hunter2"));
        assert_eq!(proxy, Proxy::new("http://a:hunter2@proxy:3128").unwrap());
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy:3128/)");
        assert!(read(&[("address", "socks5://proxy:1080")]).is_ok());
        for (address, problem) in [("", "is missing"), ("ftp://x", "should be"), ("proxy:3128", "should be")] {
            let error = read(&[("address", address)]).unwrap_err().to_string();
            assert!(error.starts_with("Secret `ns/s`: data.address: ") && error.contains(problem), "{error}");
        }
        assert!(read(&[("address", &format!("http://{}", "x".repeat(2048)))]).is_err());
    }
}
