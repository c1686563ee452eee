//! What reads hostile input inside [`helm`](super), for fuzzers to reach. A host has no use for it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use flux_core::semver::Version;
use flux_core::tree::{TreeLimits, normalize};

use super::ProvenanceKeys;
use super::index::Index;
use super::provenance::{Packaged, signed_text};
use crate::archive::read_tar_gz;

/// Reads a provenance file; it is of nobody who is trusted, and a text about a chart holds the digest of that.
pub fn provenance(keys: &ProvenanceKeys, data: &[u8]) {
    let chart = Packaged { name: "app", version: "1.0.0", file: "app-1.0.0.tgz", archive: b"archive" };
    assert!(keys.verify(data, &chart, 1_800_000_000).is_err());
    let text = signed_text(data).unwrap_or_else(|_| String::from_utf8_lossy(data).into_owned());
    if chart.is_described_by(&text).is_ok() {
        assert!(["app", "1.0.0", "app-1.0.0.tgz"].iter().all(|part| text.contains(part)));
    }
}

/// Reads an index, and the charts that one of its lines may name; whatever is found in it is of a version.
pub fn index(data: &[u8]) {
    let Ok(index) = Index::read(Bytes::copy_from_slice(data)) else { return };
    let text = String::from_utf8_lossy(data);
    let names = text.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|name| !name.is_empty());
    for name in names.take(20) {
        let Ok(versions) = index.versions(name) else { continue };
        assert!(versions.iter().all(|entry| Version::parse_strict(&entry.version).is_ok()));
        if let Ok(Some(found)) = index.find(name, "*") {
            assert!(versions.contains(&found));
        }
    }
}

/// Reads an archive, and what is within the gzip of one; what comes out leads nowhere outside and is as small as it has to
/// be.
pub fn archive(data: &[u8]) {
    let limits = TreeLimits { entries: 50, total_bytes: 1 << 20, file_bytes: 1 << 18, ..TreeLimits::default() };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = gzip.write_all(data).and_then(|()| gzip.finish()).unwrap_or_default();
    for archive in [data, &packed] {
        let Ok(found) = read_tar_gz("archive", archive, limits) else { continue };
        assert!(found.len() <= limits.entries);
        assert!(found.iter().map(|entry| entry.handle.len() as u64).sum::<u64>() <= limits.total_bytes);
        assert!(found.iter().all(|entry| normalize(&entry.path).as_deref() == Ok(entry.path.as_str())));
    }
}
