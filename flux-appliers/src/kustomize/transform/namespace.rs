//! The namespace of all objects, and of what refers to them by namespace.

use std::collections::HashMap;

use flux_core::yaml::{Content, Node, Tag};

use crate::kustomize::chart::HELM_GENERATED;
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::{FieldSpec, Missing, each_field, each_place, matching};
use crate::kustomize::id::Gvk;
use crate::kustomize::node::{self, field_text, text};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::Resource;
use crate::kustomize::schema::Schema;

/// Which subjects of role bindings take on the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::kustomize) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    /// None.
    None,
}

impl Subjects {
    pub(in crate::kustomize) fn read(text: &str) -> Result<Self, Cause> {
        match text {
            "" | "defaultOnly" => Ok(Subjects::Default),
            "allServiceAccounts" => Ok(Subjects::ServiceAccounts),
            "none" => Ok(Subjects::None),
            other => Err(Cause::transform(format!(
                "invalid value \"{other}\" for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \
                 \"allServiceAccounts\""
            ))),
        }
    }
}

/// How a namespace is set.
#[derive(Debug, Clone, Default)]
pub(in crate::kustomize) struct Namespace<'n> {
    pub(in crate::kustomize) name: &'n str,
    pub(in crate::kustomize) specs: &'n [FieldSpec],
    pub(in crate::kustomize) subjects: Subjects,
    /// Only where there is none.
    pub(in crate::kustomize) unset_only: bool,
}

/// Sets the namespace of all objects.
pub(in crate::kustomize) fn set_namespace(
    list: &mut ResMap,
    namespace: &Namespace<'_>,
    schema: &Schema,
) -> Result<(), BuildError> {
    if namespace.name.is_empty() {
        return Ok(());
    }
    let mut ids: HashMap<_, usize> = HashMap::with_capacity(list.len());
    for resource in list.iter() {
        *ids.entry(resource.current_id(schema).key()).or_default() += 1;
    }
    let own = own_field();
    for resource in list.iter_mut() {
        let generated = resource.annotation(HELM_GENERATED) == Some("true");
        if node::is_empty(&resource.node) || generated {
            continue;
        }
        let id = resource.current_id(schema);
        let before = id.key();
        resource.remember(id);
        namespace.set_in(resource, &own, schema).map_err(|cause| resource.error(cause, schema))?;
        let after = resource.current_id(schema);
        if let Some(count) = ids.get_mut(&before) {
            *count -= 1;
        }
        let count = ids.entry(after.key()).or_default();
        *count += 1;
        if *count != 1 {
            let message = format!("namespace transformation produces ID conflict: {after}");
            return Err(resource.error(Cause::transform(message), schema));
        }
    }
    Ok(())
}

/// An object's own namespace.
fn own_field() -> FieldSpec {
    FieldSpec::new(Gvk::default(), "metadata/namespace", true)
}

impl Namespace<'_> {
    /// Sets the namespace of one object.
    pub(in crate::kustomize) fn apply(&self, resource: &mut Resource, schema: &Schema) -> Result<(), Cause> {
        self.set_in(resource, &own_field(), schema)
    }

    /// As [`apply`](Self::apply), with [`own_field`] made beforehand.
    fn set_in(&self, resource: &mut Resource, own: &FieldSpec, schema: &Schema) -> Result<(), Cause> {
        let core = resource.api_version() == "v1";
        let binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
        let mut set = |field: &mut Node| self.set(field);
        if !schema.is_cluster_scoped(resource.api_version(), resource.kind()) {
            each_field(&mut resource.node, own, &Missing::Scalar(None), &mut set)?;
        }
        if binding {
            self.set_subjects(&mut resource.node)?;
        }
        let missing = Missing::Scalar(Some(Tag::Str));
        matching(self.specs, &resource.node)
            .into_iter()
            .filter(|spec| self.applies(spec, core, binding))
            .try_for_each(|spec| each_place(&mut resource.node, spec, &missing, &mut set))
            .map_err(|cause| Cause::transform(format!("namespace transformation failed: {cause}")))
    }

    /// False for the fields that are set in another way.
    fn applies(&self, spec: &FieldSpec, core: bool, binding: bool) -> bool {
        match &*spec.path {
            "metadata/namespace" => false,
            "metadata/name" => core,
            "subjects/namespace" => {
                !(binding && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"))
            }
            _ => true,
        }
    }

    fn set(&self, field: &mut Node) -> Result<(), Cause> {
        if self.unset_only && !node::is_empty(field) && !text(field).is_empty() {
            return Ok(());
        }
        node::set_scalar(field, node::tagged(self.name, Tag::Str))
    }

    fn set_subjects(&self, object: &mut Node) -> Result<(), Cause> {
        let Some(subjects) = node::field_mut(object, "subjects") else { return Ok(()) };
        if self.subjects == Subjects::None || node::is_null(subjects) {
            return Ok(());
        }
        node::expect_sequence(subjects)?;
        let Content::Sequence(subjects) = &mut subjects.content else { return Ok(()) };
        for subject in subjects {
            node::expect_mapping(subject)?;
            let chosen = match self.subjects {
                Subjects::Default => field_text(subject, "name") == "default",
                Subjects::ServiceAccounts => field_text(subject, "kind") == "ServiceAccount",
                Subjects::None => false,
            };
            if chosen && let Some(field) = node::field_or_insert(subject, "namespace", || node::untagged(""))? {
                self.set(field)?;
            }
        }
        Ok(())
    }
}
