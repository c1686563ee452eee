//! Artifacts kept on disk for consumers that read them as files: the storage of the source controller.
//!
//! An artifact lies at `<kind>/<namespace>/<name>/<file>` as a `.tar.gz` whose bytes follow from its content alone, so
//! that its digest says whether anything changed. A file appears whole or not at all, and is held against its digest
//! whenever it is read. Of old files some are kept for consumers that are still at them.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flux_core::{Artifact, Digest, Revision};
use serde::{Deserialize, Serialize};

use crate::archive::{gzip, write_tar};

/// How long files that are no longer current are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Older ones are removed, however few there are: `--artifact-retention-ttl`.
    pub ttl: Duration,
    /// As many are kept at most, the current one included: `--artifact-retention-records`.
    pub records: usize,
}

impl Default for Retention {
    /// 60 seconds and 2 files, as Flux has it.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), records: 2 }
    }
}

/// Whose artifact it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The kind of the source, such as `GitRepository`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An artifact that was stored: `status.artifact` of a source, without the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Where it is, below the root of the store.
    pub path: String,
    /// Which revision it is.
    pub revision: Revision,
    /// The digest of the file.
    pub digest: Digest,
    /// The bytes of the file.
    pub size: u64,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A kind, namespace, name or file name that cannot be part of a path.
    #[error("`{0}` cannot be part of a path in the store")]
    Name(String),
    /// The file is gone.
    #[error("`{0}` is not in the store")]
    Missing(String),
    /// The file is not what was stored. It was removed.
    #[error("`{path}` has the digest `{found}` and was stored with `{wanted}`; it was removed")]
    Corrupt {
        /// Which file.
        path: String,
        /// What it has now.
        found: Digest,
        /// What it had.
        wanted: Digest,
    },
    /// The disk.
    #[error("`{path}`: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// A store in a directory. Its methods read and write the disk: call them where that may block.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    root: PathBuf,
    retention: Retention,
}

impl ArtifactStore {
    /// The store in this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), retention: Retention::default() }
    }

    /// The same with another retention.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Stores an artifact. Links in its tree are left out, as Flux leaves them out.
    ///
    /// # Errors
    /// A name that cannot be part of a path, or the disk. What was stored before stays.
    pub fn put(&self, owner: &Owner, artifact: &Artifact) -> Result<Stored, StoreError> {
        let hash = artifact.revision.hash().unwrap_or_else(|| artifact.digest().hex());
        let path = format!("{}/{}", directory(owner)?, part(&format!("{hash}.tar.gz"))?);
        let file = self.root.join(&path);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let data = write_tar(&artifact.tree).and_then(|tar| gzip(&tar)).map_err(failed)?;
        write_whole(&file, &data).map_err(failed)?;
        let (digest, size) = (Digest::sha256(&data), data.len() as u64);
        Ok(Stored { path, revision: artifact.revision.clone(), digest, size })
    }

    /// The bytes of a stored artifact, held against its digest; a file that is not what was stored is removed, so that
    /// the next fetch puts it right.
    ///
    /// # Errors
    /// The file is gone or spoilt, or the disk.
    pub fn read(&self, stored: &Stored) -> Result<Bytes, StoreError> {
        let path = stored.path.clone();
        for name in path.split('/') {
            part(name)?;
        }
        let file = self.root.join(&path);
        let data = match fs::read(&file) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Missing(path)),
            Err(source) => return Err(StoreError::Io { path, source }),
        };
        let found = Digest::sha256(&data);
        if found != stored.digest {
            fs::remove_file(&file).map_err(|source| StoreError::Io { path: path.clone(), source })?;
            return Err(StoreError::Corrupt { path, found, wanted: stored.digest.clone() });
        }
        Ok(data.into())
    }

    /// Removes what is too old or too much of an owner's files, never the current one; the paths that were removed.
    ///
    /// # Errors
    /// The disk.
    pub fn collect(&self, owner: &Owner, current: &Stored, now: SystemTime) -> Result<Vec<String>, StoreError> {
        let dir = directory(owner)?;
        let failed = |source| StoreError::Io { path: dir.clone(), source };
        let mut others = Vec::new();
        for entry in fs::read_dir(self.root.join(&dir)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
            if metadata.is_file() && path != current.path {
                others.push((metadata.modified().map_err(failed)?, path, entry.path()));
            }
        }
        others.sort_unstable_by(|a, b| b.cmp(a));
        let mut removed = Vec::new();
        for (index, (modified, path, file)) in others.into_iter().enumerate() {
            let age = now.duration_since(modified).unwrap_or_default();
            if age > self.retention.ttl || index + 1 >= self.retention.records {
                fs::remove_file(file).map_err(|source| StoreError::Io { path: path.clone(), source })?;
                removed.push(path);
            }
        }
        Ok(removed)
    }

    /// Removes everything of an owner; nothing there is fine.
    ///
    /// # Errors
    /// The disk.
    pub fn remove(&self, owner: &Owner) -> Result<(), StoreError> {
        let path = directory(owner)?;
        match fs::remove_dir_all(self.root.join(&path)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Io { path, source }),
            _ => Ok(()),
        }
    }
}

