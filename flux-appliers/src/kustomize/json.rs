//! Nodes to JSON and back, as kustomize passes through text between its steps.

use flux_core::yaml::{Content, Dialect, Node, Scalar, Style, Tag};
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
                if !top && !is_string_key(key) {
                    return Err(Cause::Object {
                        message: format!("the map key {name} is not a string, which JSON cannot hold"),
                        line: key.line,
                    });
                }
                if map.insert(name.to_owned(), value(item, false, flow)?).is_some() {
                    return Err(Cause::Object {
                        message: format!("mapping key \"{name}\" already defined"),
                        line: key.line,
                    });
                }
            }
            Ok(Value::Object(map))
        }
    }
}

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
    let string = || Ok(Value::String(scalar.text.clone()));
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
    let plain = Scalar { text, tag: None, style: Style::Plain };
    let style = if plain.text.contains('\n') {
        Style::Literal
    } else if plain.resolved_tag() != Tag::Str {
        Style::Double
    } else {
        Style::Plain
    };
    Node::new(Content::Scalar(Scalar { style, tag: Some(Tag::Str), ..plain }))
}
