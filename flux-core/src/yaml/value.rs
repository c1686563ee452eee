//! Nodes to JSON, as each of Go's readers makes it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::Dialect;
use super::error::{YamlCause, YamlError};
use super::node::{Content, Node, Scalar, Style, Tag};
use super::number::{go_float, json_number};
use super::scalar::{Resolved, resolve, timestamp};

impl Node {
    /// The JSON that Go makes of this node.
    ///
    /// # Errors
    /// Where JSON has no form for it: see [`YamlCause`].
    pub fn to_value(&self, dialect: Dialect) -> Result<Value, YamlError> {
        let at = self.at();
        match &self.content {
            Content::Scalar(scalar) => scalar_value((&*scalar.text).into(), scalar.tag.as_ref(), scalar.style, dialect)
                .map_err(|cause| YamlError::new(at, cause)),
            Content::Sequence(items) => items.iter().map(|item| item.to_value(dialect)).collect(),
            Content::Mapping(entries) => mapping(entries, dialect).map(Value::Object),
        }
    }

    /// True for the key `<<` of a merge.
    pub fn is_merge_key(&self) -> bool {
        match &self.content {
            Content::Scalar(s) if s.text == "<<" => match s.tag {
                None => s.style == Style::Plain,
                Some(ref tag) => *tag == Tag::Merge,
            },
            _ => false,
        }
    }
}

impl Scalar {
    /// The tag: the one written, or what text and style say (YAML 1.2 booleans, as Go's third generation has it).
    pub fn resolved_tag(&self) -> Tag {
        match &self.tag {
            Some(tag) => tag.clone(),
            None if self.style != Style::Plain => Tag::Str,
            None if self.text == "<<" => Tag::Merge,
            None => resolve(&self.text, false).tag(),
        }
    }
}

/// The value of a scalar with this text, tag and style.
pub(super) fn scalar_value(
    text: Cow<'_, str>,
    tag: Option<&Tag>,
    style: Style,
    dialect: Dialect,
) -> Result<Value, YamlCause> {
    match resolve_scalar(&text, tag, style, dialect)? {
        Resolved::Null => Ok(Value::Null),
        Resolved::Bool(value) => Ok(Value::Bool(value)),
        Resolved::Int(value) => Ok(value.into()),
        Resolved::Uint(value) => Ok(value.into()),
        Resolved::Float(value) => json_number(value).map(Value::Number).ok_or_else(|| {
            YamlCause::NotFinite(if value.is_nan() { "NaN".into() } else { format!("{value:+}").replace("inf", "Inf") })
        }),
        Resolved::Timestamp(time) => Ok(Value::String(timestamp_text(time, text, tag, dialect))),
        Resolved::Str => string(text, tag).map(Value::String),
    }
}

/// Go's second generation leaves a timestamp as it is written, unless its tag says that it is one.
fn timestamp_text(time: String, text: Cow<'_, str>, tag: Option<&Tag>, dialect: Dialect) -> String {
    if dialect == Dialect::V3 || tag.is_some() { time } else { text.into_owned() }
}

fn string(text: Cow<'_, str>, tag: Option<&Tag>) -> Result<String, YamlCause> {
    if tag == Some(&Tag::Binary) {
        return Ok(String::from_utf8_lossy(&decode_base64(&text)?).into_owned());
    }
    Ok(text.into_owned())
}

fn resolve_scalar(text: &str, tag: Option<&Tag>, style: Style, dialect: Dialect) -> Result<Resolved, YamlCause> {
    let words = dialect != Dialect::V3;
    let Some(tag) = tag else {
        return Ok(match style {
            Style::Plain => resolve(text, words),
            _ => Resolved::Str,
        });
    };
    let found = match tag {
        Tag::Str | Tag::Binary | Tag::Merge | Tag::Other(_) => return Ok(Resolved::Str),
        Tag::Timestamp => timestamp(text).map_or(Resolved::Str, Resolved::Timestamp),
        _ => match resolve(text, words) {
            Resolved::Timestamp(_) => Resolved::Str,
            other => other,
        },
    };
    match (tag, found) {
        (Tag::Float, Resolved::Int(value)) => Ok(Resolved::Float(value as f64)),
        (tag, found) if found.tag() == *tag => Ok(found),
        (tag, found) => {
            Err(YamlCause::TagMismatch { found: found.tag().name(), text: text.to_owned(), tag: tag.name() })
        }
    }
}

/// Builds one JSON object, minding duplicates and merges.
struct Object {
    map: Map<String, Value>,
    dialect: Dialect,
    /// The line of each key that is set; keys of different types differ, as they do in Go's maps.
    lines: HashMap<(Kind, String), usize>,
}

/// The type of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    String,
    Number,
    Bool,
}

fn mapping(entries: &[(Node, Node)], dialect: Dialect) -> Result<Map<String, Value>, YamlError> {
    let mut object = Object { map: Map::with_capacity(entries.len()), dialect, lines: HashMap::new() };
    match dialect {
        Dialect::V3 => object.third_generation(entries)?,
        Dialect::Lax | Dialect::Strict => object.second_generation(entries)?,
    }
    Ok(object.map)
}

