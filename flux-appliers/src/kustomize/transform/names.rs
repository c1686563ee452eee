//! Name prefixes, suffixes and content hashes.

use flux_core::yaml::{Node, Tag};

use crate::kustomize::error::BuildError;
use crate::kustomize::fieldspec::{FieldSpec, Missing, each_field};
use crate::kustomize::id::Id;
use crate::kustomize::node::{self, text};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::schema::Schema;

/// Where a text is added to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kustomize) enum End {
    Prefix,
    Suffix,
}

/// Kinds whose names are given from outside.
fn keeps_name(id: &Id) -> bool {
    matches!(id.gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
        || (id.gvk.kind == "APIService" && id.gvk.group == "apiregistration.k8s.io")
}

/// Adds a text to one end of the names of all objects.
pub(in crate::kustomize) fn affix(
    list: &mut ResMap,
    end: End,
    affix: &str,
    specs: &[FieldSpec],
    schema: &Schema,
) -> Result<(), BuildError> {
    for resource in list.iter_mut() {
        let id = resource.original_id(schema);
        if keeps_name(&id) {
            continue;
        }
        for spec in specs.iter().filter(|spec| id.gvk.is_selected(&spec.gvk)) {
            if &*spec.path == "metadata/name" && !affix.is_empty() {
                match end {
                    End::Prefix => resource.memory.prefixes.push(affix.to_owned()),
                    End::Suffix => resource.memory.suffixes.push(affix.to_owned()),
                }
                resource.remember_id(schema);
            }
            let mut set = |field: &mut Node| {
                let name = match end {
                    End::Prefix => format!("{affix}{}", text(field)),
                    End::Suffix => format!("{}{affix}", text(field)),
                };
                node::set_scalar(field, node::untagged(name))
            };
            let missing = Missing::Scalar(Some(Tag::Str));
            if let Err(cause) = each_field(&mut resource.node, spec, &missing, &mut set) {
                return Err(resource.error(cause, schema));
            }
        }
    }
    Ok(())
}

/// Adds the hash of their content to the names of generated objects.
pub(in crate::kustomize) fn add_hashes(list: &mut ResMap, schema: &Schema) -> Result<(), BuildError> {
    for resource in list.iter_mut().filter(|resource| resource.memory.needs_hash) {
        let named = crate::kustomize::hash::suffix(&resource.node).and_then(|hash| {
            resource.remember_id(schema);
            let name = format!("{}-{hash}", resource.name());
            resource.set_name(&name)
        });
        if let Err(cause) = named {
            return Err(resource.error(cause, schema));
        }
    }
    Ok(())
}
