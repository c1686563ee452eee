//! A source that holds what it was given: for tests, and for a host that has its files already.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use flux_core::source::{Source, SourceError};
use flux_core::tree::{Tree, TreeError};
use flux_core::{Artifact, Context, Revision};

/// What is asked of a source: the argument of an injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Source::resolve`].
    Resolve,
    /// [`Source::fetch`].
    Fetch,
}

type Fault = Box<dyn FnMut(Operation) -> Option<SourceError> + Send>;

/// A source in memory. A clone shares its content, so a test keeps one and changes it while the loop runs.
///
/// Only the current revision can be fetched; an older one is not found.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use flux_core::{Context, Revision, Source};
/// use flux_sources::memory::MemorySource;
///
/// let source = MemorySource::from_files([("app.yaml", "kind: ConfigMap")])?;
/// let cx = Context::background();
/// let first = source.resolve(&cx).await?;
/// assert_eq!(source.fetch(&cx, &first).await?.tree.file_count(), 1);
///
/// source.set_files([("app.yaml", "kind: Secret")])?;
/// assert_ne!(source.resolve(&cx).await?, first);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemorySource {
    state: Arc<Mutex<State>>,
}

struct State {
    artifact: Artifact,
    fault: Option<Fault>,
    resolves: u64,
    fetches: u64,
}

impl MemorySource {
    /// A source at this revision with these files.
    pub fn new(revision: Revision, tree: Tree) -> Self {
        let artifact = Artifact::new(revision, tree);
        Self { state: Arc::new(Mutex::new(State { artifact, fault: None, resolves: 0, fetches: 0 })) }
    }

    /// A source with these files; its revision is the digest of them.
    ///
    /// # Errors
    /// A path that leaves the tree or is given twice, or a limit.
    pub fn from_files<P: AsRef<str>, B: Into<Bytes>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Result<Self, TreeError> {
        let tree = Tree::from_files(files)?;
        Ok(Self::new(content_revision(&tree), tree))
    }

    /// Moves on to another revision.
    pub fn set(&self, revision: Revision, tree: Tree) {
        self.state().artifact = Artifact::new(revision, tree);
    }

    /// Moves on to other files; the revision is the digest of them.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files).
    pub fn set_files<P: AsRef<str>, B: Into<Bytes>>(
        &self,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Result<(), TreeError> {
        let tree = Tree::from_files(files)?;
        self.set(content_revision(&tree), tree);
        Ok(())
    }

    /// Sets what is known about the current revision.
    pub fn set_metadata(&self, metadata: BTreeMap<String, String>) {
        self.state().artifact.metadata = metadata;
    }

    /// Asks `fault` before every operation and fails with what it returns, until [`heal`](Self::heal).
    pub fn inject(&self, fault: impl FnMut(Operation) -> Option<SourceError> + Send + 'static) {
        self.state().fault = Some(Box::new(fault));
    }

    /// Ends the injected fault.
    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// How often the revision was asked for.
    pub fn resolves(&self) -> u64 {
        self.state().resolves
    }

    /// How often the files were asked for.
    pub fn fetches(&self) -> u64 {
        self.state().fetches
    }

    /// The state stays whole whatever happens while it is locked, so a panic in a fault does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&mut self, operation: Operation) -> Result<(), SourceError> {
        match operation {
            Operation::Resolve => self.resolves += 1,
            Operation::Fetch => self.fetches += 1,
        }
        self.fault.as_mut().and_then(|fault| fault(operation)).map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        cx.check()?;
        let mut state = self.state();
        state.check(Operation::Resolve)?;
        Ok(state.artifact.revision.clone())
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        cx.check()?;
        let mut state = self.state();
        state.check(Operation::Fetch)?;
        if state.artifact.revision != *revision {
            return Err(SourceError::NotFound { url: "memory".into(), what: format!("revision `{revision}`") });
        }
        Ok(state.artifact.clone())
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySource").field("artifact", &self.state().artifact).finish_non_exhaustive()
    }
}

/// The revision of a source that has no other name for its state than its content.
pub(crate) fn content_revision(tree: &Tree) -> Revision {
    Revision::new(tree.digest().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn faults_fail_the_operation_they_are_for_until_healed() {
        let source = MemorySource::from_files([("a", "1")]).unwrap();
        let cx = Context::background();
        source.inject(|operation| {
            (operation == Operation::Fetch)
                .then(|| SourceError::NotFound { url: "memory".into(), what: "anything".into() })
        });
        let revision = source.resolve(&cx).await.unwrap();
        assert_eq!(source.fetch(&cx, &revision).await.unwrap_err().to_string(), "memory: anything not found");
        source.heal();
        source.fetch(&cx, &revision).await.unwrap();
        assert_eq!((source.resolves(), source.fetches()), (1, 2));
    }
}
