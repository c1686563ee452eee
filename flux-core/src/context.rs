//! What every operation is given: cancellation, a deadline, the clock and where to report.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::audit::AuditSink;
use crate::error::Class;
use crate::event::{Event, EventSink};
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
}

impl Context {
    /// A context that is never cancelled, has no deadline and reports nowhere.
    pub fn background() -> Self {
        Self {
            cancel: CancellationToken::new(),
            deadline: None,
            clock: Clock::system(),
            events: Arc::new(crate::event::Discard),
            audit: Arc::new(crate::audit::Discard),
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

    /// Reports an event.
    pub fn event(&self, event: Event) {
        self.events.emit(event);
    }

    /// Where changes are recorded.
    pub fn audit(&self) -> &dyn AuditSink {
        &*self.audit
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

    /// Runs blocking work on tokio's blocking pool. The flag it is given is raised when the work is cancelled, its
    /// deadline passes or the caller goes away; the work should look at it often and return.
    ///
    /// # Errors
    /// The work was cut short.
    ///
    /// # Panics
    /// When the work panics: the panic goes on in the caller, where the loop isolates it.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Result<T, Interrupted> {
        struct RaiseOnDrop(Arc<AtomicBool>);
        impl Drop for RaiseOnDrop {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let flag = Arc::new(AtomicBool::new(false));
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
