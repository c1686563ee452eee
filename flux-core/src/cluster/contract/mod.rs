//! What every cluster promises, as tests that any [`Cluster`] can be held against.
//!
//! The suite works in a namespace of its own, which it makes and removes; beside that it makes one custom resource
//! definition, `toys.contract.example.com`. It is the same for a server in memory and for a real one; a promise that is
//! not kept is a panic.

mod access;
mod deletes;
mod kinds;
mod reads;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ApplyOptions, Cluster, ClusterError, DeleteOptions, WriteOptions};
use crate::context::Context;
use crate::object::{Object, ObjectRef};

/// How long a controller, or an informer of the server, may take.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A cluster under test.
#[derive(Debug, Clone)]
pub struct Contract {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    controllers: bool,
}

impl Contract {
    /// The contract for a cluster, in a namespace of this name, which must not be there.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: impl Into<String>) -> Self {
        Self { cluster, namespace: namespace.into(), controllers: true }
    }

    /// Without what only the controllers beside a server do: garbage collection and the end of namespaces.
    #[must_use]
    pub fn without_controllers(mut self) -> Self {
        self.controllers = false;
        self
    }

    /// Holds the cluster against every promise.
    ///
    /// # Panics
    /// A promise is not kept.
    pub async fn check(&self) {
        let place = Place {
            cx: Context::background(),
            cluster: self.cluster.clone(),
            namespace: self.namespace.clone(),
            controllers: self.controllers,
        };
        kinds::discovery(&place).await;
        place.settle_in().await;
        writes::apply(&place).await;
        writes::create_and_update(&place).await;
        writes::patches(&place).await;
        writes::refusals(&place).await;
        reads::lists(&place).await;
        reads::watches(&place).await;
        reads::interruptions(&place).await;
        deletes::conditions(&place).await;
        deletes::finalizers(&place).await;
        kinds::custom(&place).await;
        access::impersonation(&place).await;
        if self.controllers {
            deletes::dependents(&place).await;
        }
        place.leave().await;
    }
}

/// Where the suite works.
struct Place {
    cx: Context,
    cluster: Arc<dyn Cluster>,
    namespace: String,
    controllers: bool,
}

impl Place {
    /// Makes the namespace, which nothing can be in before.
    async fn settle_in(&self) {
        let early = self.cluster.apply(&self.cx, &self.config_map("early", json!({})), &manager("m")).await;
        assert_eq!(code(&early), 404, "an object in a namespace that is not there: {early:?}");
        let made = self.cluster.apply(&self.cx, &self.namespace_object(), &manager("m")).await.expect("a namespace");
        assert_eq!(made.name(), self.namespace);
    }

    /// Removes the namespace and all that is in it.
    async fn leave(&self) {
        let namespace = self.namespace_object().object_ref();
        let there = self.cluster.delete(&self.cx, &namespace, &DeleteOptions::default()).await;
        assert!(there.expect("the namespace can be deleted"));
        if self.controllers {
            self.gone(&namespace).await;
            self.gone(&self.config_map("cm", json!({})).object_ref()).await;
        }
    }

    fn namespace_object(&self) -> Object {
        object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}))
    }

    fn config_map(&self, name: &str, data: Value) -> Object {
        object(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace}, "data": data}))
    }

    /// Waits until an object is gone.
    async fn gone(&self, at: &ObjectRef) {
        let patient = tokio::time::timeout(PATIENCE, async {
            while self.cluster.get(&self.cx, at).await.expect("the object or nothing").is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        assert!(patient.await.is_ok(), "{at:?} is still there after {PATIENCE:?}");
    }
}

fn object(value: Value) -> Object {
    Object::from_value(value).expect("an object")
}

fn manager(name: &str) -> ApplyOptions {
    ApplyOptions { field_manager: name.to_owned(), ..ApplyOptions::default() }
}

fn writer() -> WriteOptions {
    WriteOptions { field_manager: "writer".to_owned(), ..WriteOptions::default() }
}

/// The status code of an answer: 200 for success, 0 if there was none.
fn code(result: &Result<impl Sized, ClusterError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(error) => error.code().unwrap_or(0),
    }
}

/// The status of a refusal.
fn refusal(result: Result<Object, ClusterError>) -> super::Status {
    match result {
        Err(ClusterError::Api(status)) => status,
        other => panic!("not refused: {other:?}"),
    }
}
