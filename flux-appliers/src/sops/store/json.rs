//! JSON, and JSON around anything else.

use serde::Serialize as _;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Format, document, value_of};
use crate::sops::error::SopsError;
use crate::sops::metadata::Metadata;
use crate::sops::tree::{Content, wipe};

pub(super) fn read(text: &str, format: Format) -> Result<(Content, Metadata), SopsError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        SopsError::format(format, format!("line {}, column {} cannot be read", error.line(), error.column()))
    })?;
    let (document, metadata) = document(value, format)?;
    let metadata = metadata.ok_or_else(|| SopsError::format(format, "it has no `sops`"))?;
    Ok((Content { documents: vec![document] }, Metadata::read(&metadata)?))
}

/// One document after the other, each on lines of its own with tabs, as SOPS writes them.
pub(super) fn write(content: &Content) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::new());
    for document in &content.documents {
        let mut value = value_of(&document.0);
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        // Values always have a text, and writing to memory does not fail.
        let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter));
        out.push(b'\n');
        wipe(&mut value);
    }
    out
}
