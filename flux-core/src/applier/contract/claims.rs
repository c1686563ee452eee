//! Claims as a host that knows all owners would have them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::claims::Claims;
use crate::context::Context;
use crate::engine::Unit;
use crate::object::ObjectId;

/// One object moves: whoever has it gives it up, and somebody else wants it.
#[derive(Debug)]
pub(super) struct Moves {
    pub(super) object: ObjectId,
    pub(super) to: Unit,
}

#[async_trait]
impl Claims for Moves {
    async fn claimant(&self, _: &Context, object: &ObjectId) -> Option<Unit> {
        (*object == self.object).then(|| self.to.clone())
    }

    async fn waives(&self, _: &Context, pipeline: &Unit, object: &ObjectId) -> bool {
        *object == self.object && *pipeline != self.to
    }
}

impl Moves {
    pub(super) fn with(self, cx: &Context) -> Context {
        cx.clone().with_claims(Arc::new(self))
    }
}
