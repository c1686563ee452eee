//! Artifacts kept on disk for consumers that read them as files: the storage of the source controller.
//!
//! An artifact lies at `<kind>/<namespace>/<name>/<file>` as a `.tar.gz` whose bytes follow from its content alone, so
//! that its digest says whether anything changed. A file appears whole or not at all, and is held against its digest
//! whenever it is read. Of old files some are kept for consumers that are still at them. What was stored is recorded beside
//! each file, so that a store that is opened again knows what it holds.
//!
//! With the feature `serve` the store is served over HTTP; see [`serve`].

mod record;
#[cfg(feature = "serve")]
pub mod serve;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flux_core::digest::Hasher;
use flux_core::{Artifact, Digest, Revision};
use serde::{Deserialize, Serialize};

use crate::archive::{gzip, write_tar};

/// How many files of an owner are looked at in one collection.
const WALKED: usize = 1000;
/// How a file begins that is not whole yet.
const UNFINISHED: &str = ".new-";

/// How long files that are no longer current are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Older ones are removed, however few there are: `--artifact-retention-ttl`.
    pub ttl: Duration,
    /// As many are kept at most, the current one included: `--artifact-retention-records`.
    pub records: usize,
}

impl Stored {
    /// Where the artifact is for consumers, below the address of the server: `status.artifact.url`. An address without
    /// `http://` or `https://` is one of plain HTTP.
    ///
    /// ```
    /// use flux_core::{Digest, Revision};
    /// let stored = flux_sources::store::Stored {
    ///     path: "bucket/apps/b/00ff.tar.gz".into(),
    ///     revision: Revision::new("sha256:00ff"),
    ///     digest: Digest::sha256(b""),
    ///     size: 0,
    /// };
    /// assert_eq!(stored.url("source.flux.svc"), "http://source.flux.svc/bucket/apps/b/00ff.tar.gz");
    /// ```
    pub fn url(&self, address: &str) -> String {
        let scheme = if address.contains("://") { "" } else { "http://" };
        format!("{scheme}{}/{}", address.trim_end_matches('/'), self.path)
    }
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
    /// A tree that was to be stored as a chart and is none.
    #[error("`{path}`: {problem}")]
    Chart {
        /// Whose it is.
        path: String,
        /// What is wrong with it.
        problem: String,
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
        let data = write_tar(&artifact.tree).and_then(|tar| gzip(&tar));
        let data = data.map_err(|source| StoreError::Io { path: path.clone(), source })?;
        self.write(path, &artifact.revision, &data)
    }

    /// Stores a chart as the archive that `helm package` makes, `<chart>-<version>.tgz`.
    ///
    /// # Errors
    /// As [`put`](Self::put), or a tree that is no chart.
    #[cfg(feature = "helm")]
    pub fn put_chart(&self, owner: &Owner, artifact: &Artifact) -> Result<Stored, StoreError> {
        let directory = directory(owner)?;
        let refused = |problem: String| StoreError::Chart { path: directory.clone(), problem };
        let (name, data) = crate::helm::archive(&artifact.tree).map_err(refused)?;
        let path = format!("{directory}/{}", part(&format!("{name}-{}.tgz", artifact.revision))?);
        self.write(path, &artifact.revision, &data)
    }

    fn write(&self, path: String, revision: &Revision, data: &[u8]) -> Result<Stored, StoreError> {
        let file = self.root.join(&path);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let (digest, size) = (Digest::sha256(data), data.len() as u64);
        let stored = Stored { path: path.clone(), revision: revision.clone(), digest, size };
        // First what the file is to be: between the two, the old file is called spoilt and nobody gets it as the new one.
        record::write(&file, &stored).map_err(failed)?;
        write_whole(&file, data).map_err(failed)?;
        Ok(stored)
    }

    /// What is stored at a path, as it was recorded.
    ///
    /// # Errors
    /// A path that cannot be in the store, nothing there, or the disk.
    pub fn stored(&self, path: &str) -> Result<Stored, StoreError> {
        let file = self.file(path)?;
        match record::read(&file) {
            Ok(Some(stored)) if stored.path == path => Ok(stored),
            Ok(_) => Err(StoreError::Missing(path.to_owned())),
            Err(source) => Err(StoreError::Io { path: path.to_owned(), source }),
        }
    }

    fn file(&self, path: &str) -> Result<PathBuf, StoreError> {
        for name in path.split('/') {
            part(name)?;
        }
        Ok(self.root.join(path))
    }

