//! The suffix that names a generated object by its content.

use flux_core::yaml::{Content, Node};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::Cause;
use super::node::{field, field_text, text};
use super::{gojson, json};

/// The suffix for an object.
pub(super) fn suffix(object: &Node) -> Result<String, Cause> {
    let kind = field_text(object, "kind");
    let content = match kind {
        "ConfigMap" => content(object, kind, &["data"], "binaryData")?,
        "Secret" => content(object, kind, &["type", "data"], "stringData")?,
        other => {
            return Err(Cause::Unsupported(format!("a hash suffix for an object of kind {other}")));
        }
    };
    Ok(encode(&Sha256::digest(gojson::compact(&content).as_bytes())))
}

/// What is hashed: not the name, so that equal content has equal suffixes.
fn content(object: &Node, kind: &str, always: &[&str], sometimes: &str) -> Result<Value, Cause> {
    let mut map = Map::new();
    map.insert("kind".into(), kind.into());
    map.insert("name".into(), "".into());
    for name in always {
        map.insert((*name).to_owned(), value(object, name)?);
    }
    let other = value(object, sometimes)?;
    if other.is_object() {
        map.insert(sometimes.to_owned(), other);
    }
    Ok(Value::Object(map))
}

fn value(object: &Node, name: &str) -> Result<Value, Cause> {
    match field(object, name) {
        None => Ok("".into()),
        Some(node) => match &node.content {
            Content::Scalar(_) => Ok(text(node).into()),
            Content::Mapping(_) => json::to_value(node),
            Content::Sequence(_) => Ok(Value::Null),
        },
    }
}

/// Ten digits of the hash, without those that could spell something.
fn encode(hash: &[u8]) -> String {
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let letter = |digit: u8| match digit {
        0 => 'g',
        1 => 'h',
        3 => 'k',
        10 => 'm',
        14 => 't',
        digit => char::from_digit(u32::from(digit), 16).unwrap_or('g'),
    };
    digits.take(10).map(letter).collect()
}
