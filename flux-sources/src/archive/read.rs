//! Reading: under limits and never onto a disk.

use std::collections::BTreeSet;
use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flux_core::source::SourceError;
use flux_core::tree::{TreeLimits, normalize};
use tar::{Archive, EntryType};

use crate::listing::{Found, Kind};

/// What an archive may take in headers and padding for each entry, beside its content.
const OVERHEAD: u64 = 4096;

/// Every entry of a `.tar.gz`, in its order. Links are left out, as Flux leaves them out; devices and the like are an
/// error, and so is a name that leads outside or comes twice.
pub(crate) fn read_tar_gz(url: &str, data: &[u8], limits: TreeLimits) -> Result<Vec<Found<Bytes>>, SourceError> {
    let rejected = |problem: String| SourceError::Rejected { url: url.to_owned(), problem };
    let broken = |error: io::Error| rejected(format!("the archive cannot be read: {error}"));
    let budget = limits.total_bytes.saturating_add((limits.entries as u64).saturating_mul(OVERHEAD));
    let mut archive = Archive::new(Bounded { inner: MultiGzDecoder::new(data), left: budget });
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut total = 0;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                Kind::File { executable: entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0) }
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink | EntryType::XGlobalHeader => continue,
            other => {
                let name = entry.path_bytes().escape_ascii().to_string();
                return Err(rejected(format!("`{name}` is neither a file nor a directory ({other:?})")));
            }
        };
        let raw = entry.path_bytes().into_owned();
        let name = String::from_utf8(raw).map_err(|_| rejected("a name in the archive is not UTF-8".into()))?;
        let path = normalize(&name).map_err(|error| rejected(format!("the archive is refused: {error}")))?;
        if path.is_empty() {
            continue;
        }
        if found.len() >= limits.entries {
            return Err(rejected(format!("more than {} entries", limits.entries)));
        }
        if !seen.insert((path.clone(), kind == Kind::Directory)) {
            if kind == Kind::Directory {
                continue;
            }
            return Err(rejected(format!("`{path}` is in the archive twice")));
        }
        let mut data = Vec::new();
        if kind != Kind::Directory {
            if entry.size() > limits.file_bytes {
                return Err(rejected(format!("`{path}`: more than {} bytes in one file", limits.file_bytes)));
            }
            total += entry.size();
            if total > limits.total_bytes {
                return Err(rejected(format!("`{path}`: more than {} bytes in all files", limits.total_bytes)));
            }
            entry.read_to_end(&mut data).map_err(broken)?;
        }
        found.push(Found { path, kind, handle: data.into() });
    }
    Ok(found)
}

/// Ends with an error once more was unpacked than an honest archive needs.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other("it unpacks to too much"))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// An archive whose names are written as they are, whatever a careful writer would say.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        gzip(&builder.into_inner().unwrap())
    }

    fn read(data: &[u8]) -> Result<Vec<String>, String> {
        let limits = TreeLimits { entries: 5, total_bytes: 10_000, ..TreeLimits::default() };
        let found = read_tar_gz("u", data, limits).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|entry| entry.path).collect())
    }

    #[test]
    fn files_and_directories_are_read_and_links_left_out() {
        let data = archive(&[
            ("./", EntryType::Directory, b""),
            ("./a/", EntryType::Directory, b""),
            ("a/b", EntryType::Regular, b"1"),
            ("a/", EntryType::Directory, b""),
            ("l", EntryType::Symlink, b""),
        ]);
        assert_eq!(read(&data).unwrap(), ["a", "a/b"]);
    }

    #[test]
    fn hostile_archives_are_refused() {
        let file = EntryType::Regular;
        for (data, problem) in [
            (archive(&[("../a", file, b"1")]), "leads outside"),
            (archive(&[("/etc/passwd", file, b"1")]), "absolute"),
            (archive(&[("a", file, b"1"), ("./a", file, b"2")]), "twice"),
            (archive(&[("a", EntryType::Char, b"")]), "neither a file nor a directory"),
            (archive(&[("a", EntryType::Link, b"")]), "neither a file nor a directory"),
            (archive(&[("a", file, &[0; 10_001])]), "more than 10000 bytes in all files"),
            (archive(&["a", "b", "c", "d", "e", "f"].map(|name| (name, file, &b"1"[..]))), "more than 5 entries"),
            (gzip(&vec![0x20; 1 << 20]), "cannot be read"),
            (b"plain text".to_vec(), "cannot be read"),
            (archive(&[("a", file, b"1")])[..40].to_vec(), "cannot be read"),
        ] {
            let error = read(&data).unwrap_err();
            assert!(error.contains(problem), "{problem}: {error}");
        }
        let bomb = archive(&[("a", EntryType::XGlobalHeader, &vec![0; 4 << 20])]);
        assert!(read(&bomb).unwrap_err().contains("unpacks to too much"));
    }
}
