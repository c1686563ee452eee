//! A local directory as a source.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::context::Interrupted;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Tree, TreeLimits};
use flux_core::{Artifact, Context, Revision};

use crate::listing::{Found, Kind, Selection};
use crate::memory::content_revision;

/// A directory on the machine, read anew each time; its revision is the digest of what is in it.
///
/// It reads as a Git repository with the same files would: `.git` is not looked at, ignore rules apply, links are kept as
/// links and are not followed, so nothing outside the directory is ever read. Devices, sockets and pipes are left out.
#[derive(Debug, Clone)]
pub struct DirSource {
    path: PathBuf,
    selection: Selection,
}

impl DirSource {
    /// The directory at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), selection: Selection::default() }
    }

    /// Leaves out what these patterns match, like `spec.ignore`; see [`ignore`](crate::ignore).
    #[must_use]
    pub fn with_ignore(mut self, patterns: impl Into<String>) -> Self {
        self.selection.ignore = Some(patterns.into());
        self
    }

    /// Reads no more than these limits allow.
    #[must_use]
    pub fn with_limits(mut self, limits: TreeLimits) -> Self {
        self.selection.limits = limits;
        self
    }

    async fn read(&self, cx: &Context) -> Result<Tree, SourceError> {
        cx.check()?;
        let source = self.clone();
        cx.run_blocking(move |stop| source.read_blocking(stop)).await?
    }

    fn read_blocking(&self, stop: &AtomicBool) -> Result<Tree, SourceError> {
        let url = self.path.display().to_string();
        if !self.path.is_dir() {
            return Err(SourceError::NotFound { url, what: "directory".into() });
        }
        let found = self.list(&url, stop)?;
        self.selection.read(&url, &found, |entry| {
            go_on(stop)?;
            self.content(entry).map_err(|error| unreadable(&url, &entry.path, error))
        })
    }

    /// Every entry below the directory, links not followed.
    fn list(&self, url: &str, stop: &AtomicBool) -> Result<Vec<Found<PathBuf>>, SourceError> {
        let limits = self.selection.limits;
        let mut found = Vec::new();
        let mut pending = vec![(self.path.clone(), String::new())];
        while let Some((dir, prefix)) = pending.pop() {
            go_on(stop)?;
            for entry in fs::read_dir(&dir).map_err(|error| unreadable(url, &prefix, error))? {
                let entry = entry.map_err(|error| unreadable(url, &prefix, error))?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    return rejected(url, format!("`{prefix}{}`: the name is not UTF-8", name.display()));
                };
                if name == ".git" {
                    continue;
                }
                let path = format!("{prefix}{name}");
                let metadata = fs::symlink_metadata(entry.path()).map_err(|error| unreadable(url, &path, error))?;
                let kind = match metadata.file_type() {
                    kind if kind.is_dir() => Kind::Directory,
                    kind if kind.is_symlink() => Kind::Link,
                    kind if kind.is_file() => Kind::File { executable: executable(&metadata) },
                    _ => continue,
                };
                if path.len() > limits.path_bytes {
                    let start: String = path.chars().take(80).collect();
                    return rejected(url, format!("`{start}…`: more than {} bytes in a path", limits.path_bytes));
                }
                if found.len() >= limits.entries {
                    return rejected(url, format!("more than {} entries", limits.entries));
                }
                if kind == Kind::Directory {
                    pending.push((entry.path(), format!("{path}/")));
                }
                found.push(Found { path, kind, handle: entry.path() });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn content(&self, entry: &Found<PathBuf>) -> io::Result<Bytes> {
        if entry.kind == Kind::Link {
            let target = fs::read_link(&entry.handle)?;
            let target = target.into_os_string().into_string();
            return target.map(Bytes::from).map_err(|_| io::Error::other("the target of the link is not UTF-8"));
        }
        let file = open(&entry.handle)?;
        let mut data = Vec::new();
        // One byte more than allowed is enough for the tree to refuse it.
        file.take(self.selection.limits.file_bytes.saturating_add(1)).read_to_end(&mut data)?;
        Ok(data.into())
    }
}

#[async_trait]
impl Source for DirSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        Ok(content_revision(&self.read(cx).await?))
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        let tree = self.read(cx).await?;
        let now = content_revision(&tree);
        if now != *revision {
            let url = self.path.display().to_string();
            let what = format!("revision `{revision}` (the directory is at `{now}` now)");
            return Err(SourceError::NotFound { url, what });
        }
        Ok(Artifact::new(now, tree))
    }
}

/// Opens a file that was seen to be one, and not whatever may have taken its place since.
fn open(path: &Path) -> io::Result<File> {
    let seen = fs::symlink_metadata(path)?;
    if !seen.is_file() {
        return Err(io::Error::other("is no longer a file"));
    }
    let file = File::open(path)?;
    if same_file(&seen, &file.metadata()?) { Ok(file) } else { Err(io::Error::other("changed while it was read")) }
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    a.file_type() == b.file_type()
}

#[cfg(unix)]
fn executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> bool {
    false
}

fn go_on(stop: &AtomicBool) -> Result<(), SourceError> {
    if stop.load(Ordering::Relaxed) { Err(Interrupted::Cancelled.into()) } else { Ok(()) }
}

fn rejected<T>(url: &str, problem: String) -> Result<T, SourceError> {
    Err(SourceError::Rejected { url: url.to_owned(), problem })
}

fn unreadable(url: &str, path: &str, error: io::Error) -> SourceError {
    SourceError::Rejected { url: url.to_owned(), problem: format!("`{path}`: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    async fn fetch(source: &DirSource) -> Result<Tree, SourceError> {
        let cx = Context::background();
        let revision = source.resolve(&cx).await?;
        Ok(source.fetch(&cx, &revision).await?.tree)
    }

    #[tokio::test]
    async fn reads_files_and_leaves_out_git_and_what_is_ignored() {
        let dir = directory(&[("a/x.yaml", "1"), ("logo.png", "2"), (".git/config", "3"), (".github/w.yaml", "4")]);
        let tree = fetch(&DirSource::new(dir.path())).await.unwrap();
        assert_eq!(tree.walk("").map(|(path, _)| path).collect::<Vec<_>>(), ["a/x.yaml"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn h02_a_link_is_kept_and_nothing_outside_is_read() {
        let outside = directory(&[("secret", "s")]);
        let dir = directory(&[("a/x.yaml", "1")]);
        std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("in")).unwrap();
        let tree = fetch(&DirSource::new(dir.path())).await.unwrap();
        assert!(tree.read("out/secret").is_err());
        assert_eq!(tree.read("in/x.yaml").unwrap().as_ref(), b"1");
        assert_eq!(tree.file_count(), 1);
    }

    #[tokio::test]
    async fn limits_hold_while_reading() {
        let dir = directory(&[("a", "12345"), ("b", "1")]);
        let limited = |limits| DirSource::new(dir.path()).with_limits(limits);
        let error = fetch(&limited(TreeLimits { file_bytes: 4, ..TreeLimits::default() })).await.unwrap_err();
        assert!(error.to_string().ends_with("`a`: more than 4 bytes in one file"), "{error}");
        let error = fetch(&limited(TreeLimits { entries: 1, ..TreeLimits::default() })).await.unwrap_err();
        assert!(error.to_string().ends_with("more than 1 entries"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_directory_is_named() {
        let error = fetch(&DirSource::new("no/such/place")).await.unwrap_err();
        assert_eq!(error.to_string(), "no/such/place: directory not found");
    }
}
