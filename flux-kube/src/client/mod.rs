//! Any Kubernetes cluster, over kube-rs.
//!
//! [`KubeCluster`] is a [`Cluster`]: it adds to a [`kube::Client`] what the trait asks for and nothing else. Requests are
//! neither retried nor cached, but for what the server says about kinds.

mod discovery;
mod kubeconfig;
mod request;
mod response;
mod watch;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::cluster::{
    ApplyOptions, Cluster, ClusterError, DeleteOptions, Identity, ListOptions, ObjectList, Patch, Propagation,
    Resource, WatchOptions, WatchStream, WriteOptions,
};
use flux_core::{Context, Gvk, Object, ObjectRef};
use http::Method;
use serde_json::{Map, Value, json};

use discovery::Discovery;
pub use kubeconfig::{KubeconfigError, KubeconfigPolicy};
use request::{Call, Target};

/// A Kubernetes cluster over kube-rs.
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use flux_core::{Cluster, Context, ObjectId};
/// use flux_kube::client::{KubeCluster, KubeconfigPolicy};
///
/// let cluster = KubeCluster::from_kubeconfig_file("kubeconfig", None, &KubeconfigPolicy::trusted()).await?;
/// let namespace = ObjectId::new("", "Namespace", "", "default").at("v1");
/// assert!(cluster.get(&Context::background(), &namespace).await?.is_some());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KubeCluster {
    client: kube::Client,
    /// Whom to act as; whoever the client is when none.
    identity: Option<Identity>,
    discovery: Arc<Discovery>,
}

impl KubeCluster {
    /// The cluster that a client talks to, as whoever the client is.
    pub fn new(client: kube::Client) -> Self {
        Self { client, identity: None, discovery: Arc::default() }
    }

    /// Makes one request, within the deadline of the context, and reads the whole answer.
    async fn call(&self, cx: &Context, call: Call) -> Result<Map<String, Value>, ClusterError> {
        cx.check()?;
        let request = call.build(self.identity.as_ref())?;
        cx.run(async { response::read(self.client.send(request).await.map_err(response::unreachable)?).await }).await?
    }

    /// Makes one request about a kind. Where the server no longer serves it, what it said of it before is forgotten.
    async fn call_about(&self, cx: &Context, gvk: &Gvk, call: Call) -> Result<Map<String, Value>, ClusterError> {
        let answer = self.call(cx, call).await;
        if response::is_no_such_path(&answer) {
            self.discovery.forget(gvk);
            return Err(ClusterError::UnknownKind(gvk.clone()));
        }
        answer
    }

    async fn target(&self, cx: &Context, gvk: &Gvk, namespace: &str) -> Result<Target, ClusterError> {
        Target::new(self.resource(cx, gvk).await?, namespace)
    }

    async fn target_of(&self, cx: &Context, object: &ObjectRef) -> Result<Target, ClusterError> {
        self.target(cx, &object.gvk(), &object.id.namespace).await?.named(&object.id.name)
    }
}

impl fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeCluster").field("identity", &self.identity).finish_non_exhaustive()
    }
}

fn object(map: Map<String, Value>) -> Result<Object, ClusterError> {
    Object::from_map(map).map_err(|error| ClusterError::Invalid(format!("the server's answer is no object: {error}")))
}

