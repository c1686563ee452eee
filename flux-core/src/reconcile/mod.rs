//! The reconcile loop, generic over what is reconciled.
//!
//! A [`ReconcileLoop`] runs a [`Reconcile`] for any number of keys: each key serially, all of them under bounded
//! concurrency, again and again at an interval. What a failed run leads to depends on the [`Class`] of its error:
//!
//! | outcome | the key runs again |
//! |---|---|
//! | [`Next::Interval`] | after its interval, with jitter |
//! | [`Next::After`] | after that time |
//! | [`Next::OnTrigger`] | when triggered |
//! | [`Class::Transient`], a panic, a timeout | after its retry interval, or with exponential backoff; not before the time the server asked for |
//! | [`Class::Terminal`], [`Class::Denied`] | after its retry interval or interval, or when triggered |
//! | [`Class::NotReady`] | when one of its dependencies has succeeded, at the latest after the dependency interval |
//! | [`Class::Cancelled`] | at once if it was superseded, else when resumed |
//!
//! The loop takes time only from tokio's clock: under a paused runtime an hour of reconciles passes in milliseconds, and
//! with a fixed seed and a single-threaded runtime a run can be replayed exactly.

mod backoff;
mod graph;
mod handle;
mod queue;
mod runner;
mod schedule;
mod status;

use std::borrow::Cow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::context::{Context, Interrupted};
use crate::error::{BoxError, Class};

pub use backoff::Backoff;
pub use handle::{Handle, LoopClosed};
pub use runner::{LoopOptions, ReconcileLoop};
pub use schedule::Schedule;
pub use status::{KeyStatus, Phase};

/// What a key of the loop must be.
pub trait Key: Clone + Ord + Hash + fmt::Debug + fmt::Display + Send + Sync + 'static {}

impl<T: Clone + Ord + Hash + fmt::Debug + fmt::Display + Send + Sync + 'static> Key for T {}

/// Brings what a key names to its desired state.
///
/// A run must be safe to cut off at any await, since the process may end at any time: what it did so far must be found
/// again by the next run. It should look at [`Context::check`] between steps.
#[async_trait]
pub trait Reconcile: Send + Sync + 'static {
    /// Names one thing to reconcile.
    type Key: Key;

    /// Does one run and says when the next is due.
    async fn reconcile(&self, cx: &Context, key: &Self::Key) -> Result<Next, ReconcileError>;
}

#[async_trait]
impl<T: Reconcile + ?Sized> Reconcile for Arc<T> {
    type Key = T::Key;

    async fn reconcile(&self, cx: &Context, key: &Self::Key) -> Result<Next, ReconcileError> {
        (**self).reconcile(cx, key).await
    }
}

/// When a key that was reconciled runs again, if nothing triggers it before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// After its interval, with jitter.
    #[default]
    Interval,
    /// After exactly this time.
    After(Duration),
    /// Only when triggered.
    OnTrigger,
}

/// Why a run failed and what the loop should do about it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ReconcileError {
    /// What the loop does about it.
    pub class: Class,
    /// Machine-readable reason in CamelCase, from Flux's lists.
    pub reason: Cow<'static, str>,
    /// What happened.
    #[source]
    pub error: BoxError,
    /// How long a server asked to wait.
    pub retry_after: Option<Duration>,
}

impl ReconcileError {
    /// An error of this class.
    pub fn new(class: Class, reason: impl Into<Cow<'static, str>>, error: impl Into<BoxError>) -> Self {
        Self { class, reason: reason.into(), error: error.into(), retry_after: None }
    }

    /// Something else must be ready first.
    pub fn not_ready(message: impl Into<String>) -> Self {
        Self::new(Class::NotReady, "DependencyNotReady", message.into())
    }

    /// The same, not to be tried again before so much time has passed.
    #[must_use]
    pub fn retry_after(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay;
        self
    }
}

impl From<Interrupted> for ReconcileError {
    fn from(interrupted: Interrupted) -> Self {
        let reason = match interrupted {
            Interrupted::Cancelled => "Cancelled",
            Interrupted::DeadlineExceeded => "Timeout",
        };
        Self::new(interrupted.class(), reason, interrupted)
    }
}
