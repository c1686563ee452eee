//! What one operation on a remote may do, and what became of it.

use std::future::Future;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flux_core::Context;
use flux_core::source::SourceError;
use tokio::runtime::Handle;

/// One operation on a remote: who may stop it, how long it may take and how much it may receive. The work runs on a thread
/// that may block; what is asynchronous is waited for there.
pub(super) struct Session<'a> {
    pub(super) cx: &'a Context,
    pub(super) runtime: &'a Handle,
    pub(super) stop: &'a AtomicBool,
    /// Bytes that one answer may have.
    pub(super) limit: u64,
    /// The time there is for the whole operation.
    pub(super) timeout: Duration,
    failure: Mutex<Option<SourceError>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        cx: &'a Context,
        runtime: &'a Handle,
        stop: &'a AtomicBool,
        limit: u64,
        timeout: Duration,
    ) -> Self {
        Self { cx, runtime, stop, limit, timeout, failure: Mutex::new(None) }
    }

    /// Waits for something on this thread.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Keeps what went wrong, and gives an error that passes through gix in its place.
    pub(super) fn fail(&self, error: SourceError) -> io::Error {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::other("the connection failed")
    }

    /// What went wrong with the connection, if anything did.
    pub(super) fn failure(&self) -> Option<SourceError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
