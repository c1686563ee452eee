//! Text to resources, as kustomize reads it.

use flux_core::yaml::{self, Content, Limits, Node, Scalar, Style, Tag};
use serde_json::Value;

use super::error::Cause;
use super::json;
use super::node::{self, field, field_text, text};
use super::resource::Resource;

/// Reads the objects of a text. Lists are unpacked, empty documents dropped.
pub(super) fn resources(bytes: &[u8], limits: Limits) -> Result<Vec<Resource>, Cause> {
    let mut nodes = nodes(bytes, limits)?;
    drop_bad(&mut nodes)?;
    let resource = |node| {
        let mut resource = Resource::new(node);
        resource.recall()?;
        Ok(resource)
    };
    inline_lists(nodes)?.into_iter().map(resource).collect()
}

/// Reads the documents of a text as nodes with their tags written out.
fn nodes(bytes: &[u8], limits: Limits) -> Result<Vec<Node>, Cause> {
    let source = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("\r\n") => text.replace("\r\n", "\n").into_bytes(),
        _ => bytes.to_vec(),
    };
    let documents = split(&source)?;
    let only = documents.len() == 1;
    let mut nodes = Vec::with_capacity(documents.len());
    for (line, document) in documents {
        let Some(mut node) = yaml::read_first_node(document, limits).map_err(|mut error| {
            error.line += line;
            error
        })?
        else {
            continue;
        };
        settle(&mut node, line)?;
        if node::is_null(&node) {
            continue;
        }
        if only && matches!(field_text(&node, "kind"), "List" | "ResourceList") {
            let wraps = field(&node, "items").is_some() || field(&node, "functionConfig").is_some();
            if wraps {
                if let Some(items) = node::clear(&mut node, "items")
                    && let Content::Sequence(items) = items.content
                {
                    nodes.extend(items);
                }
                continue;
            }
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// Splits a text at its document separators; each part with the number of lines before it.
fn split(source: &[u8]) -> Result<Vec<(usize, &[u8])>, Cause> {
    let mut documents = Vec::new();
    if source.is_empty() {
        return Ok(documents);
    }
    let (mut start, mut lines_before, mut at) = (0, 0, 0);
    while let Some(found) = find(source.get(at..).unwrap_or_default(), b"\n---") {
        let separator = at + found;
        let rest = source.get(separator + 4..).unwrap_or_default();
        let Some(end) = rest.iter().position(|b| *b == b'\n') else { break };
        let comment = rest.get(..end).unwrap_or_default().trim_ascii();
        if !comment.is_empty() && comment.first() != Some(&b'#') {
            let line = lines(source.get(..=separator).unwrap_or_default()) + 1;
            let message = format!(
                "invalid document separator: ---{}",
                String::from_utf8_lossy(rest.get(..end).unwrap_or_default())
            );
            return Err(Cause::Object { message, line });
        }
        // The line break before the separator belongs to the document.
        let document = source.get(start..=separator).unwrap_or_default();
        let next = separator + 4 + end + 1;
        documents.push((lines_before, document));
        lines_before += lines(source.get(start..next).unwrap_or_default());
        (start, at) = (next, next);
    }
    documents.push((lines_before, source.get(start..).unwrap_or_default()));
    Ok(documents)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|b| **b == b'\n').count()
}

/// Writes tags out, applies merge keys and makes lines count from the start of the file.
pub(super) fn settle(node: &mut Node, lines_before: usize) -> Result<(), Cause> {
    apply_merges(node)?;
    node::write_tags(node);
    if lines_before > 0 {
        shift_lines(node, u32::try_from(lines_before).unwrap_or(u32::MAX));
    }
    Ok(())
}

fn shift_lines(node: &mut Node, by: u32) {
    node.line = node.line.saturating_add(by);
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::Sequence(items) => items.iter_mut().for_each(|item| shift_lines(item, by)),
        Content::Mapping(entries) => entries.iter_mut().for_each(|(key, value)| {
            shift_lines(key, by);
            shift_lines(value, by);
        }),
    }
}

/// Replaces merge keys by what they take in; keys that are set win.
fn apply_merges(node: &mut Node) -> Result<(), Cause> {
    match &mut node.content {
        Content::Scalar(_) => Ok(()),
        Content::Sequence(items) => items.iter_mut().try_for_each(apply_merges),
        Content::Mapping(entries) => {
            let mut merges = entries.iter().enumerate().filter(|(_, (key, _))| key.is_merge_key()).map(|(i, _)| i);
            if let Some(at) = merges.next() {
                if merges.next().is_some() {
                    return Err(Cause::Object { message: "duplicate merge key".into(), line: node.line as usize });
                }
                let (_, source) = entries.remove(at);
                for mapping in merge_sources(source)? {
                    for (key, value) in mapping {
                        if !entries.iter().any(|(known, _)| text(known) == text(&key)) {
                            entries.push((key, value));
                        }
                    }
                }
            }
            entries.iter_mut().try_for_each(|(_, value)| apply_merges(value))
        }
    }
}

