//! Building a tree under limits.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Entry, InvalidPath, Tree, normalize};

/// What a tree may hold. Checked while it is filled, so that a hostile source never fills the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeLimits {
    /// Bytes in all files together.
    pub total_bytes: u64,
    /// Bytes in one file.
    pub file_bytes: u64,
    /// Entries: files, links and named directories.
    pub entries: usize,
    /// Bytes in one path.
    pub path_bytes: usize,
}

impl Default for TreeLimits {
    /// 256 MiB in all, 50 MiB a file, 200,000 entries, 4,096 bytes a path.
    fn default() -> Self {
        Self { total_bytes: 256 << 20, file_bytes: 50 << 20, entries: 200_000, path_bytes: 4096 }
    }
}

/// Why something could not be added to a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The path leaves the tree or cannot name a file.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The path is there already.
    #[error("`{0}` is given twice")]
    Duplicate(String),
    /// A limit would be exceeded.
    #[error("`{path}`: more than {limit} {what}")]
    Limit {
        /// The entry that was one too many or too large.
        path: String,
        /// What is limited.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
}

/// Fills a [`Tree`] under limits.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    limits: TreeLimits,
    entries: BTreeMap<String, Entry>,
    total_bytes: u64,
}

impl TreeBuilder {
    /// An empty builder with these limits.
    pub fn with_limits(limits: TreeLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits in force.
    pub fn limits(&self) -> &TreeLimits {
        &self.limits
    }

    /// Adds a file.
    ///
    /// # Errors
    /// A path that leaves the tree or is there already, or a limit.
    pub fn file(&mut self, path: &str, data: impl Into<Bytes>) -> Result<&mut Self, TreeError> {
        self.entry(path, Entry::File { data: data.into(), executable: false })
    }

    /// Adds a symbolic link. It may point anywhere; following it never leaves the tree.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn link(&mut self, path: &str, target: impl Into<String>) -> Result<&mut Self, TreeError> {
        self.entry(path, Entry::Link { target: target.into() })
    }

    /// Names a directory, so that it is there even when nothing is in it.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn directory(&mut self, path: &str) -> Result<&mut Self, TreeError> {
        self.entry(path, Entry::Directory)
    }

    /// Adds any entry.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn entry(&mut self, path: &str, entry: Entry) -> Result<&mut Self, TreeError> {
        let key = normalize(path)?;
        if key.is_empty() {
            let problem = "names the root of the tree, not an entry in it";
            return Err(InvalidPath { path: path.to_owned(), problem }.into());
        }
        let size = match &entry {
            Entry::File { data, .. } => data.len() as u64,
            Entry::Link { target } => target.len() as u64,
            Entry::Directory => 0,
        };
        let limit = |what, limit| Err(TreeError::Limit { path: key.chars().take(256).collect(), what, limit });
        if key.len() > self.limits.path_bytes {
            return limit("bytes in a path", self.limits.path_bytes as u64);
        }
        if size > self.limits.file_bytes {
            return limit("bytes in one file", self.limits.file_bytes);
        }
        if self.total_bytes + size > self.limits.total_bytes {
            return limit("bytes in all files", self.limits.total_bytes);
        }
        if self.entries.len() >= self.limits.entries {
            return limit("entries", self.limits.entries as u64);
        }
        if self.entries.contains_key(&key) {
            return Err(TreeError::Duplicate(key));
        }
        self.total_bytes += size;
        self.entries.insert(key, entry);
        Ok(self)
    }

    /// The finished tree.
    pub fn build(self) -> Tree {
        Tree::from_entries(self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_enforced_and_names_the_entry() {
        let limits = TreeLimits { total_bytes: 5, file_bytes: 3, entries: 2, path_bytes: 4 };
        let refused = |entries: &[(&str, &str)]| {
            let mut builder = TreeBuilder::with_limits(limits);
            entries.iter().find_map(|(path, data)| builder.file(path, data.to_string()).err()).map(|e| e.to_string())
        };
        assert_eq!(refused(&[("a", "1234")]).unwrap(), "`a`: more than 3 bytes in one file");
        assert_eq!(refused(&[("a", "123"), ("b", "123")]).unwrap(), "`b`: more than 5 bytes in all files");
        assert_eq!(refused(&[("a", ""), ("b", ""), ("c", "")]).unwrap(), "`c`: more than 2 entries");
        assert_eq!(refused(&[("abcde", "")]).unwrap(), "`abcde`: more than 4 bytes in a path");
        assert_eq!(refused(&[("a", ""), ("./a", "")]).unwrap(), "`a` is given twice");
        assert_eq!(refused(&[("a", "12"), ("b", "123")]), None);
    }
}
