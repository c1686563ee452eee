//! A Kubernetes API server as the appliers see it.

#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod options;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::context::Context;
use crate::object::{Gvk, Object, ObjectRef};

pub use error::{ClusterError, Status, StatusCause};
pub use options::{
    ApplyOptions, DeleteOptions, Identity, ListOptions, Patch, Preconditions, Propagation, WatchOptions, WriteOptions,
};

/// What a server knows about a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The kind.
    pub gvk: Gvk,
    /// Its name in paths, such as `deployments`.
    pub plural: String,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

/// Objects of one kind at one moment.
#[derive(Clone, Debug, Default)]
pub struct ObjectList {
    /// The objects.
    pub items: Vec<Object>,
    /// The moment: where a watch goes on from.
    pub resource_version: String,
    /// Where the next page starts; none on the last.
    pub continue_token: Option<String>,
}

/// One change that a watch reports.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// The object was made, or came to match the selector.
    Added(Object),
    /// The object changed.
    Modified(Object),
    /// The object is gone, or matches no more; its last state.
    Deleted(Object),
    /// Nothing happened up to this resource version.
    Bookmark(String),
}

/// The changes that a watch reports. It ends with [`ClusterError::Expired`] when the server no longer has what
/// happened since the resource version asked for.
pub type WatchStream = BoxStream<'static, Result<WatchEvent, ClusterError>>;

/// A Kubernetes API server: real, embedded, or a host's own.
///
/// Every method answers with what the server said. None retries, none caches what is not immutable, and none waits
/// beyond the deadline of its [`Context`].
#[async_trait]
pub trait Cluster: fmt::Debug + Send + Sync {
    /// What the server knows about a kind; [`ClusterError::UnknownKind`] if nothing.
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError>;

    /// The object, or `None` when it is not there.
    async fn get(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ClusterError>;

    /// The objects of a kind.
    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError>;

    /// The changes to objects of a kind.
    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError>;

    /// Server-side apply; answers with the object as it is stored (or, in a dry run, as it would be).
    async fn apply(&self, cx: &Context, object: &Object, options: &ApplyOptions) -> Result<Object, ClusterError>;

    /// Makes an object that must not be there yet.
    async fn create(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError>;

    /// Replaces an object; where it carries a resource version, only that one.
    async fn update(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError>;

    /// Changes part of an object.
    async fn patch(
        &self,
        cx: &Context,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError>;

    /// Asks for an object to be deleted. Answers whether there was one.
    async fn delete(&self, cx: &Context, object: &ObjectRef, options: &DeleteOptions) -> Result<bool, ClusterError>;

    /// The same server, seen as somebody else. Fails when the identity names nobody.
    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError>;
}
