//! State that must survive a restart.

mod file;
mod memory;
mod tree;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::artifact::Revision;
use crate::digest::Digest;
use crate::inventory::Inventory;
use crate::time::Timestamp;
use crate::tree::Tree;

pub use file::FileStateStore;
pub(crate) use file::atomic_write;
pub use memory::MemoryStateStore;

/// What a pipeline must remember across a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PipelineState {
    /// Everything it may own: written before anything is applied, and again when it is known what was.
    pub inventory: Inventory,
    /// The revision that was last applied in full.
    #[serde(default)]
    pub last_applied_revision: Option<Revision>,
    /// The revision that was last tried.
    #[serde(default)]
    pub last_attempted_revision: Option<Revision>,
    /// What was applied, newest first.
    #[serde(default)]
    pub history: History,
    /// The revisions that were applied in full and, where the pipeline waits, were ready: newest first. Their files are
    /// kept, so that the pipeline can go back to them.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub good: VecDeque<Good>,
    /// The revision that the pipeline went back from, and to which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

/// A revision that a pipeline can go back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Good {
    /// Which revision.
    pub revision: Revision,
    /// The digest of its files, by which they are kept.
    pub digest: Digest,
    /// What the source knew about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When it was found to be good.
    pub since: Timestamp,
}

/// That a pipeline stays at an earlier revision until there is a newer one than it went back from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// The revision that is not applied.
    pub from: Revision,
    /// The one that is applied instead.
    pub to: Revision,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl PipelineState {
    /// How many revisions a pipeline can go back to.
    pub const KEPT: usize = 3;

    /// The rollback that is in force while a source is at this revision.
    pub fn rollback_from(&self, revision: &Revision) -> Option<&Rollback> {
        self.rollback.as_ref().filter(|rollback| rollback.from == *revision)
    }

    /// Puts a revision first among the good ones. Answers with the digests of files that are no longer needed.
    pub(crate) fn approve(&mut self, good: Good) -> Vec<Digest> {
        let before: Vec<Digest> = self.good.iter().map(|good| good.digest.clone()).collect();
        self.good.retain(|known| known.revision != good.revision && known.digest != good.digest);
        self.good.push_front(good);
        self.good.truncate(Self::KEPT);
        before.into_iter().filter(|digest| !self.good.iter().any(|good| good.digest == *digest)).collect()
    }
}

/// What was applied, newest first, at most five entries, as Flux keeps it in `status.history`: runs that rendered the same
/// and ended the same are one entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(VecDeque<Snapshot>);

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Digest of the rendered objects.
    pub digest: Digest,
    /// When it was first applied.
    pub first_reconciled: Timestamp,
    /// When it was last applied.
    pub last_reconciled: Timestamp,
    /// How it ended: a reason from Flux's list, such as `ReconciliationSucceeded`.
    pub last_reconciled_status: String,
    /// How often it was applied.
    pub total_reconciliations: u64,
    /// Which revision it was.
    pub revision: Revision,
}

impl History {
    const LENGTH: usize = 5;

    /// Adds a run.
    pub fn record(&mut self, digest: &Digest, status: &str, revision: &Revision, now: Timestamp) {
        let known = self.0.iter().position(|s| s.digest == *digest && s.last_reconciled_status == status);
        let mut snapshot = known.and_then(|i| self.0.remove(i)).unwrap_or_else(|| Snapshot {
            digest: digest.clone(),
            first_reconciled: now,
            last_reconciled: now,
            last_reconciled_status: status.to_owned(),
            total_reconciliations: 0,
            revision: revision.clone(),
        });
        snapshot.last_reconciled = now;
        snapshot.total_reconciliations += 1;
        snapshot.revision = revision.clone();
        self.0.push_front(snapshot);
        self.0.truncate(Self::LENGTH);
    }

    /// The entries, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Snapshot> {
        self.0.iter()
    }
}

/// Keeps the state of pipelines. A write is all or nothing, and is there after a crash once it has returned.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// The state of a pipeline, or `None` if it never had one. Broken state is an error and never reads as none.
    async fn load(&self, key: &str) -> Result<Option<PipelineState>, StateError>;

    /// Replaces the state of a pipeline.
    async fn save(&self, key: &str, state: &PipelineState) -> Result<(), StateError>;

    /// Forgets a pipeline.
    async fn remove(&self, key: &str) -> Result<(), StateError>;

    /// Keeps the files of a revision on behalf of a pipeline, by their digest: pipelines with the same files share them.
    /// A store that keeps none, which is what this does unless it is replaced, has nothing to go back to.
    async fn keep_tree(&self, _key: &str, _tree: &Tree) -> Result<(), StateError> {
        Ok(())
    }

    /// Files that were kept. What does not have the digest that it was kept by is an error.
    async fn tree(&self, _digest: &Digest) -> Result<Option<Tree>, StateError> {
        Ok(None)
    }

    /// A pipeline needs these files no longer; they go when no other does.
    async fn forget_tree(&self, _key: &str, _digest: &Digest) -> Result<(), StateError> {
        Ok(())
    }
}

/// Why state could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store could not be read or written.
    #[error("state of {key} in {path}: {error}", path = .path.display())]
    Io {
        /// Which pipeline.
        key: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// What is stored is torn or was changed. It is never read as empty, since that would forget what is owned.
    #[error(
        "state of {key} in {path} is broken: {problem}; restore the file, or delete it to have what is there adopted anew",
        path = .path.display()
    )]
    Corrupt {
        /// Which pipeline.
        key: String,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An error of a host's own store.
    #[error("state of {key}: {error}")]
    Other {
        /// Which pipeline.
        key: String,
        /// The error.
        #[source]
        error: crate::error::BoxError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_counts_what_renders_and_ends_the_same() {
        let mut history = History::default();
        let at = Timestamp::from_unix_seconds;
        let revision = Revision::new("main@sha1:1");
        for i in 0..3 {
            history.record(&Digest::sha256(b"a"), "ReconciliationSucceeded", &revision, at(i));
        }
        history.record(&Digest::sha256(b"a"), "ReconciliationFailed", &revision, at(3));
        let kept: Vec<u64> = history.iter().map(|snapshot| snapshot.total_reconciliations).collect();
        assert_eq!(kept, [1, 3]);
        for i in 0..9u8 {
            history.record(&Digest::sha256(&[i]), "ReconciliationSucceeded", &revision, at(9));
        }
        assert_eq!(history.iter().count(), 5);
    }
}
