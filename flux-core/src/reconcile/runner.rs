//! The loop itself: tasks and timers around the queue.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::handle::Command;
use super::queue::{Policy, Queue};
use super::{Backoff, Handle, KeyStatus, Next, Reconcile, ReconcileError};
use crate::context::Context;
use crate::error::Class;
use crate::time::Timestamp;

/// How a loop runs.
#[derive(Clone, Debug)]
pub struct LoopOptions {
    /// How many keys run at once.
    pub concurrency: usize,
    /// Delays after failures, for keys without a retry interval.
    pub backoff: Backoff,
    /// How far an interval is spread, in percent below and above.
    pub jitter_percent: u8,
    /// How long a key waits for a dependency before it looks again by itself.
    pub dependency_interval: Duration,
    /// How long a run may go on after it was told to end, by its timeout or by shutdown, before it is cut off.
    pub grace: Duration,
    /// Where jitter starts. One seed gives one sequence of delays.
    pub seed: u64,
}

impl Default for LoopOptions {
    /// Flux's defaults: 4 at once, 750 ms to 15 minutes of backoff, 5 % jitter, 30 s between looks at a dependency; 10 s
    /// of grace; a seed that differs from process to process.
    fn default() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        Self {
            concurrency: 4,
            backoff: Backoff::default(),
            jitter_percent: 5,
            dependency_interval: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            seed: RandomState::new().hash_one(0),
        }
    }
}

/// Runs a [`Reconcile`] for any number of keys until it is told to stop.
///
/// # Guarantees
/// - A key never runs twice at once, and a trigger during a run leads to one more run.
/// - A failure, a hang or a panic in one key has no effect on another, beyond the place it takes until its timeout.
/// - After [`run`](Self::run) returns, nothing of the loop runs any more.
pub struct ReconcileLoop<R: Reconcile> {
    reconciler: Arc<R>,
    options: LoopOptions,
    queue: Queue<R::Key>,
    commands: mpsc::UnboundedReceiver<Command<R::Key>>,
    updates: broadcast::Sender<KeyStatus<R::Key>>,
    running: HashMap<R::Key, CancellationToken>,
    last_runs: HashMap<R::Key, Timestamp>,
    tasks: JoinSet<(R::Key, Result<Next, ReconcileError>)>,
}

impl<R: Reconcile> ReconcileLoop<R> {
    /// A loop without keys, and a handle to give it some.
    pub fn new(reconciler: R, options: LoopOptions) -> (Self, Handle<R::Key>) {
        Self::cyclic(|_| reconciler, options)
    }

    /// As [`new`](Self::new), for a reconciler that itself triggers keys of its loop.
    pub fn cyclic(reconciler: impl FnOnce(&Handle<R::Key>) -> R, options: LoopOptions) -> (Self, Handle<R::Key>) {
        let (sender, commands) = mpsc::unbounded_channel();
        let updates = broadcast::Sender::new(4096);
        let handle = Handle::new(sender, updates.clone());
        let policy = Policy {
            backoff: options.backoff,
            jitter_percent: options.jitter_percent,
            dependency_interval: options.dependency_interval,
        };
        let this = Self {
            reconciler: Arc::new(reconciler(&handle)),
            queue: Queue::new(policy, options.seed),
            options,
            commands,
            updates,
            running: HashMap::new(),
            last_runs: HashMap::new(),
            tasks: JoinSet::new(),
        };
        (this, handle)
    }

