//! How files become objects.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::artifact::Artifact;
use crate::context::{Context, Interrupted};
use crate::digest::Digest;
use crate::error::{BoxError, Class};
use crate::manifests::{DuplicateObject, Manifests, Origin};

/// Turns the files of an artifact into objects. Reads nothing but the artifact: no disk, network, clock or environment.
///
/// What it reads of the artifact's tree is noted: it runs again when any of that changes, and not when other files do.
#[async_trait]
pub trait Renderer: fmt::Debug + Send + Sync {
    /// All objects, in order.
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError>;

    /// A digest of what else the objects depend on, such as values that live in a cluster or the revision itself; none
    /// when they depend on files alone, which is the rule. Asked at every run: when it changes, the files are rendered
    /// again.
    ///
    /// # Errors
    /// What the objects depend on cannot be had.
    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Option<Digest>, RenderError> {
        Ok(None)
    }
}

#[async_trait]
impl<T: Renderer + ?Sized> Renderer for Arc<T> {
    async fn render(&self, cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        (**self).render(cx, artifact).await
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Option<Digest>, RenderError> {
        (**self).inputs(cx, artifact).await
    }
}

/// Why files could not be turned into objects.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Something in a file is wrong.
    #[error("{origin}: {}{message}", field_prefix(.field))]
    Input {
        /// Which file and line, and what led there.
        origin: Origin,
        /// Which field, such as `metadata.name`; empty when it is the file as a whole.
        field: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The path that should be rendered is not in the artifact.
    #[error("path `{path}` not found in revision {revision}; the artifact has {known}")]
    PathNotFound {
        /// The path asked for.
        path: String,
        /// The artifact's revision.
        revision: String,
        /// What there is at its root.
        known: String,
    },
    /// The same object twice.
    #[error(transparent)]
    Duplicate(#[from] DuplicateObject),
    /// A bound on size, depth or number was exceeded.
    #[error("{origin}: {what} exceeds the limit of {limit}")]
    Limit {
        /// Where.
        origin: Origin,
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Shutdown, suspension, a newer revision or the deadline.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// An error of a host's own renderer, with its class.
    #[error("{error}")]
    Other {
        /// The error.
        #[source]
        error: BoxError,
        /// What the loop should do about it.
        class: Class,
    },
}

fn field_prefix(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

impl RenderError {
    /// What the loop does about it. What is wrong with the input stays wrong until the input changes.
    pub fn class(&self) -> Class {
        match self {
            Self::Input { .. } | Self::PathNotFound { .. } | Self::Duplicate(_) | Self::Limit { .. } => Class::Terminal,
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Other { class, .. } => *class,
        }
    }

    /// The file and line to open, where there is one.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Input { origin, .. } | Self::Limit { origin, .. } => Some(origin),
            Self::Duplicate(duplicate) => Some(&duplicate.second),
            _ => None,
        }
    }
}
