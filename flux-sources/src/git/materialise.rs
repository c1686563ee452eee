//! A commit's files out of an object database, with no work tree: as they are stored, no filter and no attribute applied.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use flux_core::context::Interrupted;
use flux_core::source::SourceError;
use flux_core::tree::TreeLimits;
use gix::ObjectId;
use gix::objs::tree::{EntryKind, EntryRef};
use gix::objs::{CommitRef, FindExt as _, Kind as ObjectKind, TreeRefIter};
use gix::odb::HeaderExt as _;
use gix::validate::path::component;

use super::error::broken;
use super::sparse::Sparse;
use crate::listing::Kind;

/// Reads commits and their files.
pub(super) struct Materialise<'a> {
    pub(super) url: &'a str,
    pub(super) objects: &'a gix::odb::Handle,
    pub(super) limits: TreeLimits,
    pub(super) stop: &'a AtomicBool,
}

/// Where another repository belongs, and at which commit.
pub(super) struct Gitlink {
    pub(super) path: String,
    pub(super) commit: ObjectId,
}

impl Materialise<'_> {
    /// The tree of a commit, and what the commit says about itself.
    pub(super) fn commit(&self, commit: ObjectId) -> Result<(ObjectId, BTreeMap<String, String>), SourceError> {
        let mut buffer = Vec::new();
        self.bounded(commit, "commit")?;
        let object = self.objects.find_commit(&commit, &mut buffer).map_err(|error| broken(self.url, error))?;
        Ok((object.tree(), metadata(commit, &object)))
    }

    /// Every entry below a tree that is wanted, with `prefix` before its path; the places of submodules are returned.
    /// `taken` entries are there already.
    pub(super) fn list(
        &self,
        root: ObjectId,
        prefix: &str,
        mut taken: usize,
        sparse: &Sparse,
        mut entry: impl FnMut(String, Kind, ObjectId),
    ) -> Result<Vec<Gitlink>, SourceError> {
        let mut links = Vec::new();
        let mut pending = vec![(root, prefix.to_owned())];
        let mut buffer = Vec::new();
        while let Some((tree, prefix)) = pending.pop() {
            self.go_on()?;
            self.bounded(tree, "tree")?;
            let entries: TreeRefIter<'_> =
                self.objects.find_tree_iter(&tree, &mut buffer).map_err(|error| broken(self.url, error))?;
            let mut last: Option<EntryRef<'_>> = None;
            for found in entries {
                let found = found.map_err(|error| broken(self.url, error))?;
                if last.replace(found).is_some_and(|last| last >= found) {
                    let name = found.filename.to_string();
                    return Err(self.rejected(format!("`{prefix}{}` comes twice or out of order", name.escape_debug())));
                }
                let path = format!("{prefix}{}", self.name(&prefix, &found)?);
                let limit = self.limits.path_bytes;
                if path.len() > limit {
                    let start: String = path.chars().take(80).collect();
                    return Err(self.rejected(format!("`{start}…`: more than {limit} bytes in a path")));
                }
                // Directories count too: trees that hold nothing but each other must not keep us busy for ever.
                taken += 1;
                if taken > self.limits.entries {
                    return Err(self.rejected(format!("more than {} entries", self.limits.entries)));
                }
                let id = found.oid.to_owned();
                let kind = match found.mode.kind() {
                    EntryKind::Tree => {
                        if sparse.wants(&path) {
                            pending.push((id, format!("{path}/")));
                        }
                        Kind::Directory
                    }
                    EntryKind::Blob => Kind::File { executable: false },
                    EntryKind::BlobExecutable => Kind::File { executable: true },
                    EntryKind::Link => Kind::Link,
                    EntryKind::Commit => {
                        if sparse.wants(&path) {
                            links.push(Gitlink { path, commit: id });
                        }
                        continue;
                    }
                };
                // Where submodules come from is read whatever is wanted.
                if sparse.wants_file(&path) || path == ".gitmodules" {
                    entry(path, kind, id);
                }
            }
        }
        Ok(links)
    }

    /// The name of an entry; an error for one that Git itself would not check out.
    fn name<'b>(&self, prefix: &str, entry: &EntryRef<'b>) -> Result<&'b str, SourceError> {
        let name = std::str::from_utf8(entry.filename)
            .map_err(|_| self.rejected(format!("`{prefix}{}`: the name is not UTF-8", entry.filename)))?;
        let mode = entry.mode.is_link().then_some(component::Mode::Symlink);
        // A backslash, a colon and the names of Windows' devices mean nothing to whoever reads a tree.
        let options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
        if name.contains('\0') || gix::validate::path::component(name.into(), mode, options).is_err() {
            return Err(self.rejected(format!("`{prefix}{}` is not a name for a file", name.escape_debug())));
        }
        Ok(name)
    }

    /// The content of a file.
    pub(super) fn blob(&self, path: &str, id: ObjectId) -> Result<Bytes, SourceError> {
        self.go_on()?;
        self.bounded(id, path)?;
        let mut data = Vec::new();
        let object = self.objects.find(&id, &mut data).map_err(|error| broken(self.url, error))?;
        if object.kind != ObjectKind::Blob {
            return Err(self.rejected(format!("`{path}` is a {}, not a file", object.kind)));
        }
        Ok(data.into())
    }

    /// Looks at the size of an object before any memory is given to it.
    fn bounded(&self, object: ObjectId, what: &str) -> Result<(), SourceError> {
        let header = self.objects.header(object).map_err(|error| broken(self.url, error))?;
        let limit = self.limits.file_bytes;
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
