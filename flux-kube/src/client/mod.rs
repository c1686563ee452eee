//! `Cluster` over kube-rs, for any Kubernetes API server.

mod discovery;
mod error;
mod request;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::cluster::{
    ApplyOptions, Cluster, ClusterError, DeleteOptions, Identity, ListOptions, ObjectList, Patch, Resource, WatchEvent,
    WatchOptions, WatchStream, WriteOptions,
};
use flux_core::{Context, Gvk, Object, ObjectRef};
use futures::StreamExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use discovery::Discovery;
use error::{from_kube, invalid};
use request::{Body, Request};

/// A Kubernetes API server behind a [`kube::Client`]: over the network, or in process behind a tower service.
///
/// What a kind is called in paths is asked once and remembered; a kind that is not known is asked for again each time.
#[derive(Clone)]
pub struct KubeCluster {
    client: kube::Client,
    discovery: Arc<Discovery>,
    identity: Option<Identity>,
}

impl KubeCluster {
    /// The server behind a client.
    pub fn new(client: kube::Client) -> Self {
        Self { client, discovery: Arc::default(), identity: None }
    }

    /// The server that a kubeconfig file names, in its current context or the one given.
    ///
    /// # Errors
    /// The file cannot be read, or does not describe a server and a user.
    pub async fn from_kubeconfig_file(path: &Path, context: Option<&str>) -> Result<Self, ClusterError> {
        let kubeconfig =
            Kubeconfig::read_from(path).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
        Self::from_kubeconfig(kubeconfig, context).await
    }

    /// The server that the text of a kubeconfig names, in its current context or the one given.
    ///
    /// # Errors
    /// The text does not describe a server and a user.
    pub async fn from_kubeconfig_text(text: &str, context: Option<&str>) -> Result<Self, ClusterError> {
        let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| invalid(format!("kubeconfig: {error}")))?;
        Self::from_kubeconfig(kubeconfig, context).await
    }

    async fn from_kubeconfig(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Self, ClusterError> {
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| invalid(format!("kubeconfig: {error}")))?;
        // Through the builder no process-wide TLS provider is asked for: the `ring` feature brings its own.
        kube::Client::try_from(config).map(Self::new).map_err(|error| invalid(format!("kubeconfig: {error}")))
    }

    /// Sends a request and reads the answer as JSON.
    async fn send(&self, cx: &Context, request: Request) -> Result<Value, ClusterError> {
        let request = request.build(self.identity.as_ref())?;
        match cx.run(self.client.request::<Value>(request)).await {
            Ok(answer) => answer.map_err(from_kube),
            Err(interrupted) => Err(interrupted.into()),
        }
    }

    async fn send_for_object(&self, cx: &Context, request: Request) -> Result<Object, ClusterError> {
        object(self.send(cx, request).await?)
    }

    /// The path of an object's kind in its namespace.
    async fn collection(&self, cx: &Context, gvk: &Gvk, namespace: Option<&str>) -> Result<String, ClusterError> {
        let resource = self.resource(cx, gvk).await?;
        Ok(request::collection(&resource, namespace))
    }

    async fn path(&self, cx: &Context, object: &ObjectRef) -> Result<String, ClusterError> {
        let id = &object.id;
        if id.name.is_empty() {
            return Err(invalid(format!("{}: metadata.name is missing", object.gvk())));
        }
        let resource = self.resource(cx, &object.gvk()).await?;
        if resource.namespaced && id.namespace.is_empty() {
            return Err(invalid(format!("{id}: metadata.namespace is missing")));
        }
        Ok(format!("{}/{}", request::collection(&resource, Some(&id.namespace)), request::escape(&id.name)))
    }
}

