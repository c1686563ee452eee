//! What every operation is given: cancellation, a deadline, the clock and where to report.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::artifact::{Artifact, Revision};
use crate::audit::{self, AuditSink, JournalError};
use crate::claims::Claims;
use crate::error::Class;
use crate::event::{Event, EventSink, Severity};
use crate::object::ObjectId;
use crate::plan::{Action, FieldChange};
use crate::time::{Clock, Timestamp};

/// Why work was cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// Shutdown, suspension, removal, or a newer revision.
    #[error("cancelled")]
    Cancelled,
    /// The deadline passed.
    #[error("the deadline has passed")]
    DeadlineExceeded,
}

impl Interrupted {
    /// What the loop does about it.
    pub fn class(self) -> Class {
        match self {
            Self::Cancelled => Class::Cancelled,
            Self::DeadlineExceeded => Class::Transient,
        }
    }
}

/// What every operation is given. Nothing in the library reads a global: cancellation, deadline, time stamps, events and
/// the audit journal all come through here. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Context {
    cancel: CancellationToken,
    deadline: Option<Instant>,
    clock: Clock,
    events: Arc<dyn EventSink>,
    audit: Arc<dyn AuditSink>,
    subject: Arc<str>,
    artifact: Option<Artifact>,
    claims: Option<Arc<dyn Claims>>,
    in_place: bool,
}

impl Context {
    /// A context that is never cancelled, has no deadline and reports nowhere.
    pub fn background() -> Self {
        Self {
            cancel: CancellationToken::new(),
            deadline: None,
            clock: Clock::system(),
            events: Arc::new(crate::event::Discard),
            audit: Arc::new(audit::Discard),
            subject: "".into(),
            artifact: None,
            claims: None,
            in_place: false,
        }
    }

    /// The same with this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same, reporting events here.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn EventSink>) -> Self {
        self.events = events;
        self
    }

    /// The same, recording changes here.
    #[must_use]
    pub fn with_audit(mut self, audit: Arc<dyn AuditSink>) -> Self {
        self.audit = audit;
        self
    }

    /// The same, cancelled with this token too.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same with a deadline this far away, or the one it has if that is sooner.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        let deadline = Instant::now() + timeout;
        self.deadline = Some(self.deadline.map_or(deadline, |old| old.min(deadline)));
        self
    }

    /// The token that cancels this context.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// When the work must be over.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The clock for time stamps.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What the clock reads.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same, working on this subject: what events and the audit journal are about, such as `Kustomization/my-app`.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The same, working on this artifact: whose revision events and the audit journal name.
    #[must_use]
    pub fn with_artifact(mut self, artifact: Artifact) -> Self {
        self.artifact = Some(artifact);
        self
    }

    /// The same, for a pipeline among others: what those want is asked here.
    #[must_use]
    pub fn with_claims(mut self, claims: Arc<dyn Claims>) -> Self {
        self.claims = Some(claims);
        self
    }

    /// What other pipelines want; none where there are no others.
    pub fn claims(&self) -> Option<&dyn Claims> {
        self.claims.as_deref()
    }

    /// The same, doing blocking work in place instead of on tokio's pool. Threads finish in any order; without them a run
    /// on a single-threaded runtime can be replayed exactly. Work in place cannot be cut short.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.in_place = true;
        self
    }

    /// What is being worked on.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The revision that is being worked on.
    pub fn revision(&self) -> Option<&Revision> {
        self.artifact.as_ref().map(|artifact| &artifact.revision)
    }

    /// Reports an event about the subject. The message must not hold secret content.
    pub fn event(&self, severity: Severity, reason: impl Into<String>, message: impl Into<String>) {
        self.events.emit(Event {
            time: self.now(),
            subject: self.subject.to_string(),
            severity,
            reason: reason.into(),
            message: message.into(),
            revision: self.revision().cloned(),
            metadata: Default::default(),
        });
    }

    /// Records a change to an object in the audit journal, once it was made. `by` is the field manager, or whoever was
    /// impersonated; `fields` come from a plan, where secrets are masked.
    ///
    /// # Errors
    /// The journal could not be kept: the run should stop here.
    pub fn record(
        &self,
        by: &str,
        object: ObjectId,
        action: Action,
        fields: Vec<FieldChange>,
    ) -> Result<(), JournalError> {
        self.audit.record(&audit::Entry {
            time: self.now(),
            subject: self.subject.to_string(),
            by: by.to_owned(),
            revision: self.revision().cloned(),
            digest: self.artifact.as_ref().map(|artifact| artifact.digest().clone()),
            object,
            action,
            fields,
        })
    }

    /// A safe point: asks whether to go on.
    ///
    /// # Errors
    /// The work was cancelled or its deadline has passed.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.cancel.is_cancelled() {
            return Err(Interrupted::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Interrupted::DeadlineExceeded),
            _ => Ok(()),
        }
    }

    /// Runs a future until it is done, the work is cancelled or the deadline passes. The future is dropped when it is cut
    /// short, so give it only what may be dropped at any await.
    ///
    /// # Errors
    /// The future was cut short.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Interrupted> {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Interrupted::Cancelled),
            output = future => Ok(output),
            () = deadline => Err(Interrupted::DeadlineExceeded),
        }
    }

    /// Runs blocking work on tokio's blocking pool, or [in place](Self::in_place). The flag it is given is raised when the work is cancelled, its
    /// deadline passes or the caller goes away; the work should look at it often and return.
    ///
    /// # Errors
    /// The work was cut short.
    ///
    /// # Panics
    /// When the work panics: the panic goes on in the caller, where the loop isolates it.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<AtomicBool>) -> T + Send + 'static,
    ) -> Result<T, Interrupted> {
        struct RaiseOnDrop(Arc<AtomicBool>);
        impl Drop for RaiseOnDrop {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let flag = Arc::new(AtomicBool::new(false));
        if self.in_place {
            self.check()?;
            return Ok(work(&flag));
        }
        let _raise = RaiseOnDrop(flag.clone());
        match self.run(tokio::task::spawn_blocking(move || work(&flag))).await? {
            Ok(output) => Ok(output),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Interrupted::Cancelled),
            },
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("subject", &self.subject)
            .field("cancelled", &self.cancel.is_cancelled())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_at_the_deadline_or_when_cancelled() {
        let cx = Context::background().with_timeout(Duration::from_secs(5));
        assert_eq!(cx.run(std::future::pending::<()>()).await, Err(Interrupted::DeadlineExceeded));
        assert_eq!(cx.check(), Err(Interrupted::DeadlineExceeded));

        let cx = Context::background();
        assert_eq!(cx.run(async { 1 }).await, Ok(1));
        cx.cancellation().cancel();
        assert_eq!(cx.run(async { 1 }).await, Err(Interrupted::Cancelled));
    }

    #[tokio::test]
    async fn blocking_work_is_told_to_stop() {
        let cx = Context::background();
        cx.cancellation().cancel();
        let seen = cx.run_blocking(|stop| while !stop.load(Ordering::Relaxed) {}).await;
        assert_eq!(seen, Err(Interrupted::Cancelled));
    }
}
