//! State in files.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{PipelineState, StateError, StateStore, tree};
use crate::digest::Digest;
use crate::tree::Tree;

/// State in files, one for each pipeline, in a directory of their own. The first line of a file is the digest of the
/// rest: a torn file is told from a whole one. The files of revisions that pipelines can go back to are below `trees`,
/// one file a tree, and beside each a directory that names the pipelines that need it.
#[derive(Debug)]
pub struct FileStateStore {
    dir: PathBuf,
}

impl FileStateStore {
    /// Keeps state in this directory; it is made if it is not there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{}.json", file_name(key)))
    }

    fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("trees").join(digest.hex())
    }

    /// Where the pipelines that need a tree are named.
    fn users(&self, digest: &Digest) -> PathBuf {
        self.dir.join("trees").join(format!("{}.for", digest.hex()))
    }

    fn keep(&self, key: &str, tree: &Tree) -> io::Result<()> {
        let users = self.users(tree.digest());
        fs::create_dir_all(&users)?;
        File::create(users.join(file_name(key)))?;
        let path = self.tree_path(tree.digest());
        if path.exists() { Ok(()) } else { atomic_write(&path, &tree::encode(tree)?) }
    }

    fn forget(&self, key: &str, digest: &Digest) -> io::Result<()> {
        let users = self.users(digest);
        absent(fs::remove_file(users.join(file_name(key))))?;
        // A directory that still names somebody stays, and so does the tree.
        if fs::remove_dir(&users).is_ok() { absent(fs::remove_file(self.tree_path(digest))) } else { Ok(()) }
    }
}

/// A file name for any key: letters, digits, `-`, `.` and `_` as they are, all else as its bytes, so that no two keys
/// share a file and none leaves the directory. A key too long for a file name ends in its hash.
fn file_name(key: &str) -> String {
    const LONGEST: usize = 180;
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte.into()),
            b'.' if !name.is_empty() => name.push('.'),
            byte => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST - 66);
        name.push_str("%-");
        name.push_str(Digest::sha256(key.as_bytes()).hex());
    }
    name
}

/// Replaces a file: all or nothing, and there after a crash once this has returned.
pub(crate) fn atomic_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// That something is gone already is as good as removing it.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // Directories can be opened and synced on Unix only; elsewhere a rename is as durable as the system makes it.
        Some(parent) if cfg!(unix) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            File::open(parent)?.sync_all()
        }
        _ => Ok(()),
    }
}

fn encode(state: &PipelineState) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec_pretty(state)?;
    let mut text = format!("{}\n", Digest::sha256(&body)).into_bytes();
    text.extend_from_slice(&body);
    Ok(text)
}

fn decode(bytes: &[u8]) -> Result<PipelineState, String> {
    let end = bytes.iter().position(|&b| b == b'\n').ok_or("it has no digest line")?;
    let body = bytes.get(end + 1..).unwrap_or_default();
    if bytes.get(..end) != Some(Digest::sha256(body).to_string().as_bytes()) {
        return Err("its digest does not match its content".into());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

#[async_trait]
impl StateStore for FileStateStore {
    async fn load(&self, key: &str) -> Result<Option<PipelineState>, StateError> {
        let path = self.path(key);
        match fs::read(&path) {
            Ok(bytes) => {
                decode(&bytes).map(Some).map_err(|problem| StateError::Corrupt { key: key.to_owned(), path, problem })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::Io { key: key.to_owned(), path, error }),
        }
    }

    async fn save(&self, key: &str, state: &PipelineState) -> Result<(), StateError> {
        let path = self.path(key);
        encode(state).and_then(|bytes| atomic_write(&path, &bytes)).map_err(|error| StateError::Io {
            key: key.to_owned(),
            path,
            error,
        })
    }

    async fn remove(&self, key: &str) -> Result<(), StateError> {
        let path = self.path(key);
        match fs::remove_file(&path).and_then(|()| sync_parent(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Io { key: key.to_owned(), path, error })
            }
            _ => Ok(()),
        }
    }

    async fn keep_tree(&self, key: &str, tree: &Tree) -> Result<(), StateError> {
        self.keep(key, tree).map_err(|error| StateError::Io {
            key: key.to_owned(),
            path: self.tree_path(tree.digest()),
            error,
        })
    }

    async fn tree(&self, digest: &Digest) -> Result<Option<Tree>, StateError> {
        let (key, path) = (format!("the files {digest}"), self.tree_path(digest));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io { key, path, error }),
        };
        match tree::decode(bytes) {
            Ok(tree) if tree.digest() == digest => Ok(Some(tree)),
            Ok(_) => Err(StateError::Corrupt { key, path, problem: "its digest does not match its content".into() }),
            Err(problem) => Err(StateError::Corrupt { key, path, problem }),
        }
    }

    async fn forget_tree(&self, key: &str, digest: &Digest) -> Result<(), StateError> {
        self.forget(key, digest).map_err(|error| StateError::Io {
            key: key.to_owned(),
            path: self.tree_path(digest),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Revision;

    fn state() -> PipelineState {
        PipelineState { last_applied_revision: Some(Revision::new("main@sha1:1")), ..PipelineState::default() }
    }

    #[tokio::test]
    async fn state_survives_a_restart_under_any_key() {
        let dir = tempfile::tempdir().unwrap();
        for key in ["Kustomization/flux/app", "../../etc/passwd", "..", "é/\0", &"x".repeat(1000)] {
            FileStateStore::open(dir.path()).unwrap().save(key, &state()).await.unwrap();
            let store = FileStateStore::open(dir.path()).unwrap();
            assert_eq!(store.load(key).await.unwrap(), Some(state()), "{key}");
            store.remove(key).await.unwrap();
            assert_eq!(store.load(key).await.unwrap(), None);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_torn_file_is_an_error_at_every_length() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStateStore::open(dir.path()).unwrap();
        store.save("a", &state()).await.unwrap();
        let whole = fs::read(store.path("a")).unwrap();
        for length in 0..whole.len() {
            fs::write(store.path("a"), &whole[..length]).unwrap();
            assert!(matches!(store.load("a").await, Err(StateError::Corrupt { .. })), "{length}");
        }
    }

    #[tokio::test]
    async fn files_are_kept_for_as_long_as_somebody_needs_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStateStore::open(dir.path()).unwrap();
        let tree = Tree::from_files([("a.yaml", "a")]).unwrap();
        for key in ["Kustomization/a", "Kustomization/b"] {
            store.keep_tree(key, &tree).await.unwrap();
        }
        let again = FileStateStore::open(dir.path()).unwrap();
        again.forget_tree("Kustomization/a", tree.digest()).await.unwrap();
        assert_eq!(again.tree(tree.digest()).await.unwrap().as_ref(), Some(&tree));
        again.forget_tree("Kustomization/b", tree.digest()).await.unwrap();
        assert_eq!(again.tree(tree.digest()).await.unwrap(), None);
        again.forget_tree("Kustomization/b", tree.digest()).await.unwrap();
    }

    #[tokio::test]
    async fn files_that_were_changed_are_no_files() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStateStore::open(dir.path()).unwrap();
        let tree = Tree::from_files([("a.yaml", "replicas: 1")]).unwrap();
        store.keep_tree("a", &tree).await.unwrap();
        let text = fs::read_to_string(store.tree_path(tree.digest())).unwrap();
        fs::write(store.tree_path(tree.digest()), text.replace("replicas: 1", "replicas: 9")).unwrap();
        assert!(matches!(store.tree(tree.digest()).await, Err(StateError::Corrupt { .. })));
    }
}
