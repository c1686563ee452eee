//! A Kubernetes API server in memory.
//!
//! [`ApiServer`] keeps objects and answers requests as kube-apiserver v1.36 does: discovery, validation and defaults,
//! server-side apply with managed fields, watches, custom resources, garbage collection. It is used in process, with
//! no socket: through [`tower::Service`] behind a `kube::Client`, or on a loopback port.
//!
//! Time is tokio's clock, so that under a paused runtime it is virtual; uids and generated names follow from a seed.
//!
//! # For tests
//!
//! - [Faults](Fault) on demand: refusals, latency, answers that are lost, stale lists, watches that end, repeat
//!   themselves or lag. Which requests they befall is said by [`Calls`], which counts them too: [`ApiServer::count`].
//! - [Snapshots](Snapshot), to come back to or to start many servers from.
//! - [Workloads] that get ready after a virtual while, or never, with the status that real controllers report.
//!
//! ```
//! use std::time::Duration;
//! use flux_core::cluster::{ApplyOptions, Cluster};
//! use flux_core::{Context, Object};
//! use flux_kube::apiserver::{ApiServer, Calls, Fault, Verb};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ApiServer::default();
//! let applies = Calls::of(Verb::Apply).kind("ConfigMap");
//! server.inject(Fault::error(503).on(applies.clone()).first(1));
//!
//! let object = Object::from_value(serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
//!     "metadata": {"name": "settings", "namespace": "default"}}))?;
//! let options = ApplyOptions { field_manager: "test".into(), ..ApplyOptions::default() };
//! let cx = Context::background();
//! assert_eq!(server.apply(&cx, &object, &options).await.unwrap_err().code(), Some(503));
//! server.apply(&cx, &object, &options).await?;
//! assert_eq!(server.count(&applies), 2);
//! assert_eq!(server.count(&applies.refused()), 1);
//! # Ok(()) }
//! ```
//!
//! # Differences from a real server
//!
//! - Of the admission plugins, those for namespaces' life cycle, priorities, tolerations, limit ranges, runtime and
//!   default classes and the protection of storage in use; no webhooks, no quotas, no service accounts' tokens in pods,
//!   no aggregation: admission policies and `APIService`s are stored and do nothing. Conversion webhooks of custom
//!   resources are not called.
//! - Time zones of cron jobs and the expressions of admission policies are not looked into.
//! - No container ever runs: logs, exec and the like are refused. Workloads are simulated only when
//!   [asked for](ApiServer::simulate); cron jobs, autoscalers, disruption budgets and endpoints are not.
//! - `/openapi/v2` and `/openapi/v3` have schemas and the operations clients look for, not every operation.
//! - Protocol buffers are read; of what is written, only `/openapi/v2` can be had in them. Tokens of service accounts are no JSON web tokens.
//! - No storage but memory.

mod admission;
mod allocate;
mod auth;
mod calls;
mod clock;
mod cluster;
mod controllers;
mod convert;
mod crd;
mod decode;
mod defaults;
mod faults;
mod fields;
mod gotext;
mod http;
mod ids;
mod input;
mod openapi;
mod patch;
mod quantity;
mod registry;
mod requests;
mod schedule;
mod schema;
mod selector;
mod snapshot;
mod status;
mod store;
mod strategy;
mod table;
mod validation;
mod verbs;
mod watch;
mod workloads;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flux_core::Timestamp;

pub use self::calls::{Calls, Count, Request, Verb};
pub use self::faults::{Fault, Injected};
#[cfg(feature = "tls")]
pub use self::http::TlsError;
pub use self::http::{Body, ServiceError};
#[cfg(feature = "serve")]
pub use self::http::{Credentials, Serving};
pub use self::snapshot::Snapshot;
pub use self::status::Status;
pub use self::workloads::{Behaviour, Objects, Workloads};
use auth::{KnownToken, User};
use calls::Log;
use clock::Clock;
use verbs::State;

