//! Whether objects are ready: kstatus for the kinds that Kubernetes brings, conditions for the rest, and waiting for it
//! by watches.

mod kstatus;
mod wait;

pub use kstatus::{Condition, Status, StatusError, health, status};
pub use wait::Wait;
pub(crate) use wait::of_live;
