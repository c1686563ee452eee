//! The audit journal: one line for every change, chained so that a removed or edited line is detected.

mod chain;
mod file;
mod memory;
mod replay;

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::artifact::Revision;
use crate::digest::Digest;
use crate::object::ObjectId;
use crate::plan::{Action, FieldChange};
use crate::time::Timestamp;

pub use chain::{Head, Line, Tampered, verify};
pub use file::{FileJournal, JournalError};
pub use memory::MemoryJournal;
pub use replay::{Recorded, state_at};

/// One change to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// Which pipeline, as the loop names it.
    pub subject: String,
    /// By whom: the field manager, or whoever was impersonated.
    pub by: String,
    /// The revision that asked for it.
    pub revision: Option<Revision>,
    /// The digest of the files of that revision.
    pub digest: Option<Digest>,
    /// Which object.
    pub object: ObjectId,
    /// What was done.
    pub action: Action,
    /// Which fields; the content of secrets is masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// Takes entries of the journal. Called after the change was made and before the next one is.
pub trait AuditSink: Send + Sync {
    /// Takes one entry.
    ///
    /// # Errors
    /// The entry could not be kept; the run stops there.
    fn record(&self, entry: &Entry) -> Result<(), JournalError>;
}

/// Takes entries and forgets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl AuditSink for Discard {
    fn record(&self, _entry: &Entry) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Whatever a poisoned lock protects is still whole: every change under these locks is a single push or assignment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