fn body(object: &Object) -> Result<Vec<u8>, ClusterError> {
    serde_json::to_vec(object).map_err(|error| ClusterError::Invalid(error.to_string()))
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError> {
        if let Some(resource) = self.discovery.get(gvk) {
            return Ok(resource);
        }
        let path = if gvk.group.is_empty() { "/api" } else { "/apis" };
        let call = Call::new(Method::GET, format!("{path}/{}", gvk.api_version()));
        match self.call(cx, call).await {
            Ok(list) => self.discovery.learn(gvk, &list),
            Err(ClusterError::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
        self.discovery.get(gvk).ok_or_else(|| ClusterError::UnknownKind(gvk.clone()))
    }

    async fn get(&self, cx: &Context, o: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        let target = self.target_of(cx, o).await?;
        match self.call_about(cx, &o.gvk(), Call::new(Method::GET, target.path())).await {
            Ok(map) => object(map).map(Some),
            Err(ClusterError::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError> {
        let target = self.target(cx, gvk, options.namespace.as_deref().unwrap_or_default()).await?;
        let call = Call::new(Method::GET, target.path())
            .query("labelSelector", options.label_selector.as_deref())
            .query("fieldSelector", options.field_selector.as_deref())
            .query("limit", options.limit.map(|limit| limit.to_string()).as_deref())
            .query("continue", options.continue_token.as_deref());
        response::list(self.call_about(cx, gvk, call).await?, gvk)
    }

    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError> {
        let target = self.target(cx, gvk, options.namespace.as_deref().unwrap_or_default()).await?;
        let call = Call::new(Method::GET, target.path())
            .query("watch", Some("true"))
            .query("allowWatchBookmarks", Some("true"))
            .query("labelSelector", options.label_selector.as_deref())
            .query("fieldSelector", options.field_selector.as_deref())
            .query("resourceVersion", options.resource_version.as_deref());
        cx.check()?;
        let request = call.build(self.identity.as_ref())?;
        let answer = cx.run(self.client.send(request)).await?;
        let answer = answer.map_err(response::unreachable)?;
        if !answer.status().is_success() {
            let refused = cx.run(response::read(answer)).await?;
            return Err(refused.err().unwrap_or(ClusterError::Expired));
        }
        Ok(watch::events(answer.into_body()))
    }

    async fn apply(&self, cx: &Context, o: &Object, options: &ApplyOptions) -> Result<Object, ClusterError> {
        let reference = o.object_ref();
        let call = Call::new(Method::PATCH, self.target_of(cx, &reference).await?.path())
            .query("fieldManager", Some(&options.field_manager))
            .query("force", options.force.then_some("true"))
            .query("dryRun", options.dry_run.then_some("All"))
            .body("application/apply-patch+yaml", body(o)?);
        object(self.call_about(cx, &reference.gvk(), call).await?)
    }

    async fn create(&self, cx: &Context, o: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let reference = o.object_ref();
        let gvk = options.created_on(&reference.gvk());
        let mut target = self.target(cx, &gvk, &reference.id.namespace).await?;
        if let Some(subresource) = &options.subresource {
            target = target.named(&reference.id.name)?.subresource(subresource)?;
        }
        let call = Call::new(Method::POST, target.path()).write(options).body("application/json", body(o)?);
        object(self.call_about(cx, &gvk, call).await?)
    }

    async fn update(&self, cx: &Context, o: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let reference = o.object_ref();
        let mut target = self.target_of(cx, &reference).await?;
        if let Some(subresource) = &options.subresource {
            target = target.subresource(subresource)?;
        }
        let call = Call::new(Method::PUT, target.path()).write(options).body("application/json", body(o)?);
        object(self.call_about(cx, &reference.gvk(), call).await?)
    }

    async fn patch(
        &self,
        cx: &Context,
        o: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        let mut target = self.target_of(cx, o).await?;
        if let Some(subresource) = &options.subresource {
            target = target.subresource(subresource)?;
        }
        let (content_type, patch) = match patch {
            Patch::Json(patch) => ("application/json-patch+json", patch),
            Patch::Merge(patch) => ("application/merge-patch+json", patch),
            Patch::Strategic(patch) => ("application/strategic-merge-patch+json", patch),
        };
        let call =
            Call::new(Method::PATCH, target.path()).write(options).body(content_type, patch.to_string().into_bytes());
        object(self.call_about(cx, &o.gvk(), call).await?)
    }

    async fn delete(&self, cx: &Context, o: &ObjectRef, options: &DeleteOptions) -> Result<bool, ClusterError> {
        let mut preconditions = Map::new();
        let wanted = &options.preconditions;
        for (key, value) in [("uid", &wanted.uid), ("resourceVersion", &wanted.resource_version)] {
            preconditions.extend(value.as_ref().map(|value| (key.to_owned(), Value::from(value.as_str()))));
        }
        let mut body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions,
            "propagationPolicy": match options.propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            },
        });
        if options.dry_run {
            body["dryRun"] = json!(["All"]);
        }
        let call = Call::new(Method::DELETE, self.target_of(cx, o).await?.path())
            .body("application/json", body.to_string().into_bytes());
        match self.call_about(cx, &o.gvk(), call).await {
            Ok(_) => Ok(true),
            Err(ClusterError::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
        request::check_identity(identity)?;
        Ok(Arc::new(Self { identity: Some(identity.clone()), ..self.clone() }))
    }
}
