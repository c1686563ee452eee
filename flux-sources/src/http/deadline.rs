//! The time an operation has.

use std::time::Duration;

use flux_core::Context;

/// The time for one operation when the context sets no deadline: `spec.timeout` of Flux's sources.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The context with a deadline: its own, or the default.
pub(crate) fn bounded(cx: &Context) -> Context {
    if cx.deadline().is_some() { cx.clone() } else { cx.clone().with_timeout(TIMEOUT) }
}
