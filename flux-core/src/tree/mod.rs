//! An immutable, content-addressed file tree in memory: the only thing a renderer can read.

mod builder;
mod path;
mod reads;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::digest::{Digest, Hasher};

pub use builder::{TreeBuilder, TreeError, TreeLimits};
pub use path::{InvalidPath, join, normalize, parent};
pub use reads::{Reads, Tracker};

use reads::Question;

/// How many links one look-up follows before it is called a loop; the figure is Linux's own.
const MAX_LINKS: usize = 40;

/// An immutable tree of files, held as shared bytes. A clone is free.
///
/// Paths are relative to the root, parts joined by `/`. A look-up follows symbolic links, which never lead outside the
/// tree; a [`walk`](Tree::walk) does not.
///
/// ```
/// use flux_core::Tree;
/// let tree = Tree::from_files([("deploy/app.yaml", "kind: ConfigMap")])?;
/// assert_eq!(tree.read("deploy/app.yaml")?.as_ref(), b"kind: ConfigMap");
/// assert!(tree.is_dir("deploy"));
/// assert!(tree.read("../etc/passwd").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tree {
    inner: Arc<Inner>,
    /// Notes what is read, where somebody wants to know.
    tracker: Option<Tracker>,
}

struct Inner {
    entries: BTreeMap<String, Entry>,
    digest: OnceLock<Digest>,
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// Its content.
        data: Bytes,
        /// Whether it may be executed, as Git records it.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as written.
        target: String,
    },
    /// A directory that was named by itself; directories that hold something need no entry.
    Directory,
}

/// Why a path could not be read from a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing is there.
    #[error("`{0}`: no such file or directory")]
    NotFound(String),
    /// A directory is there and a file was wanted.
    #[error("`{0}` is a directory, not a file")]
    IsDirectory(String),
    /// The path, or a link on its way, leads outside the tree.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Links that lead to each other.
    #[error("`{0}`: too many symbolic links on the way")]
    LinkLoop(String),
}

impl Tree {
    /// A tree without files.
    pub fn empty() -> Self {
        Self::from_entries(BTreeMap::new())
    }

    /// Starts a tree under the default limits.
    pub fn builder() -> TreeBuilder {
        TreeBuilder::default()
    }

    /// A tree from paths and contents, under the default limits.
    ///
    /// # Errors
    /// A path that leaves the tree, a path given twice, or a limit.
    pub fn from_files<P: AsRef<str>, B: Into<Bytes>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Result<Self, TreeError> {
        let mut builder = Self::builder();
        for (path, data) in files {
            builder.file(path.as_ref(), data)?;
        }
        Ok(builder.build())
    }

    fn from_entries(entries: BTreeMap<String, Entry>) -> Self {
        Self { inner: Arc::new(Inner { entries, digest: OnceLock::new() }), tracker: None }
    }

    /// The content of a file, links followed.
    ///
    /// # Errors
    /// Nothing there, a directory, or a path or link that leads outside.
    pub fn read(&self, path: &str) -> Result<Bytes, ReadError> {
        self.note(|| Question::File(path.to_owned()));
        self.find(path).cloned()
    }

    fn find(&self, path: &str) -> Result<&Bytes, ReadError> {
        let resolved = self.locate(path)?;
        match self.inner.entries.get(&resolved) {
            Some(Entry::File { data, .. }) => Ok(data),
            Some(_) => Err(ReadError::IsDirectory(path.to_owned())),
            None if self.is_directory(&resolved) => Err(ReadError::IsDirectory(path.to_owned())),
            None => Err(ReadError::NotFound(path.to_owned())),
        }
    }

