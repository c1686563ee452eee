//! All of a server's state at one moment, to come back to.

use std::fmt;
use std::sync::Arc;

use super::ApiServer;
use super::clock::Clock;
use super::ids::Ids;
use super::verbs::State;

/// Everything that a server holds at one moment: objects with their history, custom kinds, tokens, and what its next
/// uids follow from. Objects are shared with the server, not copied.
///
/// ```
/// # use flux_core::{cluster::{Cluster, ListOptions}, Context, Gvk};
/// use flux_kube::apiserver::ApiServer;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prepared = ApiServer::default().snapshot();
/// // Many runs that start alike, each with random numbers of its own, and none in the way of another.
/// let runs: Vec<ApiServer> = (0..3).map(|seed| prepared.start(seed)).collect();
/// assert_eq!(runs[0].revision(), runs[2].revision());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    state: Arc<State>,
    clock: Clock,
    open: bool,
    requests: usize,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("revision", &self.state.store.revision()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// A new server that holds what the snapshot holds, at the time the snapshot was made. Its uids, generated names and
    /// improbable faults follow from `seed`. No faults are injected into it, and no requests were made to it.
    ///
    /// # Panics
    /// Outside of a tokio runtime, when the snapshot is of a server that simulates workloads.
    pub fn start(&self, seed: u64) -> ApiServer {
        let mut state = (*self.state).clone();
        state.ids = Ids::new(seed);
        let server = ApiServer::of(state, self.clock.again(), self.open, seed, self.requests);
        server.drive_simulation();
        server
    }
}

impl ApiServer {
    /// What the server holds now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: Arc::new(self.lock().clone()),
            clock: self.inner.clock.stopped(),
            open: self.inner.open,
            requests: self.log().keep(),
        }
    }

    /// Brings back what a snapshot holds, of this server or another: objects, resource versions, custom kinds and tokens.
    /// Time goes on. All running watches end, and clients have to list again, as after a restore of a real cluster.
    pub fn restore(&self, snapshot: &Snapshot) {
        // Another store: those who watch the old one are told of nothing any more.
        let before = std::mem::replace(&mut *self.lock(), (*snapshot.state).clone());
        if let Some(simulation) = before.simulation {
            simulation.wake();
        }
        self.drive_simulation();
    }
}