    /// Runs until the context is cancelled or every handle is gone and nothing is left to do. Then no new run starts, runs
    /// under way are told to end, and those that have not after the grace period are cut off.
    pub async fn run(mut self, cx: &Context) {
        let mut open = true;
        loop {
            self.start_ready(cx);
            self.report(cx);
            let due = self.queue.next_due();
            if !open && self.tasks.is_empty() && due.is_none() {
                return;
            }
            // All places taken: what is due must wait for one, not for the clock.
            let place_free = self.tasks.len() < self.options.concurrency.max(1);
            let timer = async {
                match due {
                    Some(due) if place_free => tokio::time::sleep_until(due).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = cx.cancellation().cancelled() => break,
                command = self.commands.recv(), if open => match command {
                    Some(command) => self.obey(command, cx),
                    None => open = false,
                },
                Some(ended) = self.tasks.join_next() => self.finish(ended, cx),
                () = timer => {}
            }
        }
        self.shut_down(cx).await;
    }

    fn start_ready(&mut self, cx: &Context) {
        while self.tasks.len() < self.options.concurrency.max(1) {
            let Some(key) = self.queue.pop_ready(Instant::now()) else { return };
            let Some(entry) = self.queue.get(&key) else { continue };
            let timeout = entry.schedule.timeout;
            let cancel = cx.cancellation().child_token();
            let run = run_isolated(
                self.reconciler.clone(),
                cx.clone().with_cancel(cancel.clone()).with_timeout(timeout),
                key.clone(),
                timeout.saturating_add(self.options.grace),
            );
            self.tasks.spawn(run.instrument(tracing::debug_span!("reconcile", %key)));
            self.running.insert(key, cancel);
        }
    }

    fn finish(&mut self, ended: Result<(R::Key, Result<Next, ReconcileError>), tokio::task::JoinError>, cx: &Context) {
        // A task catches its own panics and is aborted only by shutdown, which does not come here.
        let Ok((key, outcome)) = ended else { return };
        self.running.remove(&key);
        if self.queue.get(&key).is_some() {
            self.last_runs.insert(key.clone(), cx.now());
        }
        self.queue.finish(&key, outcome, Instant::now());
    }

    fn obey(&mut self, command: Command<R::Key>, cx: &Context) {
        let now = Instant::now();
        match command {
            Command::Put(key, schedule) => {
                if schedule.suspend {
                    self.cancel_run(&key);
                }
                self.queue.put(key, schedule, now);
            }
            Command::Remove(key) => {
                self.cancel_run(&key);
                self.queue.remove(&key);
                self.last_runs.remove(&key);
            }
            Command::Trigger(key) => self.queue.trigger(&key, now),
            Command::TriggerAfter(key, delay) => self.queue.trigger_by(&key, now + delay),
            Command::Supersede(key) => {
                if self.queue.supersede(&key, now) {
                    self.cancel_run(&key);
                }
            }
            Command::Suspend(key, suspend) => {
                if suspend {
                    self.cancel_run(&key);
                }
                self.queue.set_suspended(&key, suspend, now);
            }
            // Whoever asked may have gone.
            Command::Status(key, answer) => drop(answer.send(self.status(&key, cx))),
            Command::All(answer) => {
                let statuses = self.queue.keys().filter_map(|key| self.status(key, cx)).collect();
                drop(answer.send(statuses));
            }
        }
    }

    fn cancel_run(&self, key: &R::Key) {
        if let Some(cancel) = self.running.get(key) {
            cancel.cancel();
        }
    }

    /// Tells subscribers what has changed.
    fn report(&mut self, cx: &Context) {
        while let Some(key) = self.queue.pop_changed() {
            if self.updates.receiver_count() > 0
                && let Some(status) = self.status(&key, cx)
            {
                // The last subscriber may have gone meanwhile.
                let _ = self.updates.send(status);
            }
        }
    }

    fn status(&self, key: &R::Key, cx: &Context) -> Option<KeyStatus<R::Key>> {
        let entry = self.queue.get(key)?;
        Some(KeyStatus {
            key: key.clone(),
            phase: entry.phase,
            reason: entry.reason.clone(),
            message: entry.message.clone(),
            class: entry.class,
            runs: entry.runs,
            failures: entry.failures,
            last_run: self.last_runs.get(key).copied(),
            next_run: entry.due.map(|due| cx.now().plus(due.saturating_duration_since(Instant::now()))),
        })
    }

    async fn shut_down(mut self, cx: &Context) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.grace, all).await.is_err() {
            tracing::warn!(runs = self.tasks.len(), "cutting off runs that did not end in time");
            self.tasks.shutdown().await;
        }
        self.report(cx);
    }
}

/// One run, from which neither a panic nor a hang gets out.
async fn run_isolated<R: Reconcile>(
    reconciler: Arc<R>,
    cx: Context,
    key: R::Key,
    limit: Duration,
) -> (R::Key, Result<Next, ReconcileError>) {
    let run = AssertUnwindSafe(reconciler.reconcile(&cx, &key)).catch_unwind();
    let outcome = match tokio::time::timeout(limit, run).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => {
            let message = format!("panicked: {}", panic_text(&*panic));
            Err(ReconcileError::new(Class::Transient, "Panicked", message))
        }
        Err(_) => {
            let message = format!("did not end within {limit:?} and was cut off");
            Err(ReconcileError::new(Class::Transient, "Timeout", message))
        }
    };
    (key, outcome)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "of unknown kind",
    }
}