/// The mappings that a merge key takes in, in order of precedence.
fn merge_sources(source: Node) -> Result<Vec<Vec<(Node, Node)>>, Cause> {
    let wrong =
        |line| Cause::Object { message: "map merge requires map or sequence of maps as the value".into(), line };
    let one = |node: Node| match node.content {
        Content::Mapping(entries) => Ok(entries),
        _ => Err(wrong(node.line as usize)),
    };
    let mut sources = match source.content {
        Content::Sequence(items) => items.into_iter().map(one).collect::<Result<Vec<_>, _>>()?,
        _ => vec![one(source)?],
    };
    for entries in &mut sources {
        let mut node = Node::new(Content::Mapping(std::mem::take(entries)));
        apply_merges(&mut node)?;
        if let Content::Mapping(applied) = node.content {
            *entries = applied;
        }
    }
    Ok(sources)
}

/// Drops empty documents and fails on what is not an object.
fn drop_bad(nodes: &mut Vec<Node>) -> Result<(), Cause> {
    nodes.retain(|node| !node::is_empty(node));
    nodes.iter().try_for_each(check_object)
}

/// Fails unless a node has a kind and, lists apart, a name.
pub(super) fn check_object(object: &Node) -> Result<(), Cause> {
    let fail = |message: &str| Err(Cause::Object { message: message.to_owned(), line: object.line as usize });
    let present = |name: &str| field(object, name).is_some_and(|value| !node::is_empty(value));
    let metadata = field(object, "metadata").filter(|meta| !node::is_empty(meta));
    let named = |name: &str| metadata.and_then(|meta| field(meta, name)).filter(|value| !node::is_empty(value));
    let any_metadata = ["name", "namespace", "labels", "annotations"].iter().any(|name| named(name).is_some());
    if !present("apiVersion") && !present("kind") && !any_metadata {
        return fail("missing Resource metadata");
    }
    let kind = if present("kind") { field_text(object, "kind") } else { "" };
    if kind.is_empty() {
        return fail("missing kind in object");
    }
    if kind.ends_with("List") {
        return Ok(());
    }
    match named("name").map(text) {
        None | Some("") => fail(&format!("missing metadata.name in object of kind {kind}")),
        Some(_) => Ok(()),
    }
}

/// Replaces objects whose kind ends in `List` by their items, which come after everything else.
fn inline_lists(nodes: Vec<Node>) -> Result<Vec<Node>, Cause> {
    let mut queue = std::collections::VecDeque::from(nodes);
    let mut result = Vec::with_capacity(queue.len());
    while let Some(node) = queue.pop_front() {
        let kind = field_text(&node, "kind");
        let is_list = kind.ends_with("List") && field(&node, "items").is_some();
        if !is_list {
            result.push(node);
            continue;
        }
        let line = node.line;
        let Value::Object(mut list) = json::to_value(&node)? else { continue };
        match list.remove("items") {
            Some(Value::Array(items)) => {
                for item in items {
                    let mut item = from_json(item, line);
                    if node::is_empty(&item) {
                        continue;
                    }
                    check_object(&item)?;
                    item.line = line;
                    queue.push_back(item);
                }
            }
            Some(Value::Null) | None => {}
            Some(_) => {
                return Err(Cause::Object { message: format!("expected array in {kind}/items"), line: line as usize });
            }
        }
    }
    Ok(result)
}

/// A value as the nodes of its JSON text.
fn from_json(value: Value, line: u32) -> Node {
    let content = match value {
        Value::String(text) => Content::Scalar(Scalar { text: text.into(), tag: Some(Tag::Str), style: Style::Double }),
        Value::Array(items) => Content::Sequence(items.into_iter().map(|item| from_json(item, line)).collect()),
        Value::Object(map) => {
            let key =
                |text: String| Content::Scalar(Scalar { text: text.into(), tag: Some(Tag::Str), style: Style::Double });
            let entry =
                |(name, value)| (Node { content: key(name), line, column: 0, flow: false }, from_json(value, line));
            Content::Mapping(map.into_iter().map(entry).collect())
        }
        other => {
            let mut node = node::untagged(other.to_string());
            node::write_tags(&mut node);
            node.content
        }
    };
    Node { content, line, column: 0, flow: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Resource>, Cause> {
        resources(text.as_bytes(), Limits::default())
    }

    #[test]
    fn documents_keep_their_lines() {
        let text = "kind: A\nmetadata: {name: a}\n--- # second\nkind: B\nmetadata: {name: b}\n";
        let found = read(text).unwrap();
        assert_eq!(
            found.iter().map(|r| (r.kind().to_owned(), r.line)).collect::<Vec<_>>(),
            [("A".into(), 1), ("B".into(), 4)]
        );
        assert!(read("kind: A\nmetadata: {name: a}\n--- x\nkind: B\n").is_err());
    }

    #[test]
    fn lists_are_unpacked() {
        let text = "kind: ConfigMapList\nitems:\n- kind: ConfigMap\n  metadata: {name: a}\n";
        assert_eq!(read(text).unwrap().first().map(|r| r.name().to_owned()), Some("a".into()));
    }
}
