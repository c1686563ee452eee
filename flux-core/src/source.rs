//! Where desired state comes from.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::artifact::{Artifact, Revision};
use crate::context::{Context, Interrupted};
use crate::error::{BoxError, Class};
use crate::tree::TreeError;

/// A single source of truth: a Git repository, an OCI artifact, a chart repository, a directory.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// Which revision is wanted now. Cheap: it is asked at every interval.
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError>;

    /// The files of exactly that revision; an error if they cannot all be had.
    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError>;
}

#[async_trait]
impl<T: Source + ?Sized> Source for Arc<T> {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        (**self).resolve(cx).await
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        (**self).fetch(cx, revision).await
    }
}

/// Why a source could not say or deliver its revision.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The branch, tag, commit, repository or file is not there.
    #[error("{url}: {what} not found")]
    NotFound {
        /// Where.
        url: String,
        /// What, such as ``branch `main` ``.
        what: String,
    },
    /// The remote could not be reached or broke off.
    #[error("{url}: cannot be reached")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The remote did not let us in.
    #[error("{url}: access denied: {reason}")]
    Denied {
        /// Where.
        url: String,
        /// What it said; never holds a credential.
        reason: String,
    },
    /// The source is described wrongly.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, such as `spec.ref.branch`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What arrived is broken, too large, or not what was announced.
    #[error("{url}: {problem}")]
    Rejected {
        /// Where.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A signature or digest did not prove what it had to.
    #[error("{url}: verification failed: {problem}")]
    Unverified {
        /// Where.
        url: String,
        /// What did not hold.
        problem: String,
    },
    /// The files do not fit into a tree.
    #[error("{url}: {source}")]
    Tree {
        /// Where.
        url: String,
        /// Which file and why.
        #[source]
        source: TreeError,
    },
    /// Shutdown, suspension, a newer revision or the deadline.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// An error of a host's own source, with its class.
    #[error("{error}")]
    Other {
        /// The error.
        #[source]
        error: BoxError,
        /// What the loop should do about it.
        class: Class,
    },
}

impl SourceError {
    /// What the loop does about it.
    pub fn class(&self) -> Class {
        match self {
            // A branch may be pushed, a repository made, at any time: keep asking.
            Self::NotFound { .. } | Self::Unreachable { .. } | Self::Rejected { .. } => Class::Transient,
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Denied { .. } | Self::Unverified { .. } => Class::Denied,
            Self::Invalid { .. } | Self::Tree { .. } => Class::Terminal,
            Self::Other { class, .. } => *class,
        }
    }
}
