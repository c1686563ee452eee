//! Writing: archives as consumers get them.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use bytes::Bytes;
use flux_core::tree::{Entry, Tree, parent};
use tar::EntryType;

/// A tree as a tar archive whose bytes follow from the tree alone: files and directories sorted by path, owned by nobody,
/// from no time. Links are left out.
pub(crate) fn write_tar(tree: &Tree) -> io::Result<Vec<u8>> {
    let mut directories = BTreeSet::new();
    let mut files = Vec::new();
    for (path, entry) in tree.entries() {
        let mut above = match entry {
            Entry::Link { .. } => continue,
            Entry::Directory => path,
            Entry::File { data, executable } => {
                files.push((path, data, *executable));
                parent(path)
            }
        };
        while !above.is_empty() && directories.insert(above) {
            above = parent(above);
        }
    }
    let directories = directories.into_iter().map(|path| (path, None, 0o750));
    let mut all: Vec<(&str, Option<&Bytes>, u32)> = directories.collect();
    all.extend(
        files.into_iter().map(|(path, data, executable)| (path, Some(data), if executable { 0o700 } else { 0o600 })),
    );
    all.sort_unstable_by_key(|(path, ..)| *path);
    let mut builder = tar::Builder::new(Vec::new());
    for (path, data, mode) in all {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_entry_type(if data.is_some() { EntryType::Regular } else { EntryType::Directory });
        header.set_size(data.map_or(0, |data| data.len() as u64));
        builder.append_data(&mut header, path, data.map(|data| data.as_ref()).unwrap_or_default())?;
    }
    builder.into_inner()
}

/// The same bytes compressed; the header of the stream holds neither a name nor a time.
pub(crate) fn gzip(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default());
    encoder.write_all(data)?;
    encoder.finish()
}