impl Object {
    /// Merges apply where they stand, so a later `<<` overrides an earlier key.
    fn second_generation(&mut self, entries: &[(Node, Node)]) -> Result<(), YamlError> {
        for (key, value) in entries {
            if key.is_merge_key() {
                for source in merge_sources(value)?.iter().rev() {
                    self.second_generation(source)?;
                }
                continue;
            }
            let (kind, name) = node_key(key, self.dialect)?;
            let value = value.to_value(self.dialect)?;
            if self.dialect == Dialect::Strict {
                match self.lines.entry((kind, name.clone())) {
                    Entry::Vacant(line) => {
                        line.insert(key.at().0);
                    }
                    Entry::Occupied(line) => {
                        let cause = YamlCause::DuplicateKey { key: name, first: *line.get() };
                        return Err(YamlError::new(key.at(), cause));
                    }
                }
                // Keys that differ in type only: both pass, one survives.
                self.map.entry(name).or_insert(value);
            } else {
                self.map.insert(name, value);
            }
        }
        Ok(())
    }

    /// Keys are unique by their text, and merges only fill what is not set.
    fn third_generation(&mut self, entries: &[(Node, Node)]) -> Result<(), YamlError> {
        unique_keys(entries)?;
        let mut merge = None;
        for (key, value) in entries {
            if key.is_merge_key() {
                merge = Some(value);
                continue;
            }
            let (_, name) = node_key(key, self.dialect)?;
            let value = value.to_value(self.dialect)?;
            self.map.insert(name, value);
        }
        let Some(merge) = merge else { return Ok(()) };
        for source in merge_sources(merge)? {
            for (name, value) in mapping(source, self.dialect)? {
                self.map.entry(name).or_insert(value);
            }
        }
        Ok(())
    }
}

/// Fails where two scalar keys of a mapping have the same text.
fn unique_keys(entries: &[(Node, Node)]) -> Result<(), YamlError> {
    let mut lines = HashMap::with_capacity(entries.len());
    for (key, _) in entries {
        let Content::Scalar(scalar) = &key.content else { continue };
        if let Some(first) = lines.insert(scalar.text.as_str(), key.at().0) {
            let cause = YamlCause::DuplicateKey { key: scalar.text.to_string(), first };
            return Err(YamlError::new(key.at(), cause));
        }
    }
    Ok(())
}

/// The mappings that a merge key takes in, the first taking precedence.
fn merge_sources(value: &Node) -> Result<Vec<&[(Node, Node)]>, YamlError> {
    let one = |node: &'_ Node| match &node.content {
        Content::Mapping(_) => Ok(()),
        _ => Err(YamlError::new(node.at(), YamlCause::InvalidMerge)),
    };
    let sources: Vec<&Node> = match &value.content {
        Content::Sequence(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut entries = Vec::with_capacity(sources.len());
    for source in sources {
        one(source)?;
        if let Content::Mapping(found) = &source.content {
            entries.push(found.as_slice());
        }
    }
    Ok(entries)
}

fn node_key(key: &Node, dialect: Dialect) -> Result<(Kind, String), YamlError> {
    let found = match &key.content {
        Content::Scalar(scalar) => key_name((&*scalar.text).into(), scalar.tag.as_ref(), scalar.style, dialect),
        Content::Sequence(_) => Err(YamlCause::InvalidKey("a sequence".into())),
        Content::Mapping(_) => Err(YamlCause::InvalidKey("a mapping".into())),
    };
    found.map_err(|cause| YamlError::new(key.at(), cause))
}

/// The name of a scalar that is a key.
pub(super) fn key_name(
    text: Cow<'_, str>,
    tag: Option<&Tag>,
    style: Style,
    dialect: Dialect,
) -> Result<(Kind, String), YamlCause> {
    let v3 = dialect == Dialect::V3;
    let invalid = |what: String| Err(YamlCause::InvalidKey(what));
    match resolve_scalar(&text, tag, style, dialect)? {
        Resolved::Null => invalid("null".into()),
        Resolved::Bool(value) if v3 => invalid(format!("the boolean {value}")),
        Resolved::Float(_) if v3 => invalid(format!("the float {text}")),
        Resolved::Bool(value) => Ok((Kind::Bool, value.to_string())),
        Resolved::Int(value) => Ok((Kind::Number, value.to_string())),
        Resolved::Uint(value) => Ok((Kind::Number, value.to_string())),
        Resolved::Float(value) => Ok((Kind::Number, float_key(value))),
        Resolved::Timestamp(time) => Ok((Kind::String, timestamp_text(time, text, tag, dialect))),
        Resolved::Str => string(text, tag).map(|text| (Kind::String, text)),
    }
}

/// Go writes float keys with the precision of 32 bits.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf".into() } else { "-.inf".into() };
    }
    let short = value as f32;
    if short.is_finite() { go_float(short.to_string().parse().unwrap_or(value)) } else { go_float(value) }
}

/// Go's Base64: padded, with line breaks passed over and the bits of the last letter that carry nothing not looked at.
fn decode_base64(text: &str) -> Result<Vec<u8>, YamlCause> {
    const ENGINE: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let letters: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    ENGINE.decode(letters).map_err(|_| YamlCause::InvalidBinary)
}

#[cfg(test)]
mod tests {
    use super::decode_base64;

    #[test]
    fn base64_as_go_reads_it() {
        for (text, bytes) in [("aGVs\nbG8=\n", b"hello".as_slice()), ("aA==", b"h"), ("aB==", b"h"), ("", b"")] {
            assert_eq!(decode_base64(text).as_deref(), Ok(bytes), "{text:?}");
        }
        for text in ["aGk", "a b=", "aA=", "aA==a", "===="] {
            assert!(decode_base64(text).is_err(), "{text:?}");
        }
    }
}
