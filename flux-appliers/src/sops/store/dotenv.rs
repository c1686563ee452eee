//! `NAME=value` lines.

use zeroize::Zeroizing;

use super::{Format, line_text};
use crate::sops::error::SopsError;
use crate::sops::metadata::{Metadata, unflatten};
use crate::sops::tree::{Content, Document, Item};

pub(super) fn read(text: &str) -> Result<(Content, Metadata), SopsError> {
    let mut items = Vec::new();
    let mut metadata = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            items.push(Item::Comment(Zeroizing::new(comment.to_owned())));
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| {
            SopsError::format(Format::Dotenv, format!("line {} is not of the form NAME=value", number + 1))
        })?;
        match name.strip_prefix("sops_") {
            Some(name) => metadata.push((name.to_owned(), value.to_owned())),
            None => items.push(Item::Entry(name.to_owned(), value.replace("\\n", "\n").into())),
        }
    }
    let metadata = Metadata::read(&unflatten(metadata))?;
    Ok((Content { documents: vec![Document(items)] }, metadata))
}

pub(super) fn write(content: &Content) -> Result<Zeroizing<Vec<u8>>, SopsError> {
    let mut out = Zeroizing::new(Vec::new());
    for item in content.documents.iter().flat_map(|document| &document.0) {
        match item {
            Item::Comment(text) => {
                out.push(b'#');
                out.extend_from_slice(text.as_bytes());
            }
            Item::Entry(name, value) => {
                let text = line_text(value);
                let text =
                    text.ok_or_else(|| SopsError::format(Format::Dotenv, format!("`{name}` is not a scalar")))?;
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                out.extend_from_slice(Zeroizing::new(text.replace('\n', "\\n")).as_bytes());
            }
            Item::Bytes(name, _) => {
                return Err(SopsError::format(Format::Dotenv, format!("`{name}` is not text")));
            }
            Item::Section(section) => {
                return Err(SopsError::format(Format::Dotenv, format!("`{}` is a section", section.name)));
            }
        }
        out.push(b'\n');
    }
    Ok(out)
}
