//! Events: what people and notification providers are told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::artifact::Revision;
use crate::time::Timestamp;

/// How much an event matters, in Flux's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Of interest when looking for a cause.
    Trace,
    /// Something happened as it should.
    Info,
    /// Something failed.
    Error,
}

/// Something that happened to a source or a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// What it happened to, as the loop names it: `GitRepository/my-app`, `Kustomization/my-app`.
    pub subject: String,
    /// How much it matters.
    pub severity: Severity,
    /// Machine-readable reason in CamelCase, from Flux's lists: `ReconciliationSucceeded`, `BuildFailed`.
    pub reason: String,
    /// For people; never holds secret content.
    pub message: String,
    /// Which revision was being worked on.
    pub revision: Option<Revision>,
    /// More, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Takes events. It must not block: what cannot be taken at once is dropped or kept by the sink.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Takes events and forgets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl EventSink for Discard {
    fn emit(&self, _event: Event) {}
}

/// Hands every event to any number of subscribers. One that does not keep up loses the oldest.
pub struct EventHub(broadcast::Sender<Event>);

impl EventHub {
    /// A hub that keeps at most so many events for a slow subscriber.
    pub fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.max(1)))
    }

    /// The events from here on, as a stream.
    pub fn subscribe(&self) -> impl futures::Stream<Item = Event> + Send + Unpin + use<> {
        use futures::StreamExt as _;
        Box::pin(tokio_stream::wrappers::BroadcastStream::new(self.0.subscribe()).filter_map(|e| async { e.ok() }))
    }
}

impl Default for EventHub {
    /// Keeps 4,096 events for a slow subscriber.
    fn default() -> Self {
        Self::new(4096)
    }
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventHub({} subscribers)", self.0.receiver_count())
    }
}

impl EventSink for EventHub {
    fn emit(&self, event: Event) {
        // Nobody listening is not a failure.
        let _ = self.0.send(event);
    }
}
