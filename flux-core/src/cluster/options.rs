//! How requests are made.

use serde_json::Value;

use crate::Gvk;

/// Which objects to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only this namespace; every namespace when none.
    pub namespace: Option<String>,
    /// A label selector in Kubernetes' syntax.
    pub label_selector: Option<String>,
    /// A field selector in Kubernetes' syntax.
    pub field_selector: Option<String>,
    /// At most so many; the rest by the continue token.
    pub limit: Option<u32>,
    /// Where to go on.
    pub continue_token: Option<String>,
}

/// Which changes to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// Only this namespace; every namespace when none.
    pub namespace: Option<String>,
    /// A label selector in Kubernetes' syntax.
    pub label_selector: Option<String>,
    /// A field selector in Kubernetes' syntax.
    pub field_selector: Option<String>,
    /// Changes after this resource version; when none, all objects come first as [`Added`](super::WatchEvent::Added).
    pub resource_version: Option<String>,
}

/// How to server-side apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Who owns the applied fields.
    pub field_manager: String,
    /// Take fields over from other managers.
    pub force: bool,
    /// Say what would happen and do nothing.
    pub dry_run: bool,
}

/// How to create, update and patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Who owns the written fields.
    pub field_manager: String,
    /// Say what would happen and do nothing.
    pub dry_run: bool,
    /// Write this subresource, such as `status`, instead of the object.
    pub subresource: Option<String>,
}

impl WriteOptions {
    /// The kind of object that a request is about which creates one of this kind: where that is made through the subresource
    /// of another, such as a `TokenRequest` for a service account, it is the other.
    pub fn created_on(&self, gvk: &Gvk) -> Gvk {
        let parent = match (self.subresource.as_deref(), gvk.kind.as_str()) {
            (Some("token"), "TokenRequest") => "ServiceAccount",
            (Some("eviction"), "Eviction") | (Some("binding"), "Binding") => "Pod",
            _ => return gvk.clone(),
        };
        Gvk::new("", "v1", parent)
    }
}

/// A partial change.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// JSON patch (RFC 6902).
    Json(Value),
    /// JSON merge patch (RFC 7386).
    Merge(Value),
    /// Kubernetes' strategic merge patch.
    Strategic(Value),
}

/// What happens to the objects that an object owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

/// What must still be so for a request to be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must be at this resource version.
    pub resource_version: Option<String>,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What happens to the objects that it owns.
    pub propagation: Propagation,
    /// What must still be so.
    pub preconditions: Preconditions,
    /// Say what would happen and do nothing.
    pub dry_run: bool,
}

/// Somebody to act as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User name; must not be empty.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl Identity {
    /// A service account, as Flux impersonates it: by user name alone.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self { user: format!("system:serviceaccount:{namespace}:{name}"), groups: Vec::new() }
    }
}
