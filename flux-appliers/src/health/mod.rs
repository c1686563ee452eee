//! Whether objects are ready: kstatus for the kinds that Kubernetes brings, conditions for the rest, expressions of the
//! host's own, and waiting for it by watches.

#[cfg(feature = "cel")]
mod expressions;
mod kstatus;
mod wait;

use std::fmt;

use flux_core::{Object, Timestamp};

#[cfg(feature = "cel")]
pub use expressions::{HealthExpressions, InvalidExpression};
pub use kstatus::{Condition, Status, StatusError, health, status};
pub use wait::Wait;
pub(crate) use wait::of_live;

/// Tells how far an object is on its way to what was asked of it.
pub trait Judge: fmt::Debug + Send + Sync {
    /// How far an object is at a point in time.
    ///
    /// # Errors
    /// It cannot be told, and why. The text must not hold content of the object.
    fn health(&self, object: &Object, now: Timestamp) -> Result<Status, String>;
}

/// Judges as [`health`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kstatus;

impl Judge for Kstatus {
    fn health(&self, object: &Object, now: Timestamp) -> Result<Status, String> {
        health(object, now).map_err(|error| error.to_string())
    }
}