    /// Opens a stored file and holds it against its digest. A file that is not what was stored is removed, so that the
    /// next fetch puts it right; of its record the path and the revision stay.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn open(&self, stored: &Stored) -> Result<fs::File, StoreError> {
        let path = stored.path.clone();
        let file = self.file(&path)?;
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut opened = match fs::File::open(&file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Missing(path)),
            Err(source) => return Err(failed(source)),
        };
        let found = digest(&mut opened).map_err(failed)?;
        if found != stored.digest {
            fs::remove_file(&file).map_err(failed)?;
            return Err(StoreError::Corrupt { path, found, wanted: stored.digest.clone() });
        }
        io::Seek::rewind(&mut opened).map_err(failed)?;
        Ok(opened)
    }

    /// The bytes of a stored artifact, held against its digest; a file that is not what was stored is removed, so that
    /// the next fetch puts it right.
    ///
    /// # Errors
    /// The file is gone or spoilt, or the disk.
    pub fn read(&self, stored: &Stored) -> Result<Bytes, StoreError> {
        let mut data = Vec::new();
        let mut file = self.open(stored)?;
        file.read_to_end(&mut data).map_err(|source| StoreError::Io { path: stored.path.clone(), source })?;
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
        let mut removed = Vec::new();
        let age = |modified: SystemTime| now.duration_since(modified).unwrap_or_default();
        for entry in fs::read_dir(self.root.join(&dir)).map_err(failed)?.take(WALKED) {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{dir}/{name}");
            if !metadata.is_file() || path == current.path {
                continue;
            }
            let modified = metadata.modified().map_err(failed)?;
            if !name.starts_with('.') {
                others.push((modified, path, entry.path()));
            } else if name.starts_with(UNFINISHED) && age(modified) > self.retention.ttl {
                // What a process left that ended while it wrote.
                remove(&entry.path()).map_err(failed)?;
                removed.push(path);
            }
        }
        others.sort_unstable_by(|a, b| b.cmp(a));
        for (index, (modified, path, file)) in others.into_iter().enumerate() {
            if age(modified) > self.retention.ttl || index + 1 >= self.retention.records {
                remove(&file).and_then(|()| record::remove(&file)).map_err(failed)?;
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

/// The digest of what is left of a file.
fn digest(file: &mut fs::File) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Removes a file; one that is gone is fine.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file beside its place, makes it durable and moves it there.
fn write_whole(file: &Path, data: &[u8]) -> io::Result<()> {
    let dir = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(dir)?;
    let mut temporary = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir)?;
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
    fn a_store_that_is_opened_again_knows_what_it_holds() {
        let (dir, store) = store();
        let stored = store.put(&owner(), &artifact("main@sha1:00ff", "1")).unwrap();
        let again = ArtifactStore::new(dir.path());
        assert_eq!(again.stored(&stored.path).unwrap(), stored);
        fs::copy(dir.path().join(&stored.path), dir.path().join("gitrepository/flux-system/app/other.tar.gz")).unwrap();
        let unknown = again.stored("gitrepository/flux-system/app/other.tar.gz");
        assert!(matches!(unknown, Err(StoreError::Missing(_))), "what was not stored is not there");
        let newer = store.put(&owner(), &artifact("main@sha1:00ff", "2")).unwrap();
        assert_eq!(again.stored(&stored.path).unwrap(), newer);
        assert!(matches!(again.open(&stored), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn leftovers_go_and_records_go_with_their_files() {
        let (dir, store) = store();
        let put = |hash: &str| store.put(&owner(), &artifact(&format!("main@sha1:{hash}"), hash)).unwrap();
        let (old, current) = (put("01"), put("02"));
        let own = dir.path().join("gitrepository/flux-system/app");
        fs::write(own.join(".new-abc"), "half").unwrap();
        assert!(store.collect(&owner(), &current, SystemTime::now()).unwrap().is_empty());
        let removed = store.collect(&owner(), &current, SystemTime::now() + Duration::from_secs(61)).unwrap();
        assert_eq!(removed, ["gitrepository/flux-system/app/.new-abc", old.path.as_str()]);
        assert_eq!(fs::read_dir(&own).unwrap().count(), 2, "the current file and its record");
    }

    #[cfg(feature = "helm")]
    #[test]
    fn charts_are_stored_as_helm_packages_them() {
        let (_dir, store) = store();
        let owner = Owner { kind: "HelmChart".into(), ..owner() };
        let chart = Tree::from_files([("Chart.yaml", "name: app\nversion: 1.0.0+x.2\n"), ("a.yaml", "")]).unwrap();
        let stored = store.put_chart(&owner, &Artifact::new(Revision::new("1.0.0+x.2"), chart)).unwrap();
        assert_eq!(stored.path, "helmchart/flux-system/app/app-1.0.0+x.2.tgz");
        let found = crate::archive::read_tar_gz("u", &store.read(&stored).unwrap(), Default::default()).unwrap();
        let names: Vec<String> = found.into_iter().map(|entry| entry.path).collect();
        assert_eq!(names, ["app", "app/Chart.yaml", "app/a.yaml"]);
        let none = store.put_chart(&owner, &artifact("1.0.0", "1")).unwrap_err();
        assert!(none.to_string().ends_with("there is no Chart.yaml"), "{none}");
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
