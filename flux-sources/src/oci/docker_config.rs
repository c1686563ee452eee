//! Credentials from a Docker configuration: a secret of type `kubernetes.io/dockerconfigjson`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::source::SourceError;
use serde::Deserialize;

use crate::http::Credentials;

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
    fn what_is_broken_is_refused_and_not_shown() {
        for config in ["", r#"{"auths":[]}"#, r#"{"auths":{"a.io":{"auth":"hunter2!"}}}"#] {
            let error = Credentials::from_docker_config(config, "oci://a.io/b").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
