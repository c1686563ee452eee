//! One source in the engine: the last good artifact, and how it is renewed.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::artifact::{Artifact, Revision};
use crate::context::Context;
use crate::event::Severity;
use crate::reconcile::ReconcileError;
use crate::source::{Source, SourceError};

/// One source and its last good artifact, which stays when a later fetch fails.
#[derive(Debug)]
pub(super) struct SourceUnit {
    source: Arc<dyn Source>,
    artifact: Mutex<Option<Artifact>>,
}

impl SourceUnit {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, artifact: Mutex::new(None) }
    }

    /// The last good artifact.
    pub(super) fn artifact(&self) -> Option<Artifact> {
        lock(&self.artifact).clone()
    }

    /// Looks for a new revision and fetches it. Answers with it, if there was one.
    pub(super) async fn reconcile(&self, cx: &Context) -> Result<Option<Revision>, ReconcileError> {
        match self.renew(cx).await {
            Ok(Some(artifact)) => {
                let message = format!("stored artifact for {}", describe(&artifact));
                let revision = artifact.revision.clone();
                cx.clone().with_artifact(artifact).event(Severity::Info, "NewArtifact", message);
                Ok(Some(revision))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(ReconcileError::new(error.class(), "FetchFailed", error)),
        }
    }

    async fn renew(&self, cx: &Context) -> Result<Option<Artifact>, SourceError> {
        let revision = cx.run(self.source.resolve(cx)).await??;
        if self.artifact().is_some_and(|artifact| artifact.revision == revision) {
            return Ok(None);
        }
        let artifact = cx.run(self.source.fetch(cx, &revision)).await??;
        if artifact.revision != revision {
            let problem = format!("asked for revision {revision} and got {}", artifact.revision);
            return Err(SourceError::Rejected { url: cx.subject().to_owned(), problem });
        }
        *lock(&self.artifact) = Some(artifact.clone());
        Ok(Some(artifact))
    }
}

/// The revision, and what its author says about it.
fn describe(artifact: &Artifact) -> String {
    match artifact.metadata.get("message").and_then(|message| message.lines().next()) {
        Some(message) => format!("revision {} '{message}'", artifact.revision),
        None => format!("revision {}", artifact.revision),
    }
}
