//! Requests: paths, queries, bodies, and whom they are made for.

use flux_core::cluster::{ClusterError, DeleteOptions, Identity, Patch, Propagation, Resource, WriteOptions};
use flux_core::{Gvk, Object};
use http::{Method, header};
use serde_json::{Value, json};

use super::error::invalid;

/// The path of an API group at a version.
pub(super) fn group_version(gvk: &Gvk) -> String {
    match gvk.group.as_str() {
        "" => format!("/api/{}", escape(&gvk.version)),
        group => format!("/apis/{}/{}", escape(group), escape(&gvk.version)),
    }
}

/// The path of a kind, in a namespace if it lives in one.
pub(super) fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let group_version = group_version(&resource.gvk);
    match namespace.filter(|namespace| resource.namespaced && !namespace.is_empty()) {
        Some(namespace) => format!("{group_version}/namespaces/{}/{}", escape(namespace), resource.plural),
        None => format!("{group_version}/{}", resource.plural),
    }
}

/// A part of a path or query in which only what RFC 3986 calls unreserved stays as it is.
pub(super) fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
        escaped
    })
}

/// What a request carries.
pub(super) enum Body<'a> {
    None,
    Object(&'a Object),
    Apply(&'a Object),
    Patch(&'a Patch),
    Delete(&'a DeleteOptions),
}

/// A request in the making.
pub(super) struct Request {
    method: Method,
    path: String,
    subresource: Option<String>,
    query: Vec<(&'static str, String)>,
    content_type: &'static str,
    body: Result<Vec<u8>, serde_json::Error>,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path, Body::None)
    }

    pub(super) fn post(path: String, body: Body<'_>) -> Self {
        Self::new(Method::POST, path, body)
    }

    pub(super) fn put(path: String, body: Body<'_>) -> Self {
        Self::new(Method::PUT, path, body)
    }

    pub(super) fn patch(path: String, body: Body<'_>) -> Self {
        Self::new(Method::PATCH, path, body)
    }

    pub(super) fn delete(path: String, body: Body<'_>) -> Self {
        Self::new(Method::DELETE, path, body)
    }

    fn new(method: Method, path: String, body: Body<'_>) -> Self {
        let (content_type, body) = match body {
            Body::None => ("application/json", Ok(Vec::new())),
            Body::Object(object) => ("application/json", serde_json::to_vec(object)),
            Body::Apply(object) => ("application/apply-patch+yaml", serde_json::to_vec(object)),
            Body::Patch(Patch::Json(patch)) => ("application/json-patch+json", serde_json::to_vec(patch)),
            Body::Patch(Patch::Merge(patch)) => ("application/merge-patch+json", serde_json::to_vec(patch)),
            Body::Patch(Patch::Strategic(patch)) => {
                ("application/strategic-merge-patch+json", serde_json::to_vec(patch))
            }
            Body::Delete(options) => ("application/json", serde_json::to_vec(&delete_options(options))),
        };
        Self { method, path, subresource: None, query: Vec::new(), content_type, body }
    }

    pub(super) fn query(mut self, key: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.query.push((key, escape(value)));
        }
        self
    }

    pub(super) fn writing(mut self, options: &WriteOptions) -> Self {
        self.subresource.clone_from(&options.subresource);
        let manager = Some(options.field_manager.as_str()).filter(|manager| !manager.is_empty());
        self.query("fieldManager", manager).query("dryRun", options.dry_run.then_some("All"))
    }

    pub(super) fn build(self, identity: Option<&Identity>) -> Result<http::Request<Vec<u8>>, ClusterError> {
        let mut uri = self.path;
        if let Some(subresource) = self.subresource {
            uri.push('/');
            uri.push_str(&escape(&subresource));
        }
        for (i, (key, value)) in self.query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(&format!("{key}={value}"));
        }
        let mut builder = http::Request::builder()
            .method(self.method)
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, self.content_type);
        if let Some(identity) = identity {
            builder = builder.header("Impersonate-User", &identity.user);
            for group in &identity.groups {
                builder = builder.header("Impersonate-Group", group);
            }
        }
        let body = self.body.map_err(|error| invalid(error.to_string()))?;
        builder.body(body).map_err(|error| invalid(error.to_string()))
    }
}

fn delete_options(options: &DeleteOptions) -> Value {
    let policy = match options.propagation {
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
        Propagation::Orphan => "Orphan",
    };
    let mut value = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
    let preconditions =
        [("uid", &options.preconditions.uid), ("resourceVersion", &options.preconditions.resource_version)];
    for (key, wanted) in preconditions {
        if let Some(wanted) = wanted {
            value["preconditions"][key] = json!(wanted);
        }
    }
    if options.dry_run {
        value["dryRun"] = json!(["All"]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_change_the_path() {
        assert_eq!(escape("system:node/../x?y#z"), "system%3Anode%2F..%2Fx%3Fy%23z");
        let resource =
            Resource { gvk: Gvk::new("apps", "v1", "Deployment"), plural: "deployments".into(), namespaced: true };
        assert_eq!(collection(&resource, Some("a b")), "/apis/apps/v1/namespaces/a%20b/deployments");
        assert_eq!(collection(&resource, None), "/apis/apps/v1/deployments");
    }

    #[test]
    fn an_identity_goes_with_every_request() {
        let identity = Identity::service_account("apps", "deployer");
        let request = Request::get("/api/v1".into()).build(Some(&identity)).unwrap();
        assert_eq!(request.headers()["Impersonate-User"], "system:serviceaccount:apps:deployer");
    }
}
