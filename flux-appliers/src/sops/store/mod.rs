//! Files as SOPS reads and writes them, one module a format.

mod dotenv;
mod ini;
mod json;
mod yaml;

use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use super::error::SopsError;
use super::metadata::Metadata;
use super::tree::{Content, Document, Item};

/// The formats of encrypted files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML, of one or more documents.
    Yaml,
    /// JSON.
    Json,
    /// `NAME=value` lines.
    Dotenv,
    /// INI.
    Ini,
    /// Anything: JSON with the content in it.
    Binary,
}

impl Format {
    /// The format of a file by its name, as SOPS and Flux tell it.
    pub fn of_path(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json" | "dockerconfigjson") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::Binary,
        }
    }

    /// The format in which a content is encrypted, by the marks that SOPS leaves; `None` where it is not.
    pub fn of_encrypted(content: &[u8]) -> Option<Self> {
        const MARKS: [(&str, Format); 4] = [
            ("\"mac\": \"ENC[", Format::Json),
            ("sops_mac=ENC[", Format::Dotenv),
            ("[sops]", Format::Ini),
            ("mac: ENC[", Format::Yaml),
        ];
        let has = |mark: &str| content.windows(mark.len()).any(|window| window == mark.as_bytes());
        MARKS.into_iter().find(|(mark, _)| has(mark)).map(|(_, format)| format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        })
    }
}

/// Reads an encrypted file.
pub(super) fn read(data: &[u8], format: Format) -> Result<(Content, Metadata), SopsError> {
    let text = std::str::from_utf8(data).map_err(|_| SopsError::format(format, "it is not UTF-8"))?;
    match format {
        Format::Yaml => yaml::read(data),
        Format::Json | Format::Binary => json::read(text, format),
        Format::Dotenv => dotenv::read(text),
        Format::Ini => ini::read(text),
    }
}

/// Writes a decrypted file, in the format it was in or in another.
pub(super) fn write(content: &Content, format: Format) -> Result<Zeroizing<Vec<u8>>, SopsError> {
    match format {
        Format::Yaml => Ok(yaml::write(content)),
        Format::Json => Ok(json::write(content)),
        Format::Dotenv => dotenv::write(content),
        Format::Ini => ini::write(content),
        // What was binary is kept under one name; anything else is what it is as JSON.
        Format::Binary => Ok(match content.documents.as_slice() {
            [Document(items)] => match items.as_slice() {
                [Item::Entry(key, Value::String(text))] if key == "data" => Zeroizing::new(text.as_bytes().to_vec()),
                [Item::Bytes(key, bytes)] if key == "data" => bytes.clone(),
                _ => json::write(content),
            },
            _ => json::write(content),
        }),
    }
}

/// A map of values, with what stands under `sops` apart.
fn document(value: Value, format: Format) -> Result<(Document, Option<Value>), SopsError> {
    let Value::Object(map) = value else { return Err(SopsError::format(format, "it is not a map of values")) };
    let mut metadata = None;
    let mut items = Vec::with_capacity(map.len());
    for (key, value) in map {
        if key == "sops" {
            metadata = Some(value);
        } else {
            items.push(Item::Entry(key, value));
        }
    }
    Ok((Document(items), metadata))
}

/// A document as a value, for the formats that are made of values.
fn value_of(items: &[Item]) -> Value {
    let mut map = serde_json::Map::new();
    for item in items {
        match item {
            Item::Entry(key, value) => drop(map.insert(key.clone(), value.clone())),
            Item::Section(section) => drop(map.insert(section.name.clone(), value_of(&section.items))),
            // JSON and YAML hold text alone.
            Item::Bytes(key, bytes) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                drop(map.insert(key.clone(), text.into()));
            }
            Item::Comment(_) => {}
        }
    }
    Value::Object(map)
}

/// A value of a line: text as it is, other scalars as SOPS writes them.
fn line_text(value: &Value) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => String::new(),
        Value::Array(_) | Value::Object(_) => return None,
    }))
}
