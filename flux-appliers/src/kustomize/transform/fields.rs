//! Labels, annotations and replica counts.

use flux_core::yaml::Tag;

use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::{FieldSpec, Missing, each_field, each_place, matching};
use crate::kustomize::kustomization::{Replica, StringMap};
use crate::kustomize::node;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::schema::Schema;
use crate::kustomize::share::{self, Entry};

/// Sets labels or annotations in every field that is named.
pub(in crate::kustomize) fn set_entries(
    list: &mut ResMap,
    entries: &StringMap,
    specs: &[FieldSpec],
    schema: &Schema,
) -> Result<(), BuildError> {
    if entries.is_empty() {
        return Ok(());
    }
    for resource in list.iter_mut() {
        let specs = matching(specs, &resource.node);
        for (key, value) in entries {
            let mut entry = Entry::new(resource, key, node::tagged(value.as_str(), Tag::Str));
            for spec in &specs {
                if let Err(cause) = each_place(&mut resource.node, spec, &Missing::Mapping, &mut |map| entry.set(map)) {
                    return Err(resource.error(cause, schema));
                }
            }
            entry.finish(resource);
        }
        share::spread(resource);
    }
    Ok(())
}

/// Sets the replica count of the objects that have or had a name.
pub(in crate::kustomize) fn set_replicas(
    list: &mut ResMap,
    replica: &Replica,
    specs: &[FieldSpec],
    schema: &Schema,
) -> Result<(), BuildError> {
    let mut found = false;
    for spec in specs {
        let matches = list.with_any_id(schema, |id| id.name == replica.name && id.gvk.is_selected(&spec.gvk));
        found |= !matches.is_empty();
        for at in matches {
            let Some(resource) = list.list_mut().get_mut(at) else { continue };
            let mut set = |field: &mut _| node::set_scalar(field, node::tagged(replica.count.to_string(), Tag::Int));
            let missing = Missing::Scalar(Some(Tag::Int));
            if let Err(cause) = each_field(&mut resource.node, spec, &missing, &mut set) {
                return Err(resource.error(cause, schema));
            }
        }
    }
    if !found {
        let kinds: Vec<String> = specs.iter().map(|spec| spec.gvk.to_string()).collect();
        return Err(Cause::transform(format!(
            "resource with name {} does not match a config with the following GVK [{}]",
            replica.name,
            kinds.join(" ")
        ))
        .into());
    }
    Ok(())
}