    /// Whether a file is there, links followed.
    pub fn is_file(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|path| matches!(self.inner.entries.get(&path), Some(Entry::File { .. })))
    }

    /// Whether a directory is there, links followed. The root always is.
    pub fn is_dir(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|path| self.is_directory(&path))
    }

    /// The canonical path that `path` names once all links are followed. What it names need not be there.
    ///
    /// # Errors
    /// A path or link that leads outside the tree, or links that lead to each other.
    pub fn resolve(&self, path: &str) -> Result<String, ReadError> {
        self.note(|| Question::Entry(path.to_owned()));
        self.locate(path)
    }

    fn locate(&self, path: &str) -> Result<String, ReadError> {
        let mut pending: Vec<String> = split_reversed(path);
        if path.starts_with('/') || path.contains('\0') {
            normalize(path)?;
        }
        let mut resolved = String::new();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            let next = join(&resolved, &part).map_err(|_| outside(path))?;
            let Some(Entry::Link { target }) = self.inner.entries.get(&next) else {
                resolved = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(ReadError::LinkLoop(path.to_owned()));
            }
            if target.starts_with('/') {
                return Err(outside(path));
            }
            pending.extend(split_reversed(target));
        }
        Ok(resolved)
    }

    /// The names in a directory, sorted, links followed to reach it; none where there is no directory.
    pub fn list(&self, dir: &str) -> Vec<String> {
        self.note(|| Question::Names(dir.to_owned()));
        self.names(dir)
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let Ok(dir) = self.locate(dir) else { return Vec::new() };
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let mut names: Vec<String> = Vec::new();
        for (path, _) in self.below(&prefix) {
            let name = path[prefix.len()..].split('/').next().unwrap_or_default();
            if !name.is_empty() && names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Every file below a directory as full path and content, sorted by path. Links are neither followed nor shown.
    pub fn walk<'a>(&'a self, dir: &str) -> impl Iterator<Item = (&'a str, &'a Bytes)> + use<'a> {
        let dir = normalize(dir).ok();
        if let Some(dir) = &dir {
            self.note(|| Question::Below(dir.clone()));
        }
        let prefix = dir.map(|dir| if dir.is_empty() { dir } else { format!("{dir}/") });
        prefix.into_iter().flat_map(|prefix| self.below(&prefix)).filter_map(|(path, entry)| match entry {
            Entry::File { data, .. } => Some((path, data)),
            Entry::Link { .. } | Entry::Directory => None,
        })
    }

    /// Every entry as it is, sorted by path.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.note(|| Question::Below(String::new()));
        self.inner.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The part of this tree below a directory, as a tree of its own, contents shared.
    ///
    /// # Errors
    /// The directory is not there.
    pub fn subtree(&self, dir: &str) -> Result<Self, ReadError> {
        let resolved = self.resolve(dir)?;
        if !self.is_directory(&resolved) {
            return Err(ReadError::NotFound(dir.to_owned()));
        }
        self.note(|| Question::Below(resolved.clone()));
        let prefix = if resolved.is_empty() { resolved } else { format!("{resolved}/") };
        let entries = self.below(&prefix).map(|(path, entry)| (path[prefix.len()..].to_owned(), entry.clone()));
        Ok(Self::from_entries(entries.collect()))
    }

    /// The same tree with another content in one of its files; where there is no such file, the same tree.
    #[must_use]
    pub fn with_content(&self, path: &str, content: impl Into<Bytes>) -> Self {
        let mut entries = self.inner.entries.clone();
        if let Some(Entry::File { data, .. }) = entries.get_mut(path) {
            *data = content.into();
        }
        Self::from_entries(entries)
    }

    /// Whether both are the same tree in memory: equal without looking.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// How many files there are.
    pub fn file_count(&self) -> usize {
        self.note(|| Question::Below(String::new()));
        self.inner.entries.values().filter(|entry| matches!(entry, Entry::File { .. })).count()
    }

    /// The SHA-256 over every path, kind and content; equal trees have equal digests. Computed once.
    pub fn digest(&self) -> &Digest {
        self.note(|| Question::Below(String::new()));
        self.inner.digest.get_or_init(|| {
            let mut hasher = Hasher::default();
            digest_entries(&mut hasher, self.below(""));
            hasher.finish()
        })
    }

    fn note(&self, question: impl FnOnce() -> Question) {
        if let Some(tracker) = &self.tracker {
            tracker.note(question(), |question| self.answer(question));
        }
    }

    /// Entries whose path starts with `prefix`.
    fn below<'a>(&'a self, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let prefix = prefix.to_owned();
        self.inner
            .entries
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map(|(path, entry)| (path.as_str(), entry))
            .take_while(move |(path, _)| path.starts_with(&prefix))
    }

    /// Whether a canonical path names a directory.
    fn is_directory(&self, path: &str) -> bool {
        path.is_empty()
            || matches!(self.inner.entries.get(path), Some(Entry::Directory))
            || self.below(&format!("{path}/")).next().is_some()
    }
}

