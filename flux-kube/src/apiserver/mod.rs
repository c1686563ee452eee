//! A Kubernetes API server in memory.
//!
//! [`ApiServer`] keeps objects and answers requests as kube-apiserver v1.36 does: discovery, validation and defaults,
//! server-side apply with managed fields, watches, custom resources, garbage collection. It is used in process, with
//! no socket: through [`tower::Service`] behind a `kube::Client`, or on a loopback port.
//!
//! Time is tokio's clock, so that under a paused runtime it is virtual; uids and generated names follow from a seed.
//!
//! # Differences from a real server
//!
//! - Of the admission plugins, those for namespaces' life cycle, priorities, tolerations, limit ranges, runtime and
//!   default classes and the protection of storage in use; no webhooks, no quotas, no service accounts' tokens in pods,
//!   no aggregation: admission policies and `APIService`s are stored and do nothing. Conversion webhooks of custom
//!   resources are not called.
//! - Time zones of cron jobs and the expressions of admission policies are not looked into.
//! - No workload ever runs: no pods are made and no status is reported unless a client does it.
//! - `/openapi/v3` has schemas and the operations clients look for, not every operation; there is no `/openapi/v2`.
//! - Protocol buffers are read, never written. Plain HTTP only; users by token or impersonation.
//! - No timed bookmarks on watches, and no storage but memory.

mod admission;
mod allocate;
mod auth;
mod clock;
mod cluster;
mod controllers;
mod convert;
mod crd;
mod decode;
mod defaults;
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
mod status;
mod store;
mod strategy;
mod table;
mod validation;
mod verbs;
mod watch;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flux_core::Timestamp;

#[cfg(feature = "serve")]
pub use self::http::Serving;
pub use self::http::{Body, ServiceError};
pub use self::status::Status;
use auth::User;
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
        Config { seed: 1, epoch: None, tokens: Vec::new(), history: 4096 }
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
        let clock = Clock::new(config.epoch);
        let mut state = State::new(config.seed, config.history.max(1));
        let open = config.tokens.is_empty();
        for t in config.tokens {
            state.tokens.insert(t.token, User::new(&t.user, &t.groups));
        }
        let server = ApiServer { inner: Arc::new(Inner { state: Mutex::new(state), clock, open }) };
        server.bootstrap();
        server
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state as the last whole write left it.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
