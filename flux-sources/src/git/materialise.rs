//! A commit's files out of an object database, with no work tree: as they are stored, no filter and no attribute applied.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use flux_core::context::Interrupted;
use flux_core::source::SourceError;
use flux_core::tree::Tree;
use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::objs::{CommitRef, FindExt as _, Kind as ObjectKind, TreeRefIter};
use gix::odb::HeaderExt as _;

use super::error::broken;
use crate::listing::{Found, Kind, Selection};

/// Reads commits and their files.
pub(super) struct Materialise<'a> {
    pub(super) url: &'a str,
    pub(super) objects: &'a gix::odb::Handle,
    pub(super) selection: &'a Selection,
    pub(super) stop: &'a AtomicBool,
}

impl Materialise<'_> {
    /// The files of a commit, and what the commit says about itself.
    pub(super) fn commit(&self, commit: ObjectId) -> Result<(Tree, BTreeMap<String, String>), SourceError> {
        let mut buffer = Vec::new();
        self.bounded(commit, "commit")?;
        let object = self.objects.find_commit(&commit, &mut buffer).map_err(|error| broken(self.url, error))?;
        let found = self.list(object.tree())?;
        let tree = self.selection.read(self.url, &found, |entry| self.blob(entry))?;
        Ok((tree, metadata(commit, &object)))
    }

    /// Every entry below a tree, sorted as Git sorts them; submodules are left out.
    fn list(&self, root: ObjectId) -> Result<Vec<Found<ObjectId>>, SourceError> {
        let limits = self.selection.limits;
        let mut found = Vec::new();
        let mut pending = vec![(root, String::new())];
        let mut buffer = Vec::new();
        while let Some((tree, prefix)) = pending.pop() {
            self.go_on()?;
            self.bounded(tree, "tree")?;
            let entries: TreeRefIter<'_> =
                self.objects.find_tree_iter(&tree, &mut buffer).map_err(|error| broken(self.url, error))?;
            for entry in entries {
                let entry = entry.map_err(|error| broken(self.url, error))?;
                let name = std::str::from_utf8(entry.filename)
                    .map_err(|_| self.rejected(format!("`{prefix}{}`: the name is not UTF-8", entry.filename)))?;
                // What Git itself would not check out.
                if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) || name.eq_ignore_ascii_case(".git") {
                    return Err(self.rejected(format!("`{prefix}{}` is not a name for a file", name.escape_debug())));
                }
                let kind = match entry.mode.kind() {
                    EntryKind::Tree => Kind::Directory,
                    EntryKind::Blob => Kind::File { executable: false },
                    EntryKind::BlobExecutable => Kind::File { executable: true },
                    EntryKind::Link => Kind::Link,
                    EntryKind::Commit => continue,
                };
                let path = format!("{prefix}{name}");
                if path.len() > limits.path_bytes {
                    let start: String = path.chars().take(80).collect();
                    return Err(self.rejected(format!("`{start}…`: more than {} bytes in a path", limits.path_bytes)));
                }
                // Directories count too: trees that hold nothing but each other must not keep us busy for ever.
                if found.len() >= limits.entries {
                    return Err(self.rejected(format!("more than {} entries", limits.entries)));
                }
                if kind == Kind::Directory {
                    pending.push((entry.oid.to_owned(), format!("{path}/")));
                }
                found.push(Found { path, kind, handle: entry.oid.to_owned() });
            }
        }
        Ok(found)
    }

    fn blob(&self, entry: &Found<ObjectId>) -> Result<Bytes, SourceError> {
        self.go_on()?;
        self.bounded(entry.handle, &entry.path)?;
        let mut data = Vec::new();
        let object = self.objects.find(&entry.handle, &mut data).map_err(|error| broken(self.url, error))?;
        if object.kind != ObjectKind::Blob {
            return Err(self.rejected(format!("`{}` is a {}, not a file", entry.path, object.kind)));
        }
        Ok(data.into())
    }

    /// Looks at the size of an object before any memory is given to it.
    fn bounded(&self, object: ObjectId, what: &str) -> Result<(), SourceError> {
        let header = self.objects.header(object).map_err(|error| broken(self.url, error))?;
        let limit = self.selection.limits.file_bytes;
        if header.size() > limit {
            return Err(self.rejected(format!("`{what}`: more than {limit} bytes in one file")));
        }
        Ok(())
    }

    fn go_on(&self) -> Result<(), SourceError> {
        if self.stop.load(Ordering::Relaxed) { Err(Interrupted::Cancelled.into()) } else { Ok(()) }
    }

    fn rejected(&self, problem: String) -> SourceError {
        SourceError::Rejected { url: self.url.to_owned(), problem }
    }
}

/// What a commit says about itself. The message is cut at 4,096 characters.
fn metadata(id: ObjectId, commit: &CommitRef<'_>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([
        ("commit".to_owned(), id.to_string()),
        ("message".to_owned(), commit.message.to_string().trim_end().chars().take(4096).collect()),
    ]);
    if let Ok(author) = commit.author() {
        metadata.insert("author".to_owned(), format!("{} <{}>", author.name, author.email));
    }
    if let Ok(committer) = commit.committer() {
        metadata.insert("committed".to_owned(), committer.seconds().to_string());
    }
    metadata
}
