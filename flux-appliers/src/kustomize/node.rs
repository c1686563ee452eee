//! The few moves on YAML nodes that everything else here is made of.
//!
//! Kustomize edits nodes as written, not values: a number put where a quoted string stood takes over the quotes and
//! so becomes a string. Tag and style are therefore kept and carried along exactly.

use flux_core::yaml::{Content, Node, Scalar, Style, Tag, Text};

use super::error::Cause;
use super::share;

/// The entries of a mapping; none for anything else.
pub(super) fn entries(node: &Node) -> &[(Node, Node)] {
    match &node.content {
        Content::Mapping(entries) => entries,
        _ => &[],
    }
}

/// The items of a sequence; none for anything else.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.content {
        Content::Sequence(items) => items,
        _ => &[],
    }
}

/// The text of a scalar; empty for anything else.
pub(super) fn text(node: &Node) -> &str {
    match &node.content {
        Content::Scalar(scalar) => &scalar.text,
        _ => "",
    }
}

/// True for a null.
pub(super) fn is_null(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar(Scalar { tag: Some(Tag::Null), .. }))
}

/// True for null, `{}` and `[]`.
pub(super) fn is_empty(node: &Node) -> bool {
    match &node.content {
        Content::Scalar(_) => is_null(node),
        Content::Sequence(items) => items.is_empty(),
        Content::Mapping(entries) => entries.is_empty(),
    }
}

/// True for a scalar that counts as a string: tagged so, or without a tag.
pub(super) fn is_string(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar(Scalar { tag: None | Some(Tag::Str), .. }))
}

/// What the kind of a node is called in errors.
pub(super) fn kind_name(node: &Node) -> &'static str {
    match &node.content {
        Content::Scalar(_) => "a scalar",
        Content::Sequence(_) => "a sequence",
        Content::Mapping(_) => "a mapping",
    }
}

/// The value of a field.
pub(super) fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    entries(node).iter().find(|(key, _)| text(key) == name).map(|(_, value)| value)
}

/// The value of a field.
pub(super) fn field_mut<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut Node> {
    match &mut node.content {
        Content::Mapping(entries) => entries.iter_mut().find(|(key, _)| text(key) == name).map(|(_, value)| value),
        _ => None,
    }
}

/// The text of a field, empty where there is none.
pub(super) fn field_text<'n>(node: &'n Node, name: &str) -> &'n str {
    field(node, name).map_or("", text)
}

/// An empty mapping.
pub(super) fn mapping() -> Node {
    Node::new(Content::Mapping(Vec::new()))
}

/// An empty sequence.
pub(super) fn sequence() -> Node {
    Node::new(Content::Sequence(Vec::new()))
}

/// A scalar without a tag: what its text looks like decides.
pub(super) fn untagged(text: impl Into<Text>) -> Node {
    Node::new(Content::Scalar(Scalar::plain(text)))
}

/// A scalar with a tag.
pub(super) fn tagged(text: impl Into<Text>, tag: Tag) -> Node {
    Node::new(Content::Scalar(Scalar { text: text.into(), tag: Some(tag), style: Style::Plain }))
}

/// Removes a field; gives back its value.
pub(super) fn clear(node: &mut Node, name: &str) -> Option<Node> {
    let Content::Mapping(entries) = &mut node.content else { return None };
    let index = entries.iter().position(|(key, _)| text(key) == name)?;
    Some(entries.remove(index).1)
}

/// Fails unless the node is a mapping or null.
pub(super) fn expect_mapping(node: &Node) -> Result<(), Cause> {
    match &node.content {
        Content::Mapping(_) => Ok(()),
        _ if is_null(node) => Ok(()),
        _ => Err(Cause::kind("a mapping", node)),
    }
}

/// Fails unless the node is a sequence or null.
pub(super) fn expect_sequence(node: &Node) -> Result<(), Cause> {
    match &node.content {
        Content::Sequence(_) => Ok(()),
        _ if is_null(node) => Ok(()),
        _ => Err(Cause::kind("a sequence", node)),
    }
}

/// Fails unless the node is a scalar.
pub(super) fn expect_scalar(node: &Node) -> Result<(), Cause> {
    match &node.content {
        Content::Scalar(_) => Ok(()),
        _ => Err(Cause::kind("a scalar", node)),
    }
}

fn style(node: &Node) -> Style {
    match &node.content {
        Content::Scalar(scalar) => scalar.style,
        _ => Style::Plain,
    }
}

/// The style of a scalar; plain for anything else.
pub(super) fn style_only(node: &Node) -> Style {
    style(node)
}

/// A value as it stands once set as a field: quoted where it is ambiguous, in the style of what it replaces.
pub(super) fn with_style(mut value: Node, old: Option<Style>) -> Node {
    quote_if_ambiguous(&mut value);
    if let (Some(old), Content::Scalar(scalar)) = (old, &mut value.content) {
        scalar.style = old;
    }
    value
}

