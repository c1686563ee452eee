//! Events straight to JSON, for documents that need no second look.
//!
//! Anchors, merges, equal keys and whatever is wrong are left to [`Composer`](super::compose::Composer) and
//! [`Node::to_value`](super::Node::to_value), which hold the rules; for all other documents both ways come to the same.

use std::borrow::Cow;

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::Dialect;
use super::events::{Event, Events};
use super::node::{Style, Tag};
use super::value::{key_name, scalar_value};

/// A collection that is open.
enum Open {
    Sequence(Vec<Value>),
    /// With the key whose value is next.
    Mapping(Map<String, Value>, Option<String>),
}

/// Reads the next document and gives the line of its content. `None` where that takes a second look, or where there
/// is no document.
pub(super) fn read_document(events: &mut Events<'_>, dialect: Dialect, depth: usize) -> Option<(Value, usize)> {
    let mut open: Vec<Open> = Vec::new();
    let mut start = None;
    let value = loop {
        let (event, (line, _)) = events.next().ok()??;
        if !matches!(event, Event::DocumentStart) {
            start.get_or_insert(line);
        }
        let done = match event {
            Event::DocumentStart => continue,
            Event::Scalar { anchor: None, tag, text, style } => match open.last_mut() {
                Some(Open::Mapping(_, key @ None)) => {
                    *key = Some(plain_key(text, tag.as_ref(), style, dialect)?);
                    continue;
                }
                _ => scalar_value(text, tag.as_ref(), style, dialect).ok()?,
            },
            // A collection that is a key is no JSON.
            _ if matches!(open.last(), Some(Open::Mapping(_, None))) && !matches!(event, Event::End) => return None,
            Event::SequenceStart(None, _) if open.len() < depth => {
                open.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(None, _) if open.len() < depth => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::End => match open.pop()? {
                Open::Sequence(items) => Value::Array(items),
                Open::Mapping(entries, _) => Value::Object(entries),
            },
            _ => return None,
        };
        match open.last_mut() {
            None => break done,
            Some(Open::Sequence(items)) => items.push(done),
            Some(Open::Mapping(entries, key)) => match (entries.entry(key.take()?), dialect) {
                (Entry::Vacant(entry), _) => drop(entry.insert(done)),
                (Entry::Occupied(mut entry), Dialect::Lax) => drop(entry.insert(done)),
                _ => return None,
            },
        }
    };
    // The end of the document, where what cannot follow its root is found.
    events.next().ok()?;
    Some((value, start?))
}

/// The name of a key that nothing is special about.
fn plain_key(text: Cow<'_, str>, tag: Option<&Tag>, style: Style, dialect: Dialect) -> Option<String> {
    if text == "<<" || tag.is_some() {
        return None;
    }
    let (_, name) = key_name(text.clone(), None, style, dialect).ok()?;
    // The third generation tells keys apart by their texts, not by what these stand for.
    (dialect != Dialect::V3 || name == text).then_some(name)
}
