//! What every applier promises of the objects it brings to a cluster, as tests that any [`Applier`] can be held against.
//!
//! The suite works in a namespace of its own, which it makes and removes; beside that it makes one custom resource
//! definition, `gadgets.contract.example.com`. It is the same for a server in memory and for a real one; a promise that is
//! not kept is a panic.

mod changes;
mod claims;
mod owners;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Applier, Report};
use crate::cluster::{ApplyOptions, Cluster, DeleteOptions, Patch, WriteOptions};
use crate::context::Context;
use crate::inventory::Inventory;
use crate::manifests::{Manifest, Manifests, Origin};
use crate::object::{Object, ObjectId, ObjectRef};
use crate::plan::{Action, Plan};

/// How long a controller may take.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Makes an applier that prunes, for the owner of this name.
type Make = dyn Fn(&str) -> Arc<dyn Applier> + Send + Sync;

/// Appliers under test.
pub struct Contract {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    controllers: bool,
    make: Arc<Make>,
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract").field("cluster", &self.cluster).field("namespace", &self.namespace).finish()
    }
}

impl Contract {
    /// The contract for appliers to this cluster, in a namespace of this name, which must not be there. `make` makes an
    /// applier that prunes, for the owner of the name that it is given.
    pub fn new(
        cluster: Arc<dyn Cluster>,
        namespace: impl Into<String>,
        make: impl Fn(&str) -> Arc<dyn Applier> + Send + Sync + 'static,
    ) -> Self {
        Self { cluster, namespace: namespace.into(), controllers: true, make: Arc::new(make) }
    }

    /// Without what only the controllers beside a server do: the end of namespaces.
    #[must_use]
    pub fn without_controllers(mut self) -> Self {
        self.controllers = false;
        self
    }

    /// Holds the appliers against every promise.
    ///
    /// # Panics
    /// A promise is not kept.
    pub async fn check(&self) {
        let place = Place {
            cx: Context::background().with_timeout(PATIENCE * 10),
            cluster: self.cluster.clone(),
            namespace: self.namespace.clone(),
            make: self.make.clone(),
        };
        place.settle_in().await;
        changes::a_set_comes_changes_and_goes(&place).await;
        changes::drift_is_repaired(&place).await;
        changes::a_stale_plan_changes_nothing(&place).await;
        changes::what_the_server_refuses_changes_nothing(&place).await;
        changes::a_definition_comes_before_its_objects(&place).await;
        changes::secrets_are_not_shown(&place).await;
        owners::an_inventory_alone_deletes_nothing(&place).await;
        owners::what_has_another_owner_is_refused(&place).await;
        owners::what_moves_is_never_deleted(&place).await;
        place.leave(self.controllers).await;
    }
}

/// Where the suite works.
struct Place {
    cx: Context,
    cluster: Arc<dyn Cluster>,
    namespace: String,
    make: Arc<Make>,
}

impl Place {
    fn applier(&self, name: &str) -> Arc<dyn Applier> {
        (self.make)(name)
    }

    fn namespace(&self) -> Object {
        object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}))
    }

    async fn settle_in(&self) {
        self.cluster
            .apply(
                &self.cx,
                &self.namespace(),
                &ApplyOptions { field_manager: "contract".into(), ..ApplyOptions::default() },
            )
            .await
            .expect("a namespace");
    }

    async fn leave(&self, controllers: bool) {
        let namespace = self.namespace().object_ref();
        let there = self.cluster.delete(&self.cx, &namespace, &DeleteOptions::default()).await;
        assert!(there.expect("the namespace can be deleted"));
        if controllers {
            self.gone(&namespace).await;
        }
    }

    fn map(&self, name: &str, value: &str) -> Object {
        object(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace}, "data": {"key": value}}))
    }

    fn id(&self, name: &str) -> ObjectId {
        ObjectId::new("", "ConfigMap", self.namespace.as_str(), name)
    }

    /// A live object; none if it is not there, or about to be gone.
    async fn live(&self, at: &ObjectRef) -> Option<Object> {
        let live = self.cluster.get(&self.cx, at).await.expect("the object or nothing");
        live.filter(|live| live.metadata().is_none_or(|metadata| !metadata.contains_key("deletionTimestamp")))
    }

    /// The value of a config map.
    async fn value(&self, name: &str) -> Option<String> {
        let live = self.live(&self.id(name).at("v1")).await?;
        Some(live.pointer("/data/key")?.as_str()?.to_owned())
    }

    /// Changes an object as a person would.
    async fn meddle(&self, at: &ObjectRef, patch: Value) {
        let options = WriteOptions { field_manager: "somebody".into(), ..WriteOptions::default() };
        self.cluster.patch(&self.cx, at, &Patch::Merge(patch), &options).await.expect("it can be changed");
    }

    async fn plan(&self, applier: &dyn Applier, desired: &[Object], owned: &Inventory) -> Plan {
        applier.plan(&self.cx, &manifests(desired), owned).await.expect("a plan")
    }

    /// Plans and applies, and checks that the report is true and that nothing is left to do.
    async fn bring(&self, applier: &dyn Applier, desired: &[Object], owned: &Inventory) -> Report {
        self.bring_in(&self.cx, applier, desired, owned).await
    }

    async fn bring_in(&self, cx: &Context, applier: &dyn Applier, desired: &[Object], owned: &Inventory) -> Report {
        let set = manifests(desired);
        let plan = applier.plan(cx, &set, owned).await.expect("a plan");
        let report = applier.apply(cx, plan).await;
        assert!(report.error.is_none(), "{report:?}");
        let wanted: Inventory = desired.iter().map(Object::object_ref).collect();
        assert_eq!(report.inventory, wanted, "what is owned is what is wanted");
        let again = applier.plan(cx, &set, &report.inventory).await.expect("a second plan");
        assert!(again.is_empty(), "a second run would write: {again}");
        report
    }

    /// Waits until a plan would write so many objects: an applier that follows its objects learns of a change a moment
    /// after it happened.
    async fn until_planned(&self, applier: &dyn Applier, desired: &[Object], owned: &Inventory, writes: usize) {
        let patient = tokio::time::timeout(PATIENCE, async {
            while self.plan(applier, desired, owned).await.writes().count() != writes {
                tokio::time::sleep(PAUSE).await;
            }
        });
        assert!(patient.await.is_ok(), "{writes} objects have changed, and it is never seen");
    }

    async fn gone(&self, at: &ObjectRef) {
        let patient = tokio::time::timeout(PATIENCE, async {
            while self.cluster.get(&self.cx, at).await.expect("the object or nothing").is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        assert!(patient.await.is_ok(), "{at} is never gone");
    }
}

fn object(value: Value) -> Object {
    Object::from_value(value).expect("an object")
}

fn manifests(objects: &[Object]) -> Manifests {
    let item = |(line, object): (usize, &Object)| Manifest {
        object: object.clone(),
        origin: Origin::new("contract.yaml", line + 1),
    };
    Manifests::new(objects.iter().enumerate().map(item).collect())
}

/// What a plan would do to each object.
fn actions(plan: &Plan) -> Vec<(Action, String)> {
    plan.changes.iter().map(|change| (change.action, change.object.id.name.clone())).collect()
}
