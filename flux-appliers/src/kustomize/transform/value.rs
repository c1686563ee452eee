//! The value transformer: one text into fields of selected objects.

use flux_core::yaml::Content;

use super::namespace::Namespace;
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::kustomization::ValueTarget;
use crate::kustomize::node::{self, text};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::schema::Schema;
use crate::kustomize::{path, selector, share};

/// Writes a value into the fields of all targets.
pub(in crate::kustomize) fn add_value(
    list: &mut ResMap,
    value: &str,
    targets: &[ValueTarget],
    schema: &Schema,
) -> Result<(), BuildError> {
    for target in targets {
        let selected: Vec<usize> = match &target.selector {
            Some(chosen) => selector::select(list, chosen, schema)?,
            None => (0..list.len()).collect(),
        };
        for at in selected {
            let Some(resource) = list.list_mut().get_mut(at) else { continue };
            let result = if target.field_path == "metadata/namespace" {
                Namespace { name: value, ..Namespace::default() }.apply(resource, schema)
            } else {
                set(&mut resource.node, value, target)
            };
            result.map_err(|cause| resource.error(cause, schema))?;
            share::spread(resource);
        }
    }
    Ok(())
}

fn set(object: &mut flux_core::yaml::Node, value: &str, target: &ValueTarget) -> Result<(), Cause> {
    let parts = path::split(&target.field_path, '/');
    let (last, parents) = parts.split_last().ok_or_else(|| Cause::transform("fieldPath cannot be empty"))?;
    let mut found = object;
    for part in parents {
        match node::field_or_insert(found, part, node::mapping)? {
            Some(next) => found = next,
            None => return Ok(()),
        }
    }
    let Some(field) = node::field_or_insert(found, last, || node::untagged(""))? else { return Ok(()) };
    node::expect_scalar(field)?;
    let value = match usize::try_from(target.file_path_position) {
        Ok(position) if position > 0 => insert_part(text(field), position - 1, value),
        _ => value.to_owned(),
    };
    if let Content::Scalar(_) = field.content {
        node::set_scalar(field, node::untagged(value))?;
    }
    Ok(())
}

/// Inserts a part into a slash-separated path; at the end where the path is shorter.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    let joined = parts.join("/");
    if rooted { format!("/{joined}") } else { joined }
}