/// True for `{}` and null.
pub(super) fn is_empty_mapping(node: &Node) -> bool {
    match &node.content {
        Content::Mapping(entries) => entries.is_empty(),
        _ => is_null(node),
    }
}

/// Quotes a string that YAML 1.1 would read as something else.
fn quote_if_ambiguous(value: &mut Node) {
    if let Content::Scalar(scalar) = &mut value.content
        && matches!(scalar.tag, None | Some(Tag::Str))
        && scalar.style == Style::Plain
        && is_ambiguous(&scalar.text)
    {
        scalar.style = Style::Double;
    }
}

/// True where YAML 1.1 reads a plain text as something else than a string.
fn is_ambiguous(text: &str) -> bool {
    if text.is_empty() || text.contains('\n') {
        return false;
    }
    let plain_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'.' | b'_');
    if text.bytes().all(plain_word) && !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) {
        let word = matches!(text.len(), 1..=5) && is_word(text);
        return word;
    }
    matches!(flux_core::yaml::read(text.as_bytes(), &Default::default()), Ok(value) if !value.is_string())
}

fn is_word(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null")
        && matches!(flux_core::yaml::read(text.as_bytes(), &Default::default()), Ok(value) if !value.is_string())
}

/// Sets a field of a mapping; a null removes it. A key that is made has no tag: one that looks like a number is one, and
/// has no place in JSON. The value takes over the style of what it replaces.
pub(super) fn set_field(node: &mut Node, name: &str, mut value: Node) -> Result<(), Cause> {
    quote_if_ambiguous(&mut value);
    expect_mapping(node)?;
    if is_null(&value) {
        clear(node, name);
        return Ok(());
    }
    if let Some(old) = field_mut(node, name) {
        take_style(&mut value, old);
        share::keep_group(&mut value, (old.line, old.column));
        *old = value;
    } else if let Content::Mapping(entries) = &mut node.content {
        entries.push((untagged(name), value));
    }
    Ok(())
}

/// Sets a field without any of the care of [`set_field`]: a null stays.
pub(super) fn put_field(node: &mut Node, name: &str, value: Node) {
    if let Some(old) = field_mut(node, name) {
        *old = value;
    } else if let Content::Mapping(entries) = &mut node.content {
        entries.push((untagged(name), value));
    }
}

fn take_style(value: &mut Node, old: &Node) {
    let old = style(old);
    if let Content::Scalar(scalar) = &mut value.content {
        scalar.style = old;
    }
}

/// Replaces a scalar; the new one takes over the style.
pub(super) fn set_scalar(node: &mut Node, mut value: Node) -> Result<(), Cause> {
    expect_scalar(node)?;
    if is_null(&value) {
        return Ok(());
    }
    let Content::Scalar(new) = &mut value.content else { return Err(Cause::kind("a scalar", &value)) };
    new.style = style(node);
    let (line, column) = (node.line, node.column);
    *node = Node { line, column, ..value };
    Ok(())
}

/// Gives a scalar another text and leaves tag and style.
pub(super) fn set_text(node: &mut Node, text: impl Into<Text>) {
    if let Content::Scalar(scalar) = &mut node.content {
        scalar.text = text.into();
    }
}

/// The value of a field, made as `make` says where it is not there. A null or another kind of node is an error or,
/// for null, `None`.
pub(super) fn field_or_insert<'n>(
    node: &'n mut Node,
    name: &str,
    make: impl FnOnce() -> Node,
) -> Result<Option<&'n mut Node>, Cause> {
    expect_mapping(node)?;
    let Content::Mapping(entries) = &mut node.content else { return Ok(None) };
    let index = match entries.iter().position(|(key, _)| text(key) == name) {
        Some(index) => index,
        None => {
            entries.push((untagged(name), make()));
            entries.len() - 1
        }
    };
    Ok(entries.get_mut(index).map(|(_, value)| value))
}

/// Writes tags out, so that later changes of style and text do not change the kind of a scalar.
pub(super) fn write_tags(node: &mut Node) {
    match &mut node.content {
        Content::Scalar(scalar) => match scalar.tag {
            None => scalar.tag = Some(scalar.resolved_tag()),
            // A tag that was written stays whatever the quotes say.
            Some(Tag::Int | Tag::Float | Tag::Bool | Tag::Null | Tag::Timestamp) => scalar.style = Style::Plain,
            Some(_) => {}
        },
        Content::Sequence(items) => items.iter_mut().for_each(write_tags),
        Content::Mapping(entries) => {
            for (key, value) in entries {
                write_tags(key);
                write_tags(value);
            }
        }
    }
}
