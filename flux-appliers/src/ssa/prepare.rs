//! From rendered manifests to the objects that are applied: normalised, labelled, in their namespaces, in order.

use std::collections::HashMap;
use std::sync::Arc;

use flux_core::cluster::ClusterError;
use flux_core::{ApplyError, Context, Digest, Gvk, Manifest, Manifests, Object, ObjectId, ObjectRef};

use super::order::{self, Stage};
use super::{ServerSideApplier, lock, normalise};

/// Everything about a set of manifests that stays the same until they change.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) manifests: Digest,
    pub(super) entries: Vec<Entry>,
    /// The kinds of the set, and for each whether its objects live in namespaces.
    kinds: Vec<(Gvk, bool)>,
    /// The kinds that the set itself defines, by group and kind, with the same.
    defined: HashMap<(String, String), bool>,
}

/// One object of the set. The object itself is made again when it is needed: most often it is not.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it stands in the manifests.
    pub(super) index: usize,
    pub(super) object: ObjectRef,
    pub(super) stage: Stage,
    pub(super) digest: Digest,
}

/// What the server knows of the kinds of a set at this moment.
#[derive(Debug, Default)]
pub(super) struct Kinds(HashMap<Gvk, Kind>);

#[derive(Clone, Copy, Debug)]
struct Kind {
    namespaced: bool,
    served: bool,
}

impl Kinds {
    /// Whether the server serves a kind now, rather than once the set is applied.
    pub(super) fn is_served(&self, gvk: &Gvk) -> bool {
        self.0.get(gvk).is_some_and(|kind| kind.served)
    }

    fn is_namespaced(&self, gvk: &Gvk) -> bool {
        self.0.get(gvk).is_some_and(|kind| kind.namespaced)
    }
}

impl ServerSideApplier {
    /// Prepares a set, or recalls it if it is the one of the last time. Objects that were prepared just now come with it, by
    /// their places in the set.
    pub(super) async fn prepare(
        &self,
        cx: &Context,
        desired: &Manifests,
    ) -> Result<(Arc<Prepared>, Kinds, Vec<Option<Object>>), ApplyError> {
        let recalled = lock(&self.prepared).clone().filter(|prepared| prepared.manifests == *desired.digest());
        if let Some(prepared) = recalled {
            let kinds = self.kinds(cx, prepared.kinds.iter().map(|(gvk, _)| gvk.clone()), &prepared.defined, desired);
            let kinds = kinds.await?;
            if prepared.kinds.iter().all(|(gvk, namespaced)| kinds.is_namespaced(gvk) == *namespaced) {
                return Ok((prepared, kinds, Vec::new()));
            }
        }
        let defined = defined(desired);
        let mut gvks: Vec<Gvk> = desired.iter().map(|manifest| manifest.object.gvk()).collect();
        gvks.sort_unstable();
        gvks.dedup();
        let kinds = self.kinds(cx, gvks.iter().cloned(), &defined, desired).await?;
        let (entries, fresh) = self.entries(desired, &kinds)?;
        let prepared = Arc::new(Prepared {
            manifests: desired.digest().clone(),
            entries,
            kinds: gvks.into_iter().map(|gvk| (kinds.is_namespaced(&gvk), gvk)).map(|(n, gvk)| (gvk, n)).collect(),
            defined,
        });
        *lock(&self.prepared) = Some(prepared.clone());
        Ok((prepared, kinds, fresh))
    }

    /// What the server knows of kinds, and of those it does not know what the set says.
    async fn kinds(
        &self,
        cx: &Context,
        gvks: impl Iterator<Item = Gvk>,
        defined: &HashMap<(String, String), bool>,
        desired: &Manifests,
    ) -> Result<Kinds, ApplyError> {
        let mut kinds = Kinds::default();
        let mut errors = Vec::new();
        for gvk in gvks {
            let kind = match self.cluster.resource(cx, &gvk).await {
                Ok(resource) => Kind { namespaced: resource.namespaced, served: true },
                Err(error) => match defined.get(&(gvk.group.clone(), gvk.kind.clone())) {
                    Some(namespaced) if matches!(error, ClusterError::UnknownKind(_)) => {
                        Kind { namespaced: *namespaced, served: false }
                    }
                    _ => {
                        let first = desired.iter().find(|manifest| manifest.object.gvk() == gvk);
                        errors.extend(first.map(|manifest| ApplyError::Object {
                            object: manifest.object.id(),
                            operation: "dry-run",
                            origin: Some(manifest.origin.clone()),
                            error,
                        }));
                        continue;
                    }
                },
            };
            kinds.0.insert(gvk, kind);
        }
        match ApplyError::of_several(errors) {
            Some(error) => Err(error),
            None => Ok(kinds),
        }
    }

