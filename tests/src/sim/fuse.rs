//! The moment at which the process dies.

use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use flux_core::source::{Source, SourceError};
use flux_core::store::{MemoryStateStore, PipelineState, StateError, StateStore};
use flux_core::{Artifact, Context, Digest, Revision, Tree};
use flux_sources::memory::MemorySource;
use std::sync::Arc;
use tokio::sync::Notify;

/// Counts the moments of a process: every request has one before it is made and one after. At the one it is set to, and at
/// every later one, the process never comes back.
#[derive(Debug, Default)]
pub(super) struct Fuse {
    left: Mutex<Option<usize>>,
    blown: Notify,
}

impl Fuse {
    /// Lets so many moments pass, then no more.
    pub(super) fn set(&self, moments: usize) {
        *self.left.lock().unwrap() = Some(moments);
    }

    /// Returns when the process has died.
    pub(super) async fn blown(&self) {
        self.blown.notified().await;
    }

    /// One moment.
    pub(super) async fn moment(&self) {
        let dead = match &mut *self.left.lock().unwrap() {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if dead {
            self.blown.notify_one();
            std::future::pending().await
        }
    }
}

/// What outlives a process: the state it has written.
pub(super) struct Disk {
    pub(super) store: Arc<MemoryStateStore>,
    pub(super) fuse: Arc<Fuse>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

#[async_trait]
impl StateStore for Disk {
    async fn load(&self, key: &str) -> Result<Option<PipelineState>, StateError> {
        self.fuse.moment().await;
        self.store.load(key).await
    }

    async fn save(&self, key: &str, state: &PipelineState) -> Result<(), StateError> {
        self.fuse.moment().await;
        self.store.save(key, state).await?;
        self.fuse.moment().await;
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), StateError> {
        self.fuse.moment().await;
        self.store.remove(key).await?;
        self.fuse.moment().await;
        Ok(())
    }

    async fn keep_tree(&self, key: &str, tree: &Tree) -> Result<(), StateError> {
        self.fuse.moment().await;
        self.store.keep_tree(key, tree).await?;
        self.fuse.moment().await;
        Ok(())
    }

    async fn tree(&self, digest: &Digest) -> Result<Option<Tree>, StateError> {
        self.fuse.moment().await;
        self.store.tree(digest).await
    }

    async fn forget_tree(&self, key: &str, digest: &Digest) -> Result<(), StateError> {
        self.fuse.moment().await;
        self.store.forget_tree(key, digest).await?;
        self.fuse.moment().await;
        Ok(())
    }
}

/// The remote repository as a process sees it.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) source: MemorySource,
    pub(super) fuse: Arc<Fuse>,
}

#[async_trait]
impl Source for Remote {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        self.fuse.moment().await;
        self.source.resolve(cx).await
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        self.fuse.moment().await;
        self.source.fetch(cx, revision).await
    }
}
