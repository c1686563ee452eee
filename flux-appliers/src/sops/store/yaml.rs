//! YAML. The keys keep their order; comments and layout do not stay.

use flux_core::yaml::{self, Dialect, Layout, ReadOptions};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Format, document, value_of};
use crate::sops::error::SopsError;
use crate::sops::metadata::Metadata;
use crate::sops::tree::{Content, wipe};

pub(super) fn read(data: &[u8]) -> Result<(Content, Metadata), SopsError> {
    let wrong = |problem: String| SopsError::format(Format::Yaml, problem);
    // Where a file is broken, the line says enough: what the reader says may quote it.
    let read = yaml::read_documents(data, &ReadOptions::new(Dialect::V3))
        .map_err(|error| wrong(format!("line {} cannot be read", error.line)))?;
    let mut documents = Vec::with_capacity(read.len());
    let mut metadata = None;
    for one in read.into_iter().filter(|one| !one.value.is_null()) {
        let (document, sops) = document(one.value, Format::Yaml)?;
        documents.push(document);
        metadata = metadata.or(sops);
    }
    let metadata = metadata.ok_or_else(|| wrong("it has no `sops`".into()))?;
    Ok((Content { documents }, Metadata::read(&metadata)?))
}

pub(super) fn write(content: &Content) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::new());
    for (i, document) in content.documents.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b"---\n");
        }
        let mut value = value_of(&document.0);
        let mut text = yaml::write(&value, Layout::Wide);
        out.extend_from_slice(text.as_bytes());
        text.zeroize();
        wipe(&mut value);
    }
    out
}
