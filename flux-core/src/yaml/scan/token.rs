use std::borrow::Cow;

use super::cursor::Mark;
use crate::yaml::node::Style;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Kind<'t> {
    StreamEnd,
    /// `%YAML`, with the numbers of the version.
    Version(u8, u8),
    /// `%TAG`, with the handle; the prefix is the token's text.
    TagDirective(&'t str),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    /// Before a key, with or without `?`.
    Key,
    Value,
    /// The name is the token's text.
    Alias,
    /// The name is the token's text.
    Anchor,
    /// With the handle, empty for a tag that has none; the rest is the token's text.
    Tag(&'t str),
    Scalar(Style),
}

/// One token of a text.
#[derive(Debug, Clone)]
pub(in super::super) struct Token<'t> {
    pub(in super::super) kind: Kind<'t>,
    /// Where it starts.
    pub(in super::super) at: Mark,
    pub(in super::super) text: Cow<'t, str>,
    /// The flow level whose simple key may start with this token.
    pub(super) key_level: Option<usize>,
}
