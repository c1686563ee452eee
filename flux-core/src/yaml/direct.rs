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

/// Tells which fields of a document's root are wanted.
pub(super) type Wanted<'w> = &'w dyn Fn(&str) -> bool;

/// Reads the next document and gives the line of its content. `None` where that takes a second look, or where there
/// is no document. Fields of its root that are not wanted are passed over.
pub(super) fn read_document(
    events: &mut Events<'_>,
    dialect: Dialect,
    depth: usize,
    wanted: Option<Wanted<'_>>,
) -> Option<(Value, usize)> {
    let mut open: Vec<Open> = Vec::new();
    // Only where the last of equal keys wins need no keys be kept to find faults.
    let wanted = wanted.filter(|_| dialect == Dialect::Lax);
    let mut start = None;
    let value = loop {
        let (event, (line, _)) = events.next().ok()??;
        if !matches!(event, Event::DocumentStart) {
            start.get_or_insert(line);
        }
        let is_root = open.len() == 1;
        let done = match event {
            Event::DocumentStart => continue,
            Event::Scalar { anchor: None, tag, text, style } => match open.last_mut() {
                Some(Open::Mapping(_, key @ None)) => {
                    let name = plain_key(text, tag.as_ref(), style, dialect)?;
                    if is_root && wanted.is_some_and(|wanted| !wanted(&name)) {
                        pass_over(events, dialect, depth - 1)?;
                    } else {
                        *key = Some(name);
                    }
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

/// Reads one node and makes nothing of it. `None` where there is something wrong with it, or it takes a second look.
fn pass_over(events: &mut Events<'_>, dialect: Dialect, depth: usize) -> Option<()> {
    /// What an open collection expects.
    #[derive(Clone, Copy, PartialEq)]
    enum Next {
        Item,
        Key,
        Value,
    }
    let mut open: Vec<Next> = Vec::new();
    loop {
        let (event, _) = events.next().ok()??;
        let is_key = open.last() == Some(&Next::Key);
        match event {
            Event::Scalar { anchor: None, tag, text, style } => {
                let is_text = tag.is_none() && (style != Style::Plain || is_surely_text(&text));
                if is_key {
                    if !is_text {
                        plain_key(text, tag.as_ref(), style, dialect)?;
                    }
                } else if !is_text {
                    scalar_value(text, tag.as_ref(), style, dialect).ok()?;
                }
            }
            _ if is_key && !matches!(event, Event::End) => return None,
            Event::SequenceStart(None, _) if open.len() < depth => {
                open.push(Next::Item);
                continue;
            }
            Event::MappingStart(None, _) if open.len() < depth => {
                open.push(Next::Key);
                continue;
            }
            Event::End => drop(open.pop()?),
            _ => return None,
        }
        match open.last_mut() {
            None => return Some(()),
            Some(Next::Item) => {}
            Some(next @ Next::Key) => *next = Next::Value,
            Some(next @ Next::Value) => *next = Next::Key,
        }
    }
}

/// True for a plain text that can be no boolean, number, null or timestamp, by its length and first letter.
pub(super) fn is_surely_text(text: &str) -> bool {
    text.len() > 5 && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
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