fn directory(owner: &Owner) -> Result<String, StoreError> {
    let kind = owner.kind.to_lowercase();
    Ok(format!("{}/{}/{}", part(&kind)?, part(&owner.namespace)?, part(&owner.name)?))
}

fn part(name: &str) -> Result<&str, StoreError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'+');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(StoreError::Name(name.chars().take(128).collect()));
    }
    Ok(name)
}

/// Writes a file beside its place, makes it durable and moves it there.
fn write_whole(file: &Path, data: &[u8]) -> io::Result<()> {
    let dir = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(dir)?;
    let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    temporary.write_all(data)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use flux_core::tree::{Entry, Tree};

    use super::*;

    fn artifact(revision: &str, text: &str) -> Artifact {
        let mut builder = Tree::builder();
        builder.file("a/b.yaml", text.to_owned()).unwrap();
        builder.entry("run", Entry::File { data: Bytes::from_static(b"x"), executable: true }).unwrap();
        builder.link("link", "run").unwrap();
        Artifact::new(Revision::new(revision), builder.build())
    }

    fn owner() -> Owner {
        Owner { kind: "GitRepository".into(), namespace: "flux-system".into(), name: "app".into() }
    }

    fn store() -> (tempfile::TempDir, ArtifactStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(dir.path());
        (dir, store)
    }

    #[test]
    fn what_is_stored_is_read_back_and_follows_from_the_content_alone() {
        let (_dir, store) = store();
        let stored = store.put(&owner(), &artifact("main@sha1:00ff", "1")).unwrap();
        assert_eq!(stored.path, "gitrepository/flux-system/app/00ff.tar.gz");
        let data = store.read(&stored).unwrap();
        assert_eq!(data.len() as u64, stored.size);
        assert_eq!(store.put(&owner(), &artifact("main@sha1:00ff", "1")).unwrap(), stored);
        assert_ne!(store.put(&owner(), &artifact("main@sha1:01ff", "2")).unwrap().digest, stored.digest);
        let found = crate::archive::read_tar_gz("u", &data, Default::default()).unwrap();
        let names: Vec<String> = found.into_iter().map(|entry| entry.path).collect();
        assert_eq!(names, ["a", "a/b.yaml", "run"], "links are left out");
    }

    #[test]
    fn a_spoilt_file_is_found_and_removed() {
        let (dir, store) = store();
        let stored = store.put(&owner(), &artifact("main@sha1:00ff", "1")).unwrap();
        fs::write(dir.path().join(&stored.path), "spoilt").unwrap();
        assert!(matches!(store.read(&stored), Err(StoreError::Corrupt { .. })));
        assert!(matches!(store.read(&stored), Err(StoreError::Missing(_))));
    }

    #[test]
    fn old_files_go_and_the_current_one_stays() {
        let (_dir, store) = store();
        let put = |hash: &str| store.put(&owner(), &artifact(&format!("main@sha1:{hash}"), hash)).unwrap();
        let all = ["01", "02", "03"].map(put);
        let now = SystemTime::now();
        assert_eq!(store.collect(&owner(), &all[2], now).unwrap().len(), 1, "two are kept");
        let late = now + Duration::from_secs(3600);
        assert_eq!(store.collect(&owner(), &all[2], late).unwrap().len(), 1, "what is too old goes");
        store.read(&all[2]).unwrap();
        store.remove(&owner()).unwrap();
        store.remove(&owner()).unwrap();
        assert!(matches!(store.read(&all[2]), Err(StoreError::Missing(_))));
    }

    #[test]
    fn h01_nothing_leaves_the_store() {
        let (_dir, store) = store();
        for name in ["", "..", "a/b", ".hidden", "a\0b"] {
            let owner = Owner { name: name.into(), ..owner() };
            assert!(matches!(store.put(&owner, &artifact("sha1:00", "1")), Err(StoreError::Name(_))), "{name:?}");
            assert!(matches!(store.remove(&owner), Err(StoreError::Name(_))), "{name:?}");
        }
        assert!(store.put(&owner(), &artifact("main@sha1:../../x", "1")).is_err());
    }
}
