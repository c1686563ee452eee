//! State in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;

use super::{PipelineState, StateError, StateStore};
use crate::digest::Digest;
use crate::tree::Tree;

/// State in memory: for tests, and for hosts whose clusters are in memory too.
#[derive(Debug, Default)]
pub struct MemoryStateStore(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    states: HashMap<String, PipelineState>,
    /// The files that are kept, and for whom.
    trees: HashMap<Digest, (Tree, BTreeSet<String>)>,
}

impl MemoryStateStore {
    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryStateStore {
    async fn load(&self, key: &str) -> Result<Option<PipelineState>, StateError> {
        Ok(self.lock().states.get(key).cloned())
    }

    async fn save(&self, key: &str, state: &PipelineState) -> Result<(), StateError> {
        self.lock().states.insert(key.to_owned(), state.clone());
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), StateError> {
        self.lock().states.remove(key);
        Ok(())
    }

    async fn keep_tree(&self, key: &str, tree: &Tree) -> Result<(), StateError> {
        let mut memory = self.lock();
        let (_, users) = memory.trees.entry(tree.digest().clone()).or_insert_with(|| (tree.clone(), BTreeSet::new()));
        users.insert(key.to_owned());
        Ok(())
    }

    async fn tree(&self, digest: &Digest) -> Result<Option<Tree>, StateError> {
        Ok(self.lock().trees.get(digest).map(|(tree, _)| tree.clone()))
    }

    async fn forget_tree(&self, key: &str, digest: &Digest) -> Result<(), StateError> {
        let mut memory = self.lock();
        if let Some((_, users)) = memory.trees.get_mut(digest) {
            users.remove(key);
            if users.is_empty() {
                memory.trees.remove(digest);
            }
        }
        Ok(())
    }
}
