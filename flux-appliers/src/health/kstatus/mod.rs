//! kstatus: how far one object is on its way to what was asked of it, told from the object alone.
//!
//! What holds for every kind comes first: deletion, generations, the standard conditions. Then come the rules for the
//! kinds that Kubernetes brings, and last the `Ready` condition that most others have.

mod fields;
mod kinds;

use flux_core::{HealthStatus, Object, Timestamp};
use serde_json::{Map, Value};

use fields::{Conditions, integer, text};

/// How far an object is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far.
    pub status: HealthStatus,
    /// Why, for people.
    pub message: String,
    /// The standard conditions that say the same: `Reconciling` or `Stalled`.
    pub conditions: Vec<Condition>,
}

/// A condition that is true of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Its type, such as `Reconciling`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Machine-readable reason.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// A field that is not what the API says it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct StatusError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Status {
    fn current(message: impl Into<String>) -> Self {
        Self { status: HealthStatus::Current, message: message.into(), conditions: Vec::new() }
    }

    fn in_progress(reason: &str, message: impl Into<String>) -> Self {
        Self::with(HealthStatus::InProgress, "Reconciling", reason, message.into())
    }

    fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self::with(HealthStatus::Failed, "Stalled", reason, message.into())
    }

    fn with(status: HealthStatus, kind: &str, reason: &str, message: String) -> Self {
        let condition =
            Condition { kind: kind.into(), status: "True".into(), reason: reason.into(), message: message.clone() };
        Self { status, message, conditions: vec![condition] }
    }
}

/// How far an object is at a point in time, as Flux judges it: kstatus, but for jobs, which kstatus calls current once
/// they have started and Flux once they are done.
///
/// # Errors
/// A field that is not what the API says it is.
pub fn health(object: &Object, now: Timestamp) -> Result<Status, StatusError> {
    let map = object.as_map();
    if object.kind() == "Job" && object.api_version().starts_with("batch/") && object.deletion_timestamp().is_none() {
        return kinds::job_until_done(map);
    }
    status(map, now)
}

/// How far an object is at a point in time, by the rules of kstatus.
///
/// # Errors
/// A field that is not what the API says it is.
///
/// ```
/// use flux_appliers::health::status;
/// use flux_core::{HealthStatus, Timestamp};
/// let object = serde_json::json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}});
/// let status = status(object.as_object().unwrap(), Timestamp::UNIX_EPOCH)?;
/// assert_eq!((status.status, &*status.message), (HealthStatus::InProgress, "PVC is not Bound. phase: Pending"));
/// # Ok::<(), flux_appliers::health::StatusError>(())
/// ```
pub fn status(object: &Map<String, Value>, now: Timestamp) -> Result<Status, StatusError> {
    if text(object, "metadata.deletionTimestamp")?.is_some_and(|time| !time.is_empty()) {
        return Ok(Status {
            status: HealthStatus::Terminating,
            message: "Resource scheduled for deletion".into(),
            conditions: Vec::new(),
        });
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if let Some(generation) = integer(object, "metadata.generation")?
        && let Some(observed) = integer(object, "status.observedGeneration")?
        && observed != generation
    {
        let message = format!("{kind} generation is {generation}, but latest observed generation is {observed}");
        return Ok(Status::in_progress("LatestGenerationNotObserved", message));
    }
    let conditions = Conditions::of(object)?;
    let standard = |c: &&Condition| c.status == "True" && matches!(&*c.kind, "Reconciling" | "Stalled");
    if let Some(condition) = conditions.iter().find(standard) {
        let (reason, message) = (&condition.reason, &*condition.message);
        let make = if condition.kind == "Stalled" { Status::failed } else { Status::in_progress };
        return Ok(make(reason, message));
    }
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if let Some(status) = kinds::status(api_version, kind, object, &conditions, now) {
        return status;
    }
    let ready = conditions.iter().find(|c| c.kind == "Ready" && matches!(&*c.status, "True" | "False" | "Unknown"));
    Ok(match ready {
        Some(ready) if ready.status == "True" => Status::current("Resource is Ready"),
        Some(ready) => Status::in_progress(&ready.reason, &*ready.message),
        None => Status::current("Resource is current"),
    })
}
