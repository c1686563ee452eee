//! Archives as consumers get them.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use flux_core::tree::{Entry, Tree, parent};
use tar::EntryType;

/// A tree as a `.tar.gz` whose bytes follow from the tree alone: files and directories sorted by path, owned by nobody,
/// from no time. Links are left out.
pub(super) fn write_tar_gz(tree: &Tree) -> io::Result<Vec<u8>> {
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
    // The header of the compressed stream holds neither a name nor a time.
    let mut builder = tar::Builder::new(flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default()));
    for (path, data, mode) in all {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_entry_type(if data.is_some() { EntryType::Regular } else { EntryType::Directory });
        header.set_size(data.map_or(0, |data| data.len() as u64));
        builder.append_data(&mut header, path, data.map(|data| data.as_ref()).unwrap_or_default())?;
    }
    builder.into_inner()?.finish()
}
