//! Which pipeline wants which object: what keeps an object alive while it moves from one to another.

use std::fmt;

use async_trait::async_trait;

use crate::context::Context;
use crate::engine::Unit;
use crate::object::ObjectId;

/// What the other pipelines of a host want. An applier asks before it deletes an object or takes one over, so that an
/// object that moves from one pipeline to another is handed over, whichever of the two runs first, and never deleted.
#[async_trait]
pub trait Claims: fmt::Debug + Send + Sync {
    /// The other pipeline that wants this object in the same place, if there is one.
    async fn claimant(&self, cx: &Context, object: &ObjectId) -> Option<Unit>;

    /// Whether a pipeline is known and does not want this object any more: another may have it.
    async fn waives(&self, cx: &Context, pipeline: &Unit, object: &ObjectId) -> bool;
}
