//! Whose objects are whose.

use std::fmt;

use flux_core::{Object, ObjectId, Unit};

/// The groups whose labels say that a pipeline owns an object, and what such a pipeline is called.
const GROUPS: [(&str, &str); 2] = [(Owner::KUSTOMIZE, "Kustomization"), ("helm.toolkit.fluxcd.io", "HelmRelease")];

/// The pipeline that owns what is applied, as the labels of its objects say it: `<group>/name` and `<group>/namespace`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Name of the pipeline.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Group of the labels and annotations.
    pub group: String,
}

impl Owner {
    /// The label group of Flux's Kustomizations.
    pub const KUSTOMIZE: &'static str = "kustomize.toolkit.fluxcd.io";

    /// A pipeline whose objects are labelled as Flux labels those of a Kustomization.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: namespace.into(), group: Self::KUSTOMIZE.to_owned() }
    }

    /// The same with labels of another group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Puts the labels on an object, over whatever it says itself: no manifest chooses its owner.
    pub(super) fn label(&self, object: &mut Object) {
        object.set_label(format!("{}/name", self.group), &self.name);
        object.set_label(format!("{}/namespace", self.group), &self.namespace);
    }

    /// The pipeline whose labels an object carries: ours if it carries ours.
    pub(super) fn of(&self, object: &Object) -> Option<Self> {
        let labelled = |group: &str| {
            let name = object.label(&format!("{group}/name"))?;
            let namespace = object.label(&format!("{group}/namespace"))?;
            Some(Self::new(name, namespace).group(group))
        };
        let ours = labelled(&self.group);
        if ours.as_ref() == Some(self) {
            return ours;
        }
        ours.or_else(|| GROUPS.iter().find_map(|(group, _)| labelled(group)))
    }

    /// The pipeline of Flux whose labels an object carries, if it carries any.
    pub fn labelled(object: &Object) -> Option<Self> {
        Self::new("", "").of(object)
    }

    /// Whether an object is the one that describes the pipeline itself.
    pub(super) fn is_described_by(&self, id: &ObjectId) -> bool {
        let kind = GROUPS.iter().find(|(group, _)| *group == self.group).map(|(_, kind)| *kind);
        id.group == self.group && Some(&*id.kind) == kind && id.namespace == self.namespace && id.name == self.name
    }

    /// The pipeline as an engine names it, where the group of the labels says what kind it is.
    pub fn unit(&self) -> Option<Unit> {
        let (_, kind) = GROUPS.iter().find(|(group, _)| *group == self.group)?;
        Some(Unit::new(*kind, self.namespace.as_str(), self.name.as_str()))
    }

    /// Whether an object carries our labels.
    pub(super) fn owns(&self, object: &Object) -> bool {
        self.of(object).as_ref() == Some(self)
    }
}

/// `Kustomization web/app`, or the group of the labels in place of the kind where it is not known.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = GROUPS.iter().find(|(group, _)| *group == self.group).map_or(self.group.as_str(), |(_, kind)| kind);
        write!(f, "{kind} {}/{}", self.namespace, self.name)
    }
}

/// What happens when a desired object carries the labels of another pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForeignOwner {
    /// The run fails before anything is changed, and the error names both pipelines. Flux would take the object over
    /// in silence, and two pipelines that hold one object would do so in turns for ever. An object that the other no
    /// longer wants, as a pipeline of the same engine that applies to the same place, is taken over all the same.
    #[default]
    Refuse,
    /// The object is taken over: the way to hand objects from one pipeline to another. The pipeline that had it finds
    /// that it is not its own any more and does not delete it.
    TakeOver,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(labels: serde_json::Value) -> Object {
        Object::from_value(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}}),
        )
        .unwrap()
    }

    #[test]
    fn h37_a_manifest_does_not_choose_its_owner() {
        let ours = Owner::new("app", "web");
        let mut manifest = object(json!({
            "kustomize.toolkit.fluxcd.io/name": "other", "kustomize.toolkit.fluxcd.io/namespace": "infra",
        }));
        assert_eq!(ours.of(&manifest), Some(Owner::new("other", "infra")));
        assert!(!ours.owns(&manifest));
        ours.label(&mut manifest);
        assert!(ours.owns(&manifest));
    }

    #[test]
    fn half_a_label_owns_nothing_and_other_groups_count() {
        let ours = Owner::new("app", "web");
        assert_eq!(ours.of(&object(json!({"kustomize.toolkit.fluxcd.io/name": "app"}))), None);
        let helm = ours.of(&object(json!({
            "helm.toolkit.fluxcd.io/name": "db", "helm.toolkit.fluxcd.io/namespace": "data",
        })));
        assert_eq!(helm.map(|owner| owner.to_string()).as_deref(), Some("HelmRelease data/db"));
    }
}