fn object(value: Value) -> Result<Object, ClusterError> {
    Object::from_value(value).map_err(|error| invalid(format!("the API server answered with no object: {error}")))
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError> {
        if let Some(resource) = self.discovery.get(gvk) {
            return Ok(resource);
        }
        let answer = self.send(cx, Request::get(request::group_version(gvk))).await;
        match answer {
            Ok(list) => self.discovery.learn(gvk, &list),
            Err(ClusterError::Api(status)) if status.code == 404 => Err(ClusterError::UnknownKind(gvk.clone())),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, cx: &Context, object_ref: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        let path = self.path(cx, object_ref).await?;
        match self.send_for_object(cx, Request::get(path)).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError> {
        let request = Request::get(self.collection(cx, gvk, options.namespace.as_deref()).await?)
            .query("labelSelector", options.label_selector.as_deref())
            .query("fieldSelector", options.field_selector.as_deref())
            .query("limit", options.limit.map(|limit| limit.to_string()).as_deref())
            .query("continue", options.continue_token.as_deref());
        let mut list = self.send(cx, request).await?;
        let text = |field: &str| list.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (resource_version, token) = (text("/metadata/resourceVersion"), text("/metadata/continue"));
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        // The items of a list leave out what the list says for all of them.
        let items = items.into_iter().map(|mut item| {
            if let Value::Object(map) = &mut item {
                map.entry("apiVersion").or_insert_with(|| gvk.api_version().into());
                map.entry("kind").or_insert_with(|| gvk.kind.clone().into());
            }
            object(item)
        });
        let items = items.collect::<Result<_, _>>()?;
        Ok(ObjectList { items, resource_version, continue_token: (!token.is_empty()).then_some(token) })
    }

    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError> {
        let request = Request::get(self.collection(cx, gvk, options.namespace.as_deref()).await?)
            .query("watch", Some("true"))
            .query("allowWatchBookmarks", Some("true"))
            .query("labelSelector", options.label_selector.as_deref())
            .query("fieldSelector", options.field_selector.as_deref())
            .query("resourceVersion", options.resource_version.as_deref())
            .build(self.identity.as_ref())?;
        let events = cx.run(self.client.request_events::<Value>(request)).await?.map_err(from_kube)?;
        Ok(events.map(|event| event.map_err(from_kube).and_then(watch_event)).boxed())
    }

    async fn apply(&self, cx: &Context, desired: &Object, options: &ApplyOptions) -> Result<Object, ClusterError> {
        let request = Request::patch(self.path(cx, &desired.object_ref()).await?, Body::Apply(desired))
            .query("fieldManager", Some(&options.field_manager))
            .query("force", options.force.then_some("true"))
            .query("dryRun", options.dry_run.then_some("All"));
        self.send_for_object(cx, request).await
    }

    async fn create(&self, cx: &Context, desired: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let path = self.collection(cx, &desired.gvk(), desired.namespace()).await?;
        self.send_for_object(cx, Request::post(path, Body::Object(desired)).writing(options)).await
    }

    async fn update(&self, cx: &Context, desired: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let path = self.path(cx, &desired.object_ref()).await?;
        self.send_for_object(cx, Request::put(path, Body::Object(desired)).writing(options)).await
    }

    async fn patch(
        &self,
        cx: &Context,
        object_ref: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let path = self.path(cx, object_ref).await?;
        self.send_for_object(cx, Request::patch(path, Body::Patch(patch)).writing(options)).await
    }

    async fn delete(
        &self,
        cx: &Context,
        object_ref: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<bool, ClusterError> {
        let path = self.path(cx, object_ref).await?;
        match self.send(cx, Request::delete(path, Body::Delete(options))).await {
            Ok(_) => Ok(true),
            Err(ClusterError::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
        if identity.user.trim().is_empty() {
            return Err(invalid("impersonation needs a user; without one the request would be our own".to_owned()));
        }
        Ok(Arc::new(Self { identity: Some(identity.clone()), ..self.clone() }))
    }
}

fn watch_event(event: kube::core::WatchEvent<Value>) -> Result<WatchEvent, ClusterError> {
    Ok(match event {
        kube::core::WatchEvent::Added(value) => WatchEvent::Added(object(value)?),
        kube::core::WatchEvent::Modified(value) => WatchEvent::Modified(object(value)?),
        kube::core::WatchEvent::Deleted(value) => WatchEvent::Deleted(object(value)?),
        kube::core::WatchEvent::Bookmark(bookmark) => WatchEvent::Bookmark(bookmark.metadata.resource_version),
        kube::core::WatchEvent::Error(status) => return Err(error::from_status(*status)),
    })
}

impl fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeCluster")
            .field("as", &self.identity.as_ref().map(|identity| &identity.user))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn h34_nobody_is_never_impersonated() {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::empty()))
        });
        let cluster = KubeCluster::new(kube::Client::new(service, "default"));
        for user in ["", "  "] {
            let identity = Identity { user: user.into(), groups: vec!["system:masters".into()] };
            assert!(matches!(cluster.impersonate(&identity), Err(ClusterError::Invalid(_))));
        }
    }
}
