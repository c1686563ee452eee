//! What the pipelines of an engine want, for those that give up or take over an object.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;

use super::pipeline_unit::PipelineUnit;
use super::{Unit, Units, lock};
use crate::claims::Claims;
use crate::context::Context;
use crate::object::ObjectId;

/// The claims of the pipelines of an engine other than the one that asks.
pub(super) struct EngineClaims {
    units: Weak<Units>,
    asking: Unit,
    claimants: Mutex<BTreeSet<Unit>>,
}

impl EngineClaims {
    pub(super) fn new(units: &Arc<Units>, asking: &Unit) -> Self {
        Self { units: Arc::downgrade(units), asking: asking.clone(), claimants: Mutex::default() }
    }

    /// The pipelines that were found to want what the one that asks was about to give up.
    pub(super) fn claimants(&self) -> BTreeSet<Unit> {
        lock(&self.claimants).clone()
    }

    /// What the other pipelines of the same place follow.
    pub(super) fn sources(&self) -> BTreeSet<Unit> {
        let neighbours = self.neighbours().map(|(_, neighbours)| neighbours).unwrap_or_default();
        neighbours.iter().map(|entry| entry.pipeline.source.clone()).collect()
    }

    /// The other pipelines that apply to the same place.
    fn neighbours(&self) -> Option<(Arc<Units>, Vec<Arc<PipelineUnit>>)> {
        let units = self.units.upgrade()?;
        let neighbours = {
            let pipelines = lock(&units.pipelines);
            let place = pipelines.get(&self.asking)?.pipeline.applier.place()?;
            let near = |entry: &PipelineUnit| entry.pipeline.applier.place().as_ref() == Some(&place);
            let others = pipelines.iter().filter(|(unit, entry)| **unit != self.asking && near(entry));
            others.map(|(_, entry)| entry.clone()).collect()
        };
        Some((units, neighbours))
    }
}

#[async_trait]
impl Claims for EngineClaims {
    async fn claimant(&self, cx: &Context, object: &ObjectId) -> Option<Unit> {
        let (units, neighbours) = self.neighbours()?;
        for entry in neighbours.iter().filter(|entry| !entry.is_deleting()) {
            let artifact = units.source(&entry.pipeline.source).and_then(|source| source.artifact());
            if entry.wants(cx, &*units.store, artifact.as_ref(), object).await {
                lock(&self.claimants).insert(entry.pipeline.unit.clone());
                return Some(entry.pipeline.unit.clone());
            }
        }
        None
    }

    async fn waives(&self, cx: &Context, pipeline: &Unit, object: &ObjectId) -> bool {
        let Some((units, neighbours)) = self.neighbours() else { return false };
        let Some(entry) = neighbours.iter().find(|entry| entry.pipeline.unit == *pipeline) else { return false };
        if entry.is_deleting() {
            return true;
        }
        let artifact = units.source(&entry.pipeline.source).and_then(|source| source.artifact());
        !entry.wants(cx, &*units.store, artifact.as_ref(), object).await
    }
}

impl fmt::Debug for EngineClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineClaims(of all but {})", self.asking)
    }
}
