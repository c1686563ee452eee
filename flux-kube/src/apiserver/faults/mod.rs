//! Faults on demand: what a server, a network or a cache does on a bad day.

mod call;
mod events;
mod rule;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;

use super::calls::{Calls, Verb};
use super::status::Status;
pub(crate) use call::Call;
pub(crate) use events::Disturbance;
pub use rule::Injected;
pub(crate) use rule::Rules;

/// Something that goes wrong, with which requests, and when.
///
/// What goes wrong is said first, then [which requests](Fault::on) it befalls, then which of them. Latency passes on
/// tokio's clock: in virtual time, when that is paused. Faults that are for the same request add up: delays are summed,
/// and the first failure is the answer.
///
/// ```
/// use std::time::Duration;
/// use flux_kube::apiserver::{ApiServer, Calls, Fault, Verb};
///
/// let server = ApiServer::default();
/// // The second apply of a deployment meets an overloaded server.
/// server.inject(Fault::error(429).retry_after(Duration::from_secs(5)).on(Calls::of(Verb::Apply).kind("Deployment")).nth(2));
/// // Every write takes its time, and one in a hundred is carried out and never answered.
/// server.inject(Fault::latency(Duration::from_millis(80)).on(Calls::writes()));
/// server.inject(Fault::unreachable().after_the_write().on(Calls::writes()).probability(0.01));
/// // Watches of config maps repeat themselves, and end after ten events.
/// server.inject(Fault::duplicate_events().on(Calls::of(Verb::Watch).kind("ConfigMap")));
/// server.inject(Fault::watch_ends(10).on(Calls::of(Verb::Watch).kind("ConfigMap")));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Fault {
    effect: Effect,
    calls: Calls,
    afterwards: bool,
    which: Which,
    probability: f64,
}

#[derive(Debug, Clone)]
enum Effect {
    Fail(Status),
    Delay(Duration),
    /// Lists are as they were so many changes ago.
    Stale(u64),
    /// Watches end after so many events.
    End(u64),
    /// Watches are told that what they ask for is forgotten.
    Expire,
    Duplicate,
    /// An event comes after its successor.
    Swap,
    /// Events come so much later.
    Late(Duration),
}

/// Which of the requests, counted from 1.
#[derive(Debug, Clone, Copy)]
enum Which {
    Every(u64),
    Nth(u64),
    First(u64),
    After(u64),
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Fault { effect, calls: Calls::all(), afterwards: false, which: Which::Every(1), probability: 1.0 }
    }

    /// The server refuses with this HTTP status code, and the reason and message that a real one gives with it.
    pub fn error(code: u16) -> Self {
        let (reason, message) = match code {
            400 => ("BadRequest", "the server rejected our request for an unknown reason"),
            401 => ("Unauthorized", "Unauthorized"),
            403 => ("Forbidden", "forbidden: an injected fault"),
            404 => ("NotFound", "the server could not find the requested resource"),
            409 => (
                "Conflict",
                "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again",
            ),
            410 => ("Expired", "The resourceVersion for the provided list is too old."),
            422 => ("Invalid", "the server rejected our request due to an error in our request"),
            429 => ("TooManyRequests", "too many requests, please try again later"),
            500 => ("InternalError", "Internal error occurred: an injected fault"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "Timeout: request did not complete within the allotted timeout"),
            _ => ("", "an injected fault"),
        };
        Fault::new(Effect::Fail(Status::new(code, reason, message)))
    }

    /// The server says that the object has changed meanwhile (409).
    pub fn conflict() -> Self {
        Fault::error(409)
    }

    /// The server does not answer in time (504).
    pub fn timeout() -> Self {
        Fault::error(504)
    }

    /// The connection breaks: there is no answer.
    pub fn unreachable() -> Self {
        Fault::new(Effect::Fail(Status::unreachable()))
    }

    /// The request takes this much longer.
    pub fn latency(duration: Duration) -> Self {
        Fault::new(Effect::Delay(duration))
    }

    /// A list is as it was this many changes ago, counted over all kinds, as far as history reaches: as a server that
    /// lags behind would answer.
    pub fn stale_list(changes: u64) -> Self {
        Fault::new(Effect::Stale(changes)).on(Calls::of(Verb::List))
    }

    /// A watch ends, without an error, after this many events.
    pub fn watch_ends(events: u64) -> Self {
        Fault::new(Effect::End(events)).on(Calls::of(Verb::Watch))
    }

    /// A watch is told that the version it starts from is too old (410).
    pub fn watch_expires() -> Self {
        Fault::new(Effect::Expire).on(Calls::of(Verb::Watch))
    }

    /// Events of a watch come twice. Which ones is counted in events, not in requests.
    pub fn duplicate_events() -> Self {
        Fault::new(Effect::Duplicate).on(Calls::of(Verb::Watch))
    }

    /// Events of a watch come after their successors, or a second late when there is none by then. Which ones is counted
    /// in events, not in requests.
    pub fn reorder_events() -> Self {
        Fault::new(Effect::Swap).on(Calls::of(Verb::Watch))
    }

    /// Events of a watch come this much later, in their order. Which ones is counted in events, not in requests.
    pub fn late_events(duration: Duration) -> Self {
        Fault::new(Effect::Late(duration)).on(Calls::of(Verb::Watch))
    }

    /// Befalls these requests only. Faults of lists and watches befall only lists and watches all the same.
    pub fn on(mut self, calls: Calls) -> Self {
        self.calls = calls;
        self
    }

    /// With this machine-readable reason, such as `InternalError`.
    pub fn reason(mut self, reason: &str) -> Self {
        if let Effect::Fail(status) = &mut self.effect {
            status.reason = Cow::Owned(reason.to_owned());
        }
        self
    }

    /// With this message.
    pub fn message(mut self, message: &str) -> Self {
        if let Effect::Fail(status) = &mut self.effect {
            message.clone_into(&mut status.message);
        }
        self
    }

    /// With the advice to try again after this time, in whole seconds.
    pub fn retry_after(mut self, time: Duration) -> Self {
        if let Effect::Fail(status) = &mut self.effect {
            status.details.get_or_insert_default().insert("retryAfterSeconds".into(), json!(time.as_secs()));
        }
        self
    }

    /// Strikes when the request has been carried out already: what it writes is written, and the client cannot know.
    pub fn after_the_write(mut self) -> Self {
        self.afterwards = true;
        self
    }

    /// Strikes the nth time only; the first is 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.which = Which::Nth(n);
        self
    }

    /// Strikes the first n times.
    pub fn first(mut self, n: u64) -> Self {
        self.which = Which::First(n);
        self
    }

    /// Strikes whenever the first n times are over.
    pub fn after(mut self, n: u64) -> Self {
        self.which = Which::After(n);
        self
    }

    /// Strikes every nth time.
    pub fn every(mut self, n: u64) -> Self {
        self.which = Which::Every(n.max(1));
        self
    }

    /// Of the times it would strike, strikes this share of them (0 to 1), drawn from the server's seed.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Whether it disturbs the events of watches rather than requests.
    fn disturbs_events(&self) -> bool {
        matches!(self.effect, Effect::Duplicate | Effect::Swap | Effect::Late(_))
    }

    fn befalls(&self, verb: Verb) -> bool {
        match self.effect {
            Effect::Stale(_) => verb == Verb::List,
            Effect::End(_) | Effect::Expire | Effect::Duplicate | Effect::Swap | Effect::Late(_) => verb == Verb::Watch,
            Effect::Fail(_) | Effect::Delay(_) => true,
        }
    }
}