/// How a server starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Uids, generated names and the like follow from this.
    pub seed: u64,
    /// The wall-clock time at the start; the current time when none. From then on tokio's clock counts.
    pub epoch: Option<Timestamp>,
    /// Who is known by which token. With none, everybody is an administrator unless they impersonate somebody; with
    /// some, requests without a token are anonymous and others must carry one that is known.
    pub tokens: Vec<Token>,
    /// How many changes of each resource are kept for watches and continued lists.
    pub history: usize,
    /// How many of the last requests are kept for [`ApiServer::requests`].
    pub requests: usize,
}

/// A user who is known by a token.
#[derive(Clone)]
pub struct Token {
    /// The secret.
    pub token: String,
    /// The user's name.
    pub user: String,
    /// The user's groups; members of `system:masters` may do everything.
    pub groups: Vec<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("user", &self.user).field("groups", &self.groups).finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Config { seed: 1, epoch: None, tokens: Vec::new(), history: 4096, requests: 4096 }
    }
}

/// A Kubernetes API server in memory. A clone is the same server.
///
/// ```
/// use flux_kube::apiserver::{ApiServer, Config};
/// let server = ApiServer::new(Config { seed: 7, ..Config::default() });
/// assert_eq!(format!("{server:?}"), "ApiServer");
/// ```
#[derive(Clone)]
pub struct ApiServer {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    log: Mutex<Log>,
    faults: faults::Rules,
    clock: Clock,
    /// Requests need no token.
    open: bool,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiServer")
    }
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl ApiServer {
    /// A server with the namespaces that every cluster has.
    pub fn new(config: Config) -> Self {
        let mut state = State::new(config.seed, config.history.max(1));
        let open = config.tokens.is_empty();
        for t in config.tokens {
            state.tokens.insert(t.token, KnownToken { user: User::new(&t.user, &t.groups), until: None });
        }
        let clock = Clock::new(config.epoch);
        let server = Self::of(state, clock, open, config.seed, config.requests);
        server.bootstrap();
        server
    }

    fn of(state: State, clock: Clock, open: bool, seed: u64, requests: usize) -> Self {
        let inner = Inner {
            state: Mutex::new(state),
            log: Mutex::new(Log::new(requests)),
            faults: faults::Rules::new(seed),
            clock,
            open,
        };
        ApiServer { inner: Arc::new(inner) }
    }

    /// The objects that every cluster starts with.
    fn bootstrap(&self) {
        let namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"]
            .into_iter()
            .map(|name| serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        let priorities = [
            (
                "system-node-critical",
                2_000_001_000_i64,
                "Used for system critical pods that must not be moved from their current node.",
            ),
            (
                "system-cluster-critical",
                2_000_000_000,
                "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
            ),
        ];
        let priorities = priorities.into_iter().map(|(name, value, description)| {
            serde_json::json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": name}, "value": value, "description": description})
        });
        let now = self.inner.clock.stamp();
        let options = verbs::WriteOptions {
            dry_run: false,
            manager: "kube-apiserver".to_owned(),
            validation: verbs::Validation::Ignore,
            now: now.clone(),
            duplicates: Vec::new(),
        };
        let mut state = self.lock();
        for object in namespaces.chain(priorities).chain(auth::bootstrap()) {
            let text = |key: &str| object.get(key).and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
            let (version, kind) = (text("apiVersion"), text("kind"));
            let (group, version) = version.split_once('/').unwrap_or(("", &version));
            let Some(resource) = state.registry.kind(group, version, &kind).cloned() else { continue };
            let target =
                verbs::Target { resource, namespace: String::new(), name: String::new(), subresource: String::new() };
            if let serde_json::Value::Object(object) = object {
                // They are right, and nothing is there yet.
                let _ = state.create(&target, object, &options);
            }
        }
        state.settle(&now);
    }

    /// Forgets the history of all resources, as the compaction of a real server does: watches from before get 410.
    pub fn compact(&self) {
        self.lock().store.compact();
    }

    /// The revision of the last change: the highest resource version. Where it stays the same, nothing was written.
    pub fn revision(&self) -> u64 {
        self.lock().store.revision()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state as the last whole write left it.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.inner.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
