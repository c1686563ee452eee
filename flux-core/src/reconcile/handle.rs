//! Talking to a loop that runs.

use std::fmt;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::BroadcastStream;

use super::{Key, KeyStatus, Schedule};

/// What a handle asks of its loop.
pub(super) enum Command<K> {
    Put(K, Schedule<K>),
    Remove(K),
    Trigger(K),
    TriggerAfter(K, Duration),
    Supersede(K),
    Suspend(K, bool),
    Status(K, oneshot::Sender<Option<KeyStatus<K>>>),
    All(oneshot::Sender<Vec<KeyStatus<K>>>),
}

/// The loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reconcile loop has ended")]
pub struct LoopClosed;

/// Talks to a loop that runs. A clone talks to the same loop. What is asked of a loop that has ended is forgotten.
pub struct Handle<K> {
    commands: mpsc::UnboundedSender<Command<K>>,
    updates: broadcast::Sender<KeyStatus<K>>,
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), updates: self.updates.clone() }
    }
}

impl<K: Key> Handle<K> {
    pub(super) fn new(commands: mpsc::UnboundedSender<Command<K>>, updates: broadcast::Sender<KeyStatus<K>>) -> Self {
        Self { commands, updates }
    }

    /// Adds a key, or gives it another schedule. Either way it runs at once.
    pub fn put(&self, key: K, schedule: Schedule<K>) {
        self.send(Command::Put(key, schedule));
    }

    /// Removes a key. A run of it that is under way is told to end.
    pub fn remove(&self, key: K) {
        self.send(Command::Remove(key));
    }

    /// Runs a key now; once more after the run that is under way, if one is. A webhook calls this.
    pub fn trigger(&self, key: K) {
        self.send(Command::Trigger(key));
    }

    /// Runs a key after this time at the latest; it runs before if it is due before.
    pub fn trigger_after(&self, key: K, delay: Duration) {
        self.send(Command::TriggerAfter(key, delay));
    }

    /// Runs a key now, for an input newer than the one that a run under way may be working on: that run is told to give
    /// way at its next safe point. A run that follows one that gave way does not give way itself.
    pub fn supersede(&self, key: K) {
        self.send(Command::Supersede(key));
    }

    /// Stops running a key. A run that is under way is told to end.
    pub fn suspend(&self, key: K) {
        self.send(Command::Suspend(key, true));
    }

    /// Runs a key again, at once.
    pub fn resume(&self, key: K) {
        self.send(Command::Suspend(key, false));
    }

    /// What the loop says about a key; `None` if it has no such key.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn status(&self, key: K) -> Result<Option<KeyStatus<K>>, LoopClosed> {
        let (answer, status) = oneshot::channel();
        self.send(Command::Status(key, answer));
        status.await.map_err(|_| LoopClosed)
    }

    /// What the loop says about every key, sorted by key.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn statuses(&self) -> Result<Vec<KeyStatus<K>>, LoopClosed> {
        let (answer, statuses) = oneshot::channel();
        self.send(Command::All(answer));
        statuses.await.map_err(|_| LoopClosed)
    }

    /// Every change of a status from here on. A reader that does not keep up loses the oldest; [`statuses`](Self::statuses)
    /// tells where things stand.
    pub fn watch(&self) -> impl Stream<Item = KeyStatus<K>> + Send + Unpin + use<K> {
        Box::pin(BroadcastStream::new(self.updates.subscribe()).filter_map(|update| async { update.ok() }))
    }

    fn send(&self, command: Command<K>) {
        // The loop may have ended, and then there is nobody left to ask.
        let _ = self.commands.send(command);
    }
}

impl<K> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle(closed: {})", self.commands.is_closed())
    }
}