    fn entries(&self, desired: &Manifests, kinds: &Kinds) -> Result<(Vec<Entry>, Vec<Option<Object>>), ApplyError> {
        let mut entries = Vec::with_capacity(desired.len());
        let mut fresh: Vec<Option<Object>> = Vec::with_capacity(desired.len());
        let mut errors = Vec::new();
        let mut places: HashMap<ObjectId, usize> = HashMap::with_capacity(desired.len());
        for (index, manifest) in desired.iter().enumerate() {
            let object = match self.object(manifest, kinds) {
                Ok(object) => object,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let reference = object.object_ref();
            // Rendered sets are free of duplicates; what was put into the same place only here is not.
            let first = places.insert(reference.id.clone(), index).and_then(|first| desired.iter().nth(first));
            if let Some(first) = first {
                let problem = format!("is already defined at {}; an object may be there once", first.origin);
                errors.push(invalid(&reference.id, manifest, "metadata.name", problem));
                continue;
            }
            let stage = Stage::of(&reference.id, &self.custom_stage);
            entries.push(Entry { index, stage, digest: object.digest(), object: reference });
            fresh.resize(index, None);
            fresh.push(Some(object));
        }
        if let Some(error) = ApplyError::of_several(errors) {
            return Err(error);
        }
        entries.sort_by(|a, b| a.stage.cmp(&b.stage).then_with(|| order::compare(&a.object.id, &b.object.id)));
        Ok((entries, fresh))
    }

    /// One desired object as it is applied.
    pub(super) fn object(&self, manifest: &Manifest, kinds: &Kinds) -> Result<Object, ApplyError> {
        let mut object = manifest.object.clone();
        let id = object.id();
        let refused = |field: &str, problem: String| invalid(&id, manifest, field, problem);
        if object.name().is_empty() {
            return Err(refused("metadata.name", "is missing; an applied object needs a name".into()));
        }
        let namespaced = kinds.is_namespaced(&object.gvk());
        if namespaced && object.namespace().is_none() {
            let problem = "namespace not specified; set it here, or for all objects with targetNamespace or the \
                           namespace of the kustomization";
            return Err(refused("metadata.namespace", problem.into()));
        }
        normalise::normalise(&mut object).map_err(|problem| refused(&problem.field, problem.problem))?;
        if !namespaced && object.metadata().is_some_and(|metadata| metadata.contains_key("namespace")) {
            object.metadata_mut().shift_remove("namespace");
        }
        self.owner.label(&mut object);
        Ok(object)
    }
}

fn invalid(object: &ObjectId, manifest: &Manifest, field: &str, problem: String) -> ApplyError {
    ApplyError::Invalid { object: object.clone(), origin: Some(manifest.origin.clone()), field: field.into(), problem }
}

/// The kinds that a set of manifests defines.
fn defined(desired: &Manifests) -> HashMap<(String, String), bool> {
    let text = |object: &Object, pointer: &str| object.pointer(pointer).and_then(|v| v.as_str()).map(str::to_owned);
    desired
        .iter()
        .filter_map(|manifest| {
            let (group, kind) = defines(&manifest.object)?;
            Some(((group, kind), text(&manifest.object, "/spec/scope").as_deref() != Some("Cluster")))
        })
        .collect()
}

/// The group and kind that an object defines, if it is a definition.
pub(super) fn defines(object: &Object) -> Option<(String, String)> {
    if object.kind() != "CustomResourceDefinition" || !object.api_version().starts_with("apiextensions.k8s.io/") {
        return None;
    }
    let text = |pointer| object.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned);
    Some((text("/spec/group")?, text("/spec/names/kind")?))
}
