//! INI: sections of `name = value` lines.

use zeroize::Zeroizing;

use super::{Format, line_text};
use crate::sops::error::SopsError;
use crate::sops::metadata::{Metadata, unflatten};
use crate::sops::tree::{Content, Document, Item, Section};

/// The largest document that is written.
const MAX_BYTES: usize = 64 << 20;

pub(super) fn read(text: &str) -> Result<(Content, Metadata), SopsError> {
    let mut items: Vec<Item> = Vec::new();
    let mut metadata = Vec::new();
    let mut in_metadata = false;
    // Comments belong to what follows them.
    let mut comments = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |problem: &str| SopsError::format(Format::Ini, format!("line {} {problem}", number + 1));
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix([';', '#']) {
            comments.push(Zeroizing::new(comment.trim_start().to_owned()));
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(|| wrong("is not of the form [section]"))?;
            in_metadata = name == "sops";
            if !in_metadata {
                let comments = std::mem::take(&mut comments);
                items.push(Item::Section(Section { name: name.to_owned(), comments, items: Vec::new() }));
            }
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("is not of the form name = value"))?;
        let (name, value) = (name.trim(), value.trim());
        if in_metadata {
            metadata.push((name.to_owned(), value.to_owned()));
            continue;
        }
        // What stands before the first section is in one that has no name of its own.
        if items.is_empty() {
            let section = Section { name: "DEFAULT".to_owned(), comments: Vec::new(), items: Vec::new() };
            items.push(Item::Section(section));
        }
        if let Some(Item::Section(section)) = items.last_mut() {
            section.items.extend(comments.drain(..).map(Item::Comment));
            section.items.push(Item::Entry(name.to_owned(), unquoted(value).into()));
        }
    }
    let metadata = Metadata::read(&unflatten(metadata))?;
    Ok((Content { documents: vec![Document(items)] }, metadata))
}

fn unquoted(value: &str) -> &str {
    for quote in ["\"\"\"", "`", "\"", "'"] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|_| value.len() >= 2 * quote.len()) {
            return inner;
        }
    }
    value
}

/// Names of a section are padded to the same width, as SOPS does.
pub(super) fn write(content: &Content) -> Result<Zeroizing<Vec<u8>>, SopsError> {
    let mut out = Zeroizing::new(Vec::new());
    for item in content.documents.iter().flat_map(|document| &document.0) {
        match item {
            Item::Comment(text) => comment(&mut out, text),
            Item::Entry(name, _) | Item::Bytes(name, _) => {
                return Err(SopsError::format(Format::Ini, format!("`{name}` is in no section")));
            }
            Item::Section(one) => {
                one.comments.iter().for_each(|text| comment(&mut out, text));
                if one.name != "DEFAULT" {
                    out.extend_from_slice(format!("[{}]\n", one.name).as_bytes());
                }
                section(&mut out, &one.items)?;
                out.push(b'\n');
            }
        }
    }
    // One line break ends the file, not two.
    if out.ends_with(b"\n\n") {
        out.pop();
    }
    Ok(out)
}

fn comment(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn section(out: &mut Vec<u8>, entries: &[Item]) -> Result<(), SopsError> {
    let names = entries.iter().filter_map(|item| if let Item::Entry(name, _) = item { Some(name.len()) } else { None });
    let width = names.max().unwrap_or(0);
    for entry in entries {
        match entry {
            Item::Comment(text) => comment(out, text),
            Item::Entry(name, value) => {
                let text = line_text(value);
                let text = text.ok_or_else(|| SopsError::format(Format::Ini, format!("`{name}` is not a scalar")))?;
                out.extend_from_slice(name.as_bytes());
                // Columns are aligned as the widest name wants it.
                out.extend(std::iter::repeat_n(b' ', width - name.len()));
                if out.len() > MAX_BYTES {
                    return Err(SopsError::format(Format::Ini, "grows too long when its columns are aligned"));
                }
                out.extend_from_slice(b" = ");
                out.extend_from_slice(text.as_bytes());
                out.push(b'\n');
            }
            Item::Bytes(name, _) => {
                return Err(SopsError::format(Format::Ini, format!("`{name}` is not text")));
            }
            Item::Section(Section { name, .. }) => {
                return Err(SopsError::format(Format::Ini, format!("`{name}` is a section in a section")));
            }
        }
    }
    Ok(())
}
