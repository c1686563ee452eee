//! How requests are put together.

use flux_core::cluster::{ClusterError, Identity, Resource, WriteOptions};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use kube::client::Body;

/// What a request is about: a kind, perhaps in a namespace, perhaps one object, perhaps a part of it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    path: String,
}

impl Target {
    /// All objects of a kind in a namespace, or everywhere.
    pub(super) fn new(resource: Resource, namespace: &str) -> Result<Self, ClusterError> {
        let root = if resource.gvk.group.is_empty() { "/api" } else { "/apis" };
        let mut path = format!("{root}/{}", resource.gvk.api_version());
        if resource.namespaced && !namespace.is_empty() {
            path = format!("{path}/namespaces/{}", segment(namespace)?);
        }
        Ok(Self { path: format!("{path}/{}", segment(&resource.plural)?) })
    }

    /// One object of them.
    pub(super) fn named(self, name: &str) -> Result<Self, ClusterError> {
        Ok(Self { path: format!("{}/{}", self.path, segment(name)?) })
    }

    pub(super) fn subresource(self, name: &str) -> Result<Self, ClusterError> {
        Ok(Self { path: format!("{}/{}", self.path, segment(name)?) })
    }

    pub(super) fn path(&self) -> String {
        self.path.clone()
    }
}

/// A name as one segment of a path. What would lead elsewhere is refused.
fn segment(name: &str) -> Result<String, ClusterError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        return Err(ClusterError::Invalid(format!("{name:?} cannot be a name in a path")));
    }
    Ok(encode(name))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    uri: String,
    content: Option<(&'static str, Vec<u8>)>,
}

impl Call {
    pub(super) fn new(method: Method, path: String) -> Self {
        Self { method, uri: path, content: None }
    }

    pub(super) fn query(mut self, key: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let separator = if self.uri.contains('?') { '&' } else { '?' };
            self.uri = format!("{}{separator}{key}={}", self.uri, encode(value));
        }
        self
    }

    pub(super) fn write(self, options: &WriteOptions) -> Self {
        let manager = Some(options.field_manager.as_str()).filter(|manager| !manager.is_empty());
        self.query("fieldManager", manager).query("dryRun", options.dry_run.then_some("All"))
    }

    pub(super) fn body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.content = Some((content_type, body));
        self
    }

    /// The request, made as somebody else where an identity is given.
    pub(super) fn build(self, identity: Option<&Identity>) -> Result<Request<Body>, ClusterError> {
        let mut request = Request::builder().method(self.method).uri(self.uri).header(ACCEPT, "application/json");
        if let Some(identity) = identity {
            check_identity(identity)?;
            request = request.header("Impersonate-User", identity.user.as_str());
            for group in &identity.groups {
                request = request.header("Impersonate-Group", group.as_str());
            }
        }
        let body = match self.content {
            Some((content_type, body)) => {
                request = request.header(CONTENT_TYPE, content_type);
                Body::from(body)
            }
            None => Body::empty(),
        };
        request.body(body).map_err(|error| ClusterError::Invalid(error.to_string()))
    }
}

/// Whether an identity names somebody. One that does not must never fall back to the rights of the client itself.
pub(super) fn check_identity(identity: &Identity) -> Result<(), ClusterError> {
    if identity.user.trim().is_empty() {
        return Err(ClusterError::Invalid("an identity needs a user name".into()));
    }
    let names = std::iter::once(&identity.user).chain(&identity.groups);
    for name in names {
        if name.trim().is_empty() || HeaderValue::from_str(name).is_err() {
            return Err(ClusterError::Invalid(format!("{name:?} cannot be a user or group name")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h34_an_identity_that_names_nobody_is_refused() {
        let identity = |user: &str, groups: &[&str]| Identity {
            user: user.into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        for bad in [identity("", &[]), identity(" ", &[]), identity("a", &[""]), identity("a\r\nX: y", &[])] {
            assert!(check_identity(&bad).is_err(), "{bad:?}");
            assert!(Call::new(Method::GET, "/".into()).build(Some(&bad)).is_err());
        }
        let request = Call::new(Method::GET, "/".into()).build(Some(&identity("jane", &["ops", "dev"]))).unwrap();
        assert_eq!(request.headers()["impersonate-user"], "jane");
        assert_eq!(request.headers().get_all("impersonate-group").iter().count(), 2);
    }

    #[test]
    fn names_stay_in_their_place_in_the_path() {
        for name in ["", ".", "..", "a/b", "%2e%2e"] {
            assert!(segment(name).is_err(), "{name}");
        }
        assert_eq!(segment("system:node").unwrap(), "system:node");
        assert_eq!(encode("a=b,c in (d)?&"), "a%3Db%2Cc%20in%20%28d%29%3F%26");
    }
}