fn digest_entries<'a>(hasher: &mut Hasher, entries: impl Iterator<Item = (&'a str, &'a Entry)>) {
    for (path, entry) in entries {
        let (kind, content): (&[u8], &[u8]) = match entry {
            Entry::File { data, executable: false } => (b"file", data),
            Entry::File { data, executable: true } => (b"exec", data),
            Entry::Link { target } => (b"link", target.as_bytes()),
            Entry::Directory => (b"dir", b""),
        };
        hasher.field(path.as_bytes());
        hasher.field(kind);
        hasher.field(content);
    }
}

fn split_reversed(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn outside(path: &str) -> ReadError {
    ReadError::Path(InvalidPath { path: path.to_owned(), problem: "leads outside the tree" })
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.ptr_eq(other) || self.inner.entries == other.inner.entries
    }
}

/// Shows how many files there are and never what is in them.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.inner.entries.values().filter(|entry| matches!(entry, Entry::File { .. }));
        write!(f, "Tree({} files)", files.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut builder = Tree::builder();
        builder.file("a/one.yaml", "1").unwrap();
        builder.file("a/b/two.yaml", "2").unwrap();
        builder.file("a.txt", "3").unwrap();
        builder.link("l/up", "../a/b").unwrap();
        builder.link("out", "../../etc").unwrap();
        builder.link("abs", "/etc").unwrap();
        builder.link("loop", "loop").unwrap();
        builder.directory("empty").unwrap();
        builder.build()
    }

    #[test]
    fn look_ups_follow_links_inside_the_tree() {
        assert_eq!(tree().read("l/up/two.yaml").unwrap().as_ref(), b"2");
        assert_eq!(tree().resolve("l/up/../one.yaml").as_deref(), Ok("a/one.yaml"));
        assert!(tree().is_dir("l/up"));
        assert_eq!(tree().list("l/up"), ["two.yaml"]);
    }

    #[test]
    fn h02_links_never_lead_outside() {
        assert!(matches!(tree().read("out/passwd"), Err(ReadError::Path(_))));
        assert!(matches!(tree().read("abs/passwd"), Err(ReadError::Path(_))));
        assert!(matches!(tree().read("loop"), Err(ReadError::LinkLoop(_))));
    }

    #[test]
    fn directories_are_seen_and_listed() {
        assert_eq!(tree().list(""), ["a", "a.txt", "abs", "empty", "l", "loop", "out"]);
        assert!(tree().is_dir("empty") && tree().is_dir("") && !tree().is_dir("b"));
        assert_eq!(tree().read("a"), Err(ReadError::IsDirectory("a".into())));
        assert_eq!(tree().read("b"), Err(ReadError::NotFound("b".into())));
    }

    #[test]
    fn walks_see_files_only_and_only_below() {
        let found: Vec<String> = tree().walk("a").map(|(path, _)| path.to_owned()).collect();
        assert_eq!(found, ["a/b/two.yaml", "a/one.yaml"]);
        assert_eq!(tree().subtree("a").unwrap().file_count(), 2);
    }

    #[test]
    fn the_digest_follows_content() {
        let other = Tree::from_files([("a/one.yaml", "1")]).unwrap();
        assert_eq!(tree().digest(), tree().digest());
        assert_ne!(tree().digest(), other.digest());
    }
}
