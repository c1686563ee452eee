//! Reading what is live: one list for a kind of which many objects are owned, one get for every other object.

use std::collections::{BTreeMap, HashMap};

use flux_core::cluster::{ClusterError, ListOptions};
use flux_core::{ApplyError, Context, Gvk, Inventory, Object, ObjectId, ObjectRef};
use futures::FutureExt as _;

use super::ServerSideApplier;

/// From how many owned objects of a kind one list is cheaper than a get for each.
const LIST_FROM: usize = 16;
/// How many objects one page of a list holds.
const PAGE: u32 = 500;

impl ServerSideApplier {
    /// The live state of objects, in their order.
    pub(super) async fn read(
        &self,
        cx: &Context,
        objects: &[&ObjectRef],
        owned: &Inventory,
    ) -> Vec<Result<Option<Object>, ClusterError>> {
        let listed = self.list_owned(cx, objects, owned).await;
        let reads = objects.iter().map(|object| {
            let known = listed.get(&object.id).filter(|live| live.api_version() == object.gvk().api_version());
            match known.cloned() {
                Some(live) => futures::future::ready(Ok(Some(live))).boxed(),
                // What a list does not show is asked for by name: it may lack our labels, or the list may be short.
                None => self.cluster.get(cx, object).boxed(),
            }
        });
        self.concurrently(reads.collect()).await
    }

    /// The objects with our labels, of every kind of which many are owned. A list that fails is no list.
    async fn list_owned(&self, cx: &Context, objects: &[&ObjectRef], owned: &Inventory) -> HashMap<ObjectId, Object> {
        let mut counts: BTreeMap<Gvk, (usize, Option<&str>)> = BTreeMap::new();
        if owned.len() < LIST_FROM {
            return HashMap::new();
        }
        for object in objects.iter().filter(|object| owned.contains(&object.id)) {
            let namespace = Some(object.id.namespace.as_str());
            let (count, only) = counts.entry(object.gvk()).or_insert((0, namespace));
            *count += 1;
            if *only != namespace {
                *only = None;
            }
        }
        let mut live = HashMap::new();
        for (gvk, (_, namespace)) in counts.into_iter().filter(|(_, (count, _))| *count >= LIST_FROM) {
            let mut options = ListOptions {
                namespace: namespace.filter(|namespace| !namespace.is_empty()).map(str::to_owned),
                label_selector: Some(format!(
                    "{0}/name={1},{0}/namespace={2}",
                    self.owner.group, self.owner.name, self.owner.namespace
                )),
                limit: Some(PAGE),
                ..ListOptions::default()
            };
            while let Ok(page) = self.cluster.list(cx, &gvk, &options).await {
                live.extend(page.items.into_iter().map(|object| (object.id(), object)));
                options.continue_token = page.continue_token.filter(|token| !token.is_empty());
                if options.continue_token.is_none() {
                    break;
                }
            }
        }
        live
    }

    /// An object at a version that the server serves: the version it was applied at may be gone since.
    pub(super) async fn find(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        const VERSIONS: [&str; 10] =
            ["v1", "v2", "v1beta1", "v1beta2", "v1beta3", "v2beta1", "v2beta2", "v1alpha1", "v1alpha2", "v1alpha3"];
        match self.cluster.get(cx, object).await {
            Err(ClusterError::UnknownKind(_)) => {}
            answer => return answer,
        }
        for version in VERSIONS.into_iter().filter(|version| *version != object.version) {
            match self.cluster.get(cx, &object.id.clone().at(version)).await {
                Err(ClusterError::UnknownKind(_)) => {}
                answer => return answer,
            }
        }
        // A kind that is served in no version has no objects.
        Ok(None)
    }

    /// One object by name.
    pub(super) async fn get(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ApplyError> {
        self.cluster.get(cx, object).await.map_err(|error| failed(object, "read", error))
    }
}

/// A request about an object that failed.
pub(super) fn failed(object: &ObjectRef, operation: &'static str, error: ClusterError) -> ApplyError {
    ApplyError::Object { object: object.id.clone(), operation, origin: None, error }
}
