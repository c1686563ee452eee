//! Decrypting what is in a file, and checking that it is all of it.

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use super::cipher::{DataKey, Kind, Plain, is_sealed};
use super::error::SopsError;
use super::metadata::Metadata;

/// What the code starts with where it covers encrypted values only, so that it never equals one over all of them.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// What is in a file, in its order.
pub(super) struct Content {
    /// The documents: one, but for YAML.
    pub(super) documents: Vec<Document>,
}

/// A document: values, and in dotenv and ini files comments too.
pub(super) struct Document(pub(super) Vec<Item>);

/// One line of a document.
pub(super) enum Item {
    Entry(String, Value),
    /// A decrypted content that is no text.
    Bytes(String, Zeroizing<Vec<u8>>),
    /// A comment of a dotenv or ini file.
    Comment(Zeroizing<String>),
    /// A section of an ini file.
    Section(Section),
}

/// A section of an ini file.
pub(super) struct Section {
    pub(super) name: String,
    /// What stands above it.
    pub(super) comments: Vec<Zeroizing<String>>,
    pub(super) items: Vec<Item>,
}

impl Drop for Item {
    /// Decrypted texts are wiped.
    fn drop(&mut self) {
        if let Self::Entry(_, value) = self {
            wipe(value);
        }
    }
}

/// Overwrites every text in a value.
pub(super) fn wipe(value: &mut Value) {
    use zeroize::Zeroize as _;
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.iter_mut().for_each(|(_, value)| wipe(value)),
        _ => {}
    }
}

/// Decrypts everything in place and checks the code over the whole.
pub(super) fn decrypt(content: &mut Content, metadata: &Metadata, key: &DataKey) -> Result<(), SopsError> {
    let mut walk = Walk { metadata, key, mac: Sha512::new(), path: Vec::new() };
    if metadata.mac_only_encrypted {
        walk.mac.update(ONLY_ENCRYPTED);
    }
    for document in &mut content.documents {
        walk.items(&mut document.0)?;
    }
    let computed = walk.mac.finalize();
    let computed: String = computed.iter().map(|byte| format!("{byte:02X}")).collect();
    let stored = key.open(&metadata.mac, &metadata.last_modified).ok_or(SopsError::Mac)?;
    let same = stored.text.len() == computed.len()
        && stored.text.iter().zip(computed.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0;
    if same { Ok(()) } else { Err(SopsError::Mac) }
}

struct Walk<'a> {
    metadata: &'a Metadata,
    key: &'a DataKey,
    mac: Sha512,
    path: Vec<String>,
}

impl Walk<'_> {
    fn items(&mut self, items: &mut [Item]) -> Result<(), SopsError> {
        for item in items {
            match item {
                Item::Comment(text) => self.comment(text),
                Item::Section(section) => {
                    self.path.push(section.name.clone());
                    section.comments.iter_mut().for_each(|text| self.comment(text));
                    self.items(&mut section.items)?;
                    self.path.pop();
                }
                Item::Entry(key, value) => {
                    self.path.push(key.clone());
                    match self.binary(value) {
                        Some(bytes) => {
                            self.mac.update(&*bytes);
                            let key = key.clone();
                            *item = Item::Bytes(key, bytes);
                        }
                        None => self.value(value)?,
                    }
                    self.path.pop();
                }
                Item::Bytes(..) => {}
            }
        }
        Ok(())
    }

    /// What an encrypted value is, where it is no text.
    fn binary(&self, value: &Value) -> Option<Zeroizing<Vec<u8>>> {
        let sealed =
            value.as_str().filter(|text| is_sealed(text) && self.metadata.is_encrypted(&self.path, Some(text)))?;
        let plain = self.key.open(sealed, &self.context())?;
        (plain.kind == Kind::Text && std::str::from_utf8(&plain.text).is_err()).then_some(plain.text)
    }

    /// A comment that cannot be decrypted was not encrypted; none of them count for the code.
    fn comment(&self, text: &mut Zeroizing<String>) {
        if is_sealed(text)
            && let Some(plain) = self.key.open(text, &self.context())
            && let Ok(plain) = std::str::from_utf8(&plain.text)
        {
            *text = Zeroizing::new(plain.to_owned());
        }
    }

    /// Where a value stands, as it was authenticated. Lists do not count.
    fn context(&self) -> String {
        format!("{}:", self.path.join(":"))
    }

    fn value(&mut self, value: &mut Value) -> Result<(), SopsError> {
        match value {
            Value::Null => Ok(()),
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.value(item)),
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    self.path.push(key.clone());
                    self.value(value)?;
                    self.path.pop();
                }
                Ok(())
            }
            scalar => self.scalar(scalar),
        }
    }

    fn scalar(&mut self, value: &mut Value) -> Result<(), SopsError> {
        let encrypted = self.metadata.is_encrypted(&self.path, value.as_str());
        if encrypted {
            let at = || self.path.join(".");
            let sealed = value.as_str().ok_or_else(|| SopsError::NotEncrypted { path: at() })?;
            // Nothing is nothing, encrypted or not.
            if !sealed.is_empty() {
                if !is_sealed(sealed) {
                    return Err(SopsError::NotEncrypted { path: at() });
                }
                let plain = self.key.open(sealed, &self.context());
                *value = plain.and_then(value_of).ok_or_else(|| SopsError::Value { path: at() })?;
            }
        }
        if encrypted || !self.metadata.mac_only_encrypted {
            self.authenticate(value);
        }
        Ok(())
    }

    fn authenticate(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.mac.update(text.as_bytes()),
            Value::Bool(true) => self.mac.update("True"),
            Value::Bool(false) => self.mac.update("False"),
            Value::Number(number) => self.mac.update(number_text(number)),
            _ => {}
        }
    }
}

/// A number without exponent, with as many digits as it takes.
fn number_text(number: &Number) -> String {
    if number.is_f64() { number.as_f64().unwrap_or_default().to_string() } else { number.to_string() }
}

fn value_of(plain: Plain) -> Option<Value> {
    let text = std::str::from_utf8(&plain.text).ok()?;
    Some(match plain.kind {
        Kind::Text | Kind::Time | Kind::Comment => Value::String(text.to_owned()),
        Kind::Bool => Value::Bool(matches!(text, "True" | "true")),
        Kind::Int => Value::Number(text.parse::<i64>().ok()?.into()),
        Kind::Float => match text.parse::<i64>() {
            Ok(whole) => Value::Number(whole.into()),
            Err(_) => Value::Number(Number::from_f64(text.parse().ok()?)?),
        },
    })
}
