//! Nodes to JSON and back, as kustomize passes through text between its steps.

use flux_core::yaml::{Content, Dialect, Node, Scalar, Style, Tag};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::error::Cause;
use super::node::{tagged, text};

/// The JSON of a node that was edited: what its text would read as.
pub(super) fn to_value(node: &Node) -> Result<Value, Cause> {
    value(node, true, false)
}

/// `flow` says that the node stands in brackets or braces, where an empty text is written in quotes.
fn value(node: &Node, top: bool, flow: bool) -> Result<Value, Cause> {
    let flow = flow || node.flow;
    match &node.content {
        Content::Scalar(scalar) => scalar_value(scalar, node, flow),
        Content::Sequence(items) => items.iter().map(|item| value(item, false, flow)).collect(),
        Content::Mapping(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (key, item) in entries {
                let name = text(key);
                if !top {
                    check_key(key)?;
                }
                if map.insert(name.to_owned(), value(item, false, flow)?).is_some() {
                    return Err(Cause::Object {
                        message: format!("mapping key \"{name}\" already defined"),
                        line: key.line as usize,
                    });
                }
            }
            Ok(Value::Object(map))
        }
    }
}

/// As [`to_value`], for a node that is not needed any more; its texts move.
pub(super) fn into_value(node: Node) -> Result<Value, Cause> {
    moved(node, true, false)
}

fn moved(node: Node, top: bool, flow: bool) -> Result<Value, Cause> {
    let flow = flow || node.flow;
    match node.content {
        Content::Scalar(Scalar { tag: Some(Tag::Str), text, .. }) => Ok(Value::String(text.into())),
        leaf @ Content::Scalar(_) => value(&Node { content: leaf, ..node }, top, flow),
        Content::Sequence(items) => items.into_iter().map(|item| moved(item, false, flow)).collect(),
        Content::Mapping(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (key, item) in entries {
                if !top {
                    check_key(&key)?;
                }
                let line = key.line as usize;
                let name = match key.content {
                    Content::Scalar(scalar) => scalar.text.into(),
                    _ => String::new(),
                };
                match map.entry(name) {
                    Entry::Vacant(entry) => drop(entry.insert(moved(item, false, flow)?)),
                    Entry::Occupied(entry) => {
                        let message = format!("mapping key \"{}\" already defined", entry.key());
                        return Err(Cause::Object { message, line });
                    }
                }
            }
            Ok(Value::Object(map))
        }
    }
}

/// Fails for a key that JSON cannot hold.
pub(super) fn check_key(key: &Node) -> Result<(), Cause> {
    if is_string_key(key) {
        return Ok(());
    }
    let message = format!("the map key {} is not a string, which JSON cannot hold", text(key));
    Err(Cause::Object { message, line: key.line as usize })
}

/// True for a key that JSON can hold.
fn is_string_key(key: &Node) -> bool {
    match &key.content {
        Content::Scalar(scalar) => {
            matches!(scalar.resolved_tag(), Tag::Str | Tag::Merge | Tag::Binary | Tag::Other(_))
                || scalar.style != Style::Plain
        }
        _ => false,
    }
}

fn scalar_value(scalar: &Scalar, node: &Node, flow: bool) -> Result<Value, Cause> {
    let quoted = scalar.style != Style::Plain || scalar.text.contains('\n');
    let string = || Ok(Value::String(scalar.text.to_string()));
    match &scalar.tag {
        Some(Tag::Str | Tag::Merge | Tag::Other(_)) => string(),
        None if quoted || (flow && scalar.text.is_empty()) => string(),
        Some(tag) if quoted && *tag != Tag::Binary => {
            // The tag goes unwritten where the text has it anyway; then the quotes make it a string.
            let plain = Scalar { text: scalar.text.clone(), tag: None, style: Style::Plain };
            match plain.resolved_tag() == *tag {
                true => string(),
                false => Ok(node.to_value(Dialect::V3)?),
            }
        }
        _ => Ok(node.to_value(Dialect::V3)?),
    }
}

/// A finished object as it is printed: its JSON is read as YAML once more on the way, to which U+0085 is a line break
/// that folds.
pub(super) fn printed(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_ascii() && text.contains(NEXT_LINE) => *text = folded(text),
        Value::Array(items) => items.iter_mut().for_each(printed),
        Value::Object(map) => map.values_mut().for_each(printed),
        _ => {}
    }
}

const NEXT_LINE: char = '\u{85}';

fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.split(NEXT_LINE);
    out.push_str(lines.next().unwrap_or_default());
    let mut breaks = 0;
    for line in lines {
        breaks += 1;
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() {
            continue;
        }
        end_line(&mut out, breaks);
        out.push_str(line);
        breaks = 0;
    }
    if breaks > 0 {
        end_line(&mut out, breaks);
    }
    out
}

/// One break is a space, more of them are one break less.
fn end_line(out: &mut String, breaks: usize) {
    out.truncate(out.trim_end_matches([' ', '\t']).len());
    match breaks {
        1 => out.push(' '),
        more => out.extend(std::iter::repeat_n('\n', more - 1)),
    }
}

/// The nodes of a JSON value, as Go writes it and reads it back: all numbers are floats on the way.
pub(super) fn from_value(value: Value) -> Node {
    match value {
        Value::Null => Node::null(),
        Value::Bool(value) => tagged(value.to_string(), Tag::Bool),
        Value::Number(number) => {
            let written = match number.as_f64() {
                Some(float) => flux_core::yaml::write(&serde_json::json!(float), flux_core::yaml::Layout::Wide),
                None => number.to_string(),
            };
            let mut node = tagged(written.trim_end(), Tag::Int);
            if let Content::Scalar(scalar) = &mut node.content {
                scalar.tag = None;
                scalar.tag = Some(scalar.resolved_tag());
            }
            node
        }
        Value::String(text) => string(text),
        Value::Array(items) => Node::new(Content::Sequence(items.into_iter().map(from_value).collect())),
        Value::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| (string(key), from_value(value))).collect();
            Node::new(Content::Mapping(entries))
        }
    }
}

/// A string in the style that Go would write it in.
fn string(text: String) -> Node {
    let plain = Scalar { text: text.into(), tag: None, style: Style::Plain };
    let style = if plain.text.contains('\n') {
        Style::Literal
    } else if plain.resolved_tag() != Tag::Str {
        Style::Double
    } else {
        Style::Plain
    };
    Node::new(Content::Scalar(Scalar { style, tag: Some(Tag::Str), ..plain }))
}
