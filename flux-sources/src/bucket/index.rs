//! What a bucket holds, by name: the list that its revision is the digest of.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flux_core::{Digest, Revision};

/// One object as the listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// What the server calls this content.
    pub(super) etag: String,
    pub(super) size: u64,
}

/// The objects of a bucket that are wanted, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index(pub(super) BTreeMap<String, Object>);

impl Index {
    /// The digest of a line `key etag` for every object, sorted by key.
    pub(super) fn revision(&self) -> Revision {
        let mut lines = String::new();
        for (key, object) in &self.0 {
            let _ = writeln!(lines, "{key} {}", object.etag);
        }
        Revision::new(Digest::sha256(lines.as_bytes()).to_string())
    }

    /// A key that is also the directory of another, if there is one.
    pub(super) fn clash(&self) -> Option<&str> {
        self.0.keys().find_map(|key| {
            let above = key.match_indices('/').map(|(at, _)| &key[..at]);
            above.filter_map(|dir| self.0.get_key_value(dir)).map(|(dir, _)| dir.as_str()).next()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(objects: &[(&str, &str)]) -> Index {
        let object = |etag: &str| Object { etag: etag.to_owned(), size: 0 };
        Index(objects.iter().map(|(key, etag)| ((*key).to_owned(), object(etag))).collect())
    }

    #[test]
    fn the_revision_is_the_digest_of_sorted_lines() {
        let revision = index(&[("b/c", "2"), ("a", "1")]).revision();
        assert_eq!(revision.as_str(), Digest::sha256(b"a 1\nb/c 2\n").to_string());
        assert_eq!(index(&[]).revision().as_str(), Digest::sha256(b"").to_string());
    }

    #[test]
    fn a_file_that_is_a_directory_is_found() {
        assert_eq!(index(&[("a/b", "1"), ("a/b/c/d", "2")]).clash(), Some("a/b"));
        assert_eq!(index(&[("a/b", "1"), ("a/bc", "2"), ("a.b", "2")]).clash(), None);
    }
}
