//! State in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;

use super::{PipelineState, StateError, StateStore};

/// State in memory: for tests, and for hosts whose clusters are in memory too.
#[derive(Debug, Default)]
pub struct MemoryStateStore(Mutex<HashMap<String, PipelineState>>);

impl MemoryStateStore {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, PipelineState>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryStateStore {
    async fn load(&self, key: &str) -> Result<Option<PipelineState>, StateError> {
        Ok(self.lock().get(key).cloned())
    }

    async fn save(&self, key: &str, state: &PipelineState) -> Result<(), StateError> {
        self.lock().insert(key.to_owned(), state.clone());
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), StateError> {
        self.lock().remove(key);
        Ok(())
    }
}
