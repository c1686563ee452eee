//! A journal in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{AuditSink, Entry, Head, Tampered, lock, verify};
use crate::store::atomic_write;

/// Why the journal could not be opened or kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be read or written.
    #[error("audit journal {path}: {error}", path = .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The journal is not what was written.
    #[error("audit journal {path}: {tampered}", path = .path.display())]
    Tampered {
        /// Which file.
        path: PathBuf,
        /// Where and how.
        #[source]
        tampered: Tampered,
    },
}

/// A journal in a file: JSON lines, appended and synced one by one, with the head of the chain in a second file beside it
/// (`<path>.head`), so that lines cut off the end are noticed too. One process writes a journal at a time.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    head: Head,
}

impl FileJournal {
    /// Opens a journal and checks it from the first line; makes it if it is not there. A last line that a crash left
    /// half written, and that the head file does not vouch for, is cut off.
    ///
    /// # Errors
    /// The file cannot be read or written, or is not what was written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let io = |error| JournalError::Io { path: path.clone(), error };
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let kept = read_head(&head_path(&path)).map_err(io)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let head = verify(&text[..whole], kept.as_ref())
            .map_err(|tampered| JournalError::Tampered { path: path.clone(), tampered })?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(io)?;
        }
        Ok(Self { path, state: Mutex::new(State { file, head }) })
    }

    /// The lines of a journal, checked from the first; nothing is written. A last line that is being written, or that a
    /// crash left half written, is not part of it.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub fn read(path: impl Into<PathBuf>) -> Result<String, JournalError> {
        let path = path.into();
        let io = |error| JournalError::Io { path: path.clone(), error };
        // The head first: what is written meanwhile is beyond it.
        let kept = read_head(&head_path(&path)).map_err(io)?;
        let mut text = std::fs::read_to_string(&path).map_err(io)?;
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        verify(&text, kept.as_ref()).map_err(|tampered| JournalError::Tampered { path: path.clone(), tampered })?;
        Ok(text)
    }

    /// The end of the journal.
    pub fn head(&self) -> Head {
        lock(&self.state).head.clone()
    }
}

impl AuditSink for FileJournal {
    fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        let io = |error| JournalError::Io { path: self.path.clone(), error };
        let mut state = lock(&self.state);
        let line = state.head.line(entry.clone());
        let mut text = serde_json::to_vec(&line).map_err(|error| io(error.into()))?;
        text.push(b'\n');
        let length = state.file.metadata().map_err(io)?.len();
        if let Err(error) = state.file.write_all(&text).and_then(|()| state.file.sync_data()) {
            // Half a line must not stay in the middle of the journal; if it cannot be cut off, opening it will say so.
            let _ = state.file.set_len(length);
            return Err(io(error));
        }
        state.head = Head { seq: line.seq, hash: line.hash };
        let head = serde_json::to_vec(&state.head).map_err(|error| io(error.into()))?;
        atomic_write(&head_path(&self.path), &head).map_err(io)
    }
}

fn head_path(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".head");
    path.into()
}

fn read_head(path: &Path) -> io::Result<Option<Head>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::entry;
    use super::*;

    #[test]
    fn it_goes_on_after_a_restart_and_a_torn_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        FileJournal::open(&path).unwrap().record(&entry("a")).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":2,").unwrap();
        assert_eq!(FileJournal::read(&path).unwrap().lines().count(), 1, "what is torn is not read");
        let journal = FileJournal::open(&path).unwrap();
        journal.record(&entry("b")).unwrap();
        assert_eq!(journal.head().seq, 2);
        assert_eq!(FileJournal::open(&path).unwrap().head(), journal.head());
    }

    #[test]
    fn lines_cut_off_the_end_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let journal = FileJournal::open(&path).unwrap();
        ["a", "b", "c"].iter().for_each(|name| journal.record(&entry(name)).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.split_inclusive('\n').take(2).collect::<String>()).unwrap();
        assert!(matches!(FileJournal::read(&path), Err(JournalError::Tampered { .. })));
        let error = FileJournal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Tampered { tampered: Tampered { line: 3, .. }, .. }), "{error}");
    }
}
