//! Values that several fields of one object share.
//!
//! Where kustomize adds a label or an annotation to several fields of an object, all of them hold the same node: whatever
//! changes the label in one place later, a patch, another label, a replacement, changes it in all. Only what writes the
//! object anew (a JSON patch) ends this. Users see it where an overlay sets a label anew that its base has added to
//! selectors. A node that is shared has no line, and its group in place of a column.

use flux_core::yaml::{Content, Node, Scalar, Text};

use super::node;
use super::resource::Resource;

/// The groups of fields of one object that share a value, with that value.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares {
    last: u32,
    groups: Vec<(u32, Text)>,
}

/// The group that a node belongs to.
fn group(node: &Node) -> Option<u32> {
    (node.line == 0 && node.column > 0).then_some(node.column)
}

/// Makes a node that takes a field's place take its group over.
pub(super) fn keep_group(new: &mut Node, old: (u32, u32)) {
    if let (0, column @ 1..) = old {
        (new.line, new.column) = (0, column);
    }
}

/// Sets one entry of several mappings of one object; the mappings that have no such entry yet share the one they get.
pub(super) struct Entry<'e> {
    pub(super) key: &'e str,
    pub(super) value: Node,
    group: u32,
    added: usize,
}

impl<'e> Entry<'e> {
    pub(super) fn new(resource: &mut Resource, key: &'e str, value: Node) -> Self {
        resource.shares.last += 1;
        Self { key, value, group: resource.shares.last, added: 0 }
    }

    pub(super) fn set(&mut self, map: &mut Node) -> Result<(), super::error::Cause> {
        let mut value = self.value.clone();
        if node::field(map, self.key).is_none() {
            (value.line, value.column) = (0, self.group);
            self.added += 1;
        }
        node::set_field(map, self.key, value)
    }

    /// Notes what is shared from now on.
    pub(super) fn finish(self, resource: &mut Resource) {
        if self.added > 1 {
            resource.shares.groups.push((self.group, node::text(&self.value).into()));
        }
    }
}

/// Brings what has changed in one place to all that share it.
pub(super) fn spread(resource: &mut Resource) {
    if resource.shares.groups.is_empty() {
        return;
    }
    let groups = &resource.shares.groups;
    let mut changed: Vec<(u32, Scalar)> = Vec::new();
    each(&mut resource.node, &mut |id, scalar| {
        if groups.iter().any(|(group, known)| *group == id && *known != scalar.text) {
            changed.retain(|(group, _)| *group != id);
            changed.push((id, scalar.clone()));
        }
    });
    if changed.is_empty() {
        return;
    }
    each(&mut resource.node, &mut |id, scalar| {
        if let Some((_, new)) = changed.iter().find(|(group, _)| *group == id) {
            scalar.clone_from(new);
        }
    });
    for (group, known) in &mut resource.shares.groups {
        if let Some((_, new)) = changed.iter().find(|(id, _)| id == group) {
            known.clone_from(&new.text);
        }
    }
}

/// Calls `visit` for every scalar that belongs to a group.
fn each(node: &mut Node, visit: &mut dyn FnMut(u32, &mut Scalar)) {
    let group = group(node);
    match &mut node.content {
        Content::Scalar(scalar) => {
            if let Some(group) = group {
                visit(group, scalar);
            }
        }
        Content::Sequence(items) => items.iter_mut().for_each(|item| each(item, visit)),
        Content::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| each(value, visit)),
    }
}
