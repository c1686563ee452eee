//! What runs beside a real server, as far as its traces in the API go: workloads get pods, pods become ready, volumes
//! are bound, load balancers get addresses, after a virtual while or never.

mod claims;
mod conditions;
mod daemonsets;
mod deployments;
mod jobs;
mod pods;
mod replicasets;
mod revisions;
mod select;
mod services;
mod simulation;
mod statefulsets;

use std::time::Duration;

pub use select::Objects;
pub(crate) use simulation::Simulation;

use super::ApiServer;

/// How simulated workloads behave: see [`ApiServer::simulate`].
///
/// ```
/// use std::time::Duration;
/// use flux_kube::apiserver::{Behaviour, Objects, Workloads};
///
/// let workloads = Workloads::ready_after(Duration::from_secs(10))
///     .when(Objects::of("Deployment").name("web"), Behaviour::NeverReady)
///     .when(Objects::of("Pod").image("example.com/web:broken"), Behaviour::Crashes)
///     .when(Objects::of("Job").label("outcome", "bad"), Behaviour::Fails)
///     .when(Objects::of("PersistentVolumeClaim"), Behaviour::ReadyAfter(Duration::from_secs(60)));
/// # let _ = workloads;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Workloads {
    delay: Duration,
    nodes: usize,
    rules: Vec<(Objects, Behaviour)>,
}

/// What becomes of an object that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It gets ready after this time; a pod of a job has done its work by then.
    ReadyAfter(Duration),
    /// It starts and never gets ready: a pod runs and fails its probe, a claim stays pending, a load balancer gets no
    /// address. A deployment of such pods exceeds its progress deadline.
    NeverReady,
    /// Its containers exit with an error again and again, and are restarted ever more slowly.
    Crashes,
    /// Its pods fail for good, as those of a job that does not succeed do.
    Fails,
}

impl Default for Workloads {
    /// Everything is ready after a second, on one node.
    fn default() -> Self {
        Workloads::ready_after(Duration::from_secs(1))
    }
}

impl Workloads {
    /// Everything gets ready after this time.
    pub fn ready_after(delay: Duration) -> Self {
        Workloads { delay, nodes: 1, rules: Vec::new() }
    }

    /// With this many nodes, for daemon sets to run on; one is the default.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// These objects behave differently; so does what they own. Of several rules for an object the first counts.
    pub fn when(mut self, objects: Objects, behaviour: Behaviour) -> Self {
        self.rules.push((objects, behaviour));
        self
    }
}

impl ApiServer {
    /// Simulates workloads from now on, in place of what was simulated before: those that are there already start again
    /// to get ready, if they are not. Pods, replica sets, revisions and volumes are made, and conditions, counts and
    /// observed generations are reported, as the controllers of a real cluster do; nothing is run. A set gets no more
    /// than 1,000 pods.
    ///
    /// All delays pass on tokio's clock. Nothing polls: a simulation with nothing to wait for does nothing.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn simulate(&self, workloads: Workloads) {
        let now = self.inner.clock.stamp();
        let mut state = self.lock();
        state.begin_simulation(workloads, &now);
        state.settle(&now);
        drop(state);
        self.drive_simulation();
    }
}
