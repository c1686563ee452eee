//! Credentials from a Docker configuration: a secret of type `kubernetes.io/dockerconfigjson`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::source::SourceError;
use serde::Deserialize;

use crate::http::Credentials;
use crate::secret::Secret;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    username: String,
    password: String,
    auth: String,
    registrytoken: String,
}

/// The names under which Docker Hub is known.
const DOCKER_HUB: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Where a Secret of type `kubernetes.io/dockerconfigjson` has its configuration.
const CONFIG: &str = ".dockerconfigjson";

impl Credentials {
    /// The credentials for an artifact, such as `oci://ghcr.io/org/app`, from a Docker configuration; the entry with the
    /// longest path that fits decides, and none is anonymous.
    ///
    /// # Errors
    /// A text that is no such configuration; what is in it is not shown.
    pub fn from_docker_config(config: &str, url: &str) -> Result<Self, SourceError> {
        let invalid = |problem: &str| SourceError::Invalid { field: "spec.secretRef".into(), problem: problem.into() };
        let config: Config = serde_json::from_str(config).map_err(|_| invalid("is not a Docker configuration"))?;
        let wanted = canonical(url);
        let fits = |key: &str| wanted.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let entries = config.auths.into_iter().map(|(key, entry)| (canonical(&key), entry));
        let Some((_, entry)) = entries.filter(|(key, _)| fits(key)).max_by_key(|(key, _)| key.len()) else {
            return Ok(Self::Anonymous);
        };
        if !entry.registrytoken.is_empty() {
            return Ok(Self::bearer(entry.registrytoken));
        }
        if !entry.username.is_empty() {
            return Ok(Self::basic(entry.username, entry.password));
        }
        if entry.auth.is_empty() {
            return Ok(Self::Anonymous);
        }
        let decoded = STANDARD.decode(entry.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| invalid("holds an `auth` that is not base64"))?;
        let (username, password) = decoded.split_once(':').ok_or_else(|| invalid("holds an `auth` without a colon"))?;
        Ok(Self::basic(username, password))
    }

    /// What the Secret of a registry holds, for an artifact at this URL: a Docker configuration in `.dockerconfigjson`, as
    /// an `OCIRepository` wants it, or else a user and a password, as a `HelmRepository` of type `oci` may have it.
    ///
    /// # Errors
    /// As [`from_docker_config`](Self::from_docker_config) and [`from_secret`](Self::from_secret), or a Secret that holds
    /// neither.
    ///
    /// ```
    /// use flux_sources::{Credentials, Secret};
    /// let config = r#"{"auths": {"ghcr.io": {"username": "ada", "password": "hunter2"}}}"#;
    /// let secret = Secret::new("apps/ghcr", [(".dockerconfigjson", config)]);
    /// let credentials = Credentials::from_registry_secret(&secret, "oci://ghcr.io/org/app")?;
    /// assert_eq!(credentials, Credentials::basic("ada", "hunter2"));
    /// # Ok::<(), flux_core::SourceError>(())
    /// ```
    pub fn from_registry_secret(secret: &Secret, url: &str) -> Result<Self, SourceError> {
        if let Some(config) = secret.text(CONFIG)? {
            return Self::from_docker_config(config, url)
                .map_err(|_| secret.invalid(CONFIG, "is not a Docker configuration"));
        }
        match Self::from_secret(secret)? {
            Self::Anonymous => Err(secret.invalid(CONFIG, "is missing")),
            found => Ok(found),
        }
    }
}

/// Host and path without a scheme, Docker Hub under one name and the API version at the end dropped.
fn canonical(url: &str) -> String {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let url = url.strip_suffix("/v1").or_else(|| url.strip_suffix("/v2")).unwrap_or(url);
    let (host, path) = url.split_once('/').map_or((url, None), |(host, path)| (host, Some(path)));
    let host = if DOCKER_HUB.contains(&host) { "docker.io" } else { host };
    path.map_or_else(|| host.to_owned(), |path| format!("{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_fits_best_is_used() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnA6dw=="},
            "ghcr.io": {"username": "all", "password": "1"},
            "ghcr.io/org": {"username": "org", "password": "2"},
            "quay.io": {"registrytoken": "t"}
        }}"#;
        for (url, credentials) in [
            ("oci://docker.io/library/x", Credentials::basic("hub", "p:w")),
            ("oci://ghcr.io/other/app", Credentials::basic("all", "1")),
            ("oci://ghcr.io/org/app", Credentials::basic("org", "2")),
            ("oci://ghcr.io/organisation/app", Credentials::basic("all", "1")),
            ("oci://quay.io/a/b", Credentials::bearer("t")),
            ("oci://example.com/ghcr.io", Credentials::Anonymous),
            ("oci://ghcr.io.example.com/a", Credentials::Anonymous),
        ] {
            assert_eq!(Credentials::from_docker_config(config, url).unwrap(), credentials, "{url}");
        }
    }

    #[test]
    fn secrets_hold_a_configuration_or_a_user() {
        let read = |data: &[(&str, &str)]| {
            Credentials::from_registry_secret(&Secret::new("ns/s", data.iter().copied()), "oci://a.io/b")
        };
        let config = r#"{"auths": {"a.io": {"username": "ada", "password": "hunter2"}}}"#;
        assert_eq!(read(&[(CONFIG, config)]).unwrap(), Credentials::basic("ada", "hunter2"));
        assert_eq!(read(&[("username", "ada"), ("password", "x")]).unwrap(), Credentials::basic("ada", "x"));
        for data in [&[][..], &[(CONFIG, "hunter2")], &[("password", "hunter2")]] {
            let error = read(data).unwrap_err().to_string();
            assert!(error.starts_with("Secret `ns/s`: data.") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_broken_is_refused_and_not_shown() {
        for config in ["", r#"{"auths":[]}"#, r#"{"auths":{"a.io":{"auth":"hunter2!"}}}"#] {
            let error = Credentials::from_docker_config(config, "oci://a.io/b").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
