//! What a build may take, counted as it goes.

use std::cell::Cell;
use std::rc::Rc;

use flux_core::yaml::{Content, Node};
use serde_json::Value;

use super::Limits;
use super::error::Cause;

/// What a build has taken so far, shared by everything that takes.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Rc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    limits: Limits,
    files: Cell<usize>,
    bytes: Cell<usize>,
    resources: Cell<usize>,
}

fn take(count: &Cell<usize>, more: usize, limit: usize, what: &'static str) -> Result<(), Cause> {
    count.set(count.get().saturating_add(more));
    if count.get() > limit { Err(Cause::Limit { what, limit }) } else { Ok(()) }
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Rc::new(Counts { limits, ..Counts::default() }))
    }

    /// One more file, which may be one that was read before.
    pub(super) fn file(&self, bytes: usize) -> Result<(), Cause> {
        take(&self.0.files, 1, self.0.limits.files, "files")?;
        self.bytes(bytes)
    }

    /// More bytes, read or made by patches and replacements.
    pub(super) fn bytes(&self, more: usize) -> Result<(), Cause> {
        take(&self.0.bytes, more, self.0.limits.bytes, "bytes")
    }

    pub(super) fn resources(&self, more: usize) -> Result<(), Cause> {
        take(&self.0.resources, more, self.0.limits.resources, "resources")
    }
}

/// What each node takes besides its text, about.
const NODE: usize = 32;

/// About how many bytes a node takes.
pub(super) fn size(node: &Node) -> usize {
    NODE + match &node.content {
        Content::Scalar(scalar) => scalar.text.len(),
        Content::Sequence(items) => items.iter().map(size).sum(),
        Content::Mapping(entries) => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

/// About how many bytes a value takes.
pub(super) fn value_size(value: &Value) -> usize {
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| NODE + key.len() + value_size(value)).sum(),
        _ => 0,
    }
}
