//! Field specifications: which field of which kinds a transformer works on.

use std::sync::Arc;

use flux_core::yaml::{Content, Node, Tag};
use smol_str::SmolStr;

use super::error::Cause;
use super::id::{Gvk, split_api_version};
use super::node::{self, field_text};
use super::path;

/// A field of the kinds that its group, version and kind select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldSpec {
    pub(super) gvk: Gvk,
    pub(super) path: Arc<str>,
    /// Made where it is missing.
    pub(super) create: bool,
    parts: Arc<[SmolStr]>,
}

impl FieldSpec {
    pub(super) fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        let parts = match path.contains('\\') {
            true => path::split(path, '/').into_iter().map(SmolStr::from).collect(),
            // An absolute path is the same one.
            false => path.strip_prefix('/').unwrap_or(path).split('/').map(SmolStr::from).collect(),
        };
        Self { gvk, path: Arc::from(path), create, parts }
    }

    fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        fits(&self.gvk.kind, kind) && fits(&self.gvk.group, group) && fits(&self.gvk.version, version)
    }
}

/// The specifications that are for an object.
pub(super) fn matching<'s>(specs: &'s [FieldSpec], object: &Node) -> Vec<&'s FieldSpec> {
    let kind = field_text(object, "kind");
    let (group, version) = split_api_version(field_text(object, "apiVersion"));
    specs.iter().filter(|spec| spec.selects(group, version, kind)).collect()
}

/// What a transformer makes where its field is missing, if it may.
#[derive(Debug, Clone)]
pub(super) enum Missing {
    /// Nothing.
    Leave,
    /// A scalar; a null takes on this tag.
    Scalar(Option<Tag>),
    /// A mapping.
    Mapping,
}

/// Calls `set` for every field of an object that a specification names.
pub(super) fn each_field(
    object: &mut Node,
    spec: &FieldSpec,
    missing: &Missing,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<(), Cause> {
    each_field_of(object, std::slice::from_ref(spec), missing, set)
}

/// Calls `set` for every field that a specification names, of an object that it is for.
pub(super) fn each_place(
    object: &mut Node,
    spec: &FieldSpec,
    missing: &Missing,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let missing = if spec.create { missing } else { &Missing::Leave };
    walk(object, &spec.parts, missing, set).map_err(Cause::field(&*spec.path))
}

/// Calls `set` for every field of an object that any of several specifications names.
pub(super) fn each_field_of(
    object: &mut Node,
    specs: &[FieldSpec],
    missing: &Missing,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<(), Cause> {
    matching(specs, object).into_iter().try_for_each(|spec| each_place(object, spec, missing, set))
}

fn walk(
    node: &mut Node,
    path: &[SmolStr],
    missing: &Missing,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let Some((part, rest)) = path.split_first() else { return set(node) };
    if node::is_null(node) {
        return Ok(());
    }
    match &mut node.content {
        Content::Sequence(items) => items.iter_mut().try_for_each(|item| walk(item, path, missing, set)),
        Content::Mapping(_) => {
            let name = part.strip_suffix("[]").unwrap_or(part);
            if name.is_empty() {
                return Err(Cause::transform("cannot set or create an empty field name"));
            }
            let sequence = name.len() != part.len();
            let missing_here = match missing {
                _ if sequence => &Missing::Leave,
                Missing::Leave => &Missing::Leave,
                missing if rest.is_empty() => missing,
                _ => &Missing::Mapping,
            };
            let found = match missing_here {
                Missing::Leave => node::field_mut(node, name),
                Missing::Scalar(_) => node::field_or_insert(node, name, || node::untagged(""))?,
                Missing::Mapping => node::field_or_insert(node, name, node::mapping)?,
            };
            let Some(found) = found else { return Ok(()) };
            if node::is_null(found) {
                fill_null(found, missing_here, sequence);
            }
            walk(found, rest, missing, set)
        }
        Content::Scalar(_) => Err(Cause::transform("expected sequence or mapping node")),
    }
}

/// A null at a place that has a kind takes on this kind.
fn fill_null(node: &mut Node, missing: &Missing, sequence: bool) {
    match missing {
        _ if sequence => node.content = Content::Sequence(Vec::new()),
        Missing::Leave => {}
        Missing::Mapping => node.content = Content::Mapping(Vec::new()),
        Missing::Scalar(tag) => {
            if let Content::Scalar(scalar) = &mut node.content {
                scalar.tag.clone_from(tag);
            }
        }
    }
}
