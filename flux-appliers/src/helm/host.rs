//! What a template may learn from outside the chart: the time, randomness, names and the cluster.
//!
//! Rendering reads none of these by itself. A host that fixes all of them makes every render repeatable.

use std::fmt;
use std::sync::{Arc, Mutex};

use flux_core::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// A source of random bytes for `randAlphaNum`, `uuidv4`, `genCA` and their like.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Randomness that repeats: the same seed and the same calls give the same bytes.
pub struct Seeded(Mutex<ChaCha20Rng>);

impl Seeded {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        // A panic elsewhere cannot leave a generator in a bad state.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(bytes);
    }
}

/// The randomness of the operating system.
pub struct SystemEntropy(Seeded);

impl SystemEntropy {
    /// Takes a seed from the operating system.
    pub fn new() -> Self {
        Self(Seeded(Mutex::new(ChaCha20Rng::from_entropy())))
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// Resolves host names for `getHostByName`. Helm asks only with `--enable-dns`.
pub trait Resolver: Send + Sync {
    /// One address of `name`, or nothing.
    fn address(&self, name: &str) -> Option<String>;
}

/// Reads the cluster for `lookup`. Helm answers with an empty map when it only templates.
pub trait Lookup: Send + Sync {
    /// One object, or with an empty `name` a list of objects; `Ok(None)` if there is none.
    ///
    /// # Errors
    /// A message that fails the render.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, String>;
}

/// Everything a render gets from its host.
#[derive(Clone)]
pub struct Host {
    /// The time of `now`.
    pub now: Timestamp,
    /// The zone that `date` calls local, such as `Europe/Berlin`. Default: UTC.
    pub zone: String,
    /// Randomness. Default: that of the operating system.
    pub entropy: Arc<dyn Entropy>,
    /// Name resolution. Default: none, so that `getHostByName` is empty.
    pub resolver: Option<Arc<dyn Resolver>>,
    /// The cluster. Default: none, so that `lookup` finds nothing.
    pub lookup: Option<Arc<dyn Lookup>>,
}

impl Default for Host {
    /// The epoch as the time, fresh randomness, and nothing else.
    fn default() -> Self {
        Self {
            now: Timestamp::from_unix_seconds(0),
            zone: "UTC".to_owned(),
            entropy: Arc::new(SystemEntropy::new()),
            resolver: None,
            lookup: None,
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("now", &self.now)
            .field("resolver", &self.resolver.is_some())
            .field("lookup", &self.lookup.is_some())
            .finish_non_exhaustive()
    }
}
