//! The events of a watch on a bad day: repeated, out of order, late, or none at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Effect;
use super::rule::Rule;
use crate::apiserver::watch::Change;

/// How long an event waits for the one that is to come before it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happens to the events of one watch.
#[derive(Debug, Default)]
pub(crate) struct Disturbance {
    rules: Vec<Arc<Rule>>,
    /// How many events are left before the watch ends.
    left: Option<u64>,
    expired: bool,
    /// An event that waits for its successor to come first, but not longer than this.
    swapped: Option<(Instant, Change)>,
    /// Events that are late.
    late: VecDeque<(Instant, Change)>,
}

impl Disturbance {
    pub(super) fn add(&mut self, rule: Arc<Rule>) {
        self.rules.push(rule);
    }

    pub(super) fn end_after(&mut self, events: u64) {
        self.left = Some(self.left.map_or(events, |left| left.min(events)));
    }

    pub(super) fn expire(&mut self) {
        self.expired = true;
    }

    /// Whether the watch is to be told that it starts too far back.
    pub(crate) fn expired(&self) -> bool {
        self.expired
    }

    /// Counts an event that is delivered; whether the watch ends before it.
    pub(crate) fn ends(&mut self) -> bool {
        match &mut self.left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// Takes in what happened; what is not held back goes to `out`.
    pub(crate) fn pass(&mut self, change: Change, out: &mut VecDeque<Change>) {
        let (mut twice, mut swap, mut late) = (false, false, Duration::ZERO);
        for rule in self.rules.iter().filter(|rule| rule.strikes()) {
            match rule.effect() {
                Effect::Duplicate => twice = true,
                Effect::Swap => swap = true,
                Effect::Late(by) => late += *by,
                _ => {}
            }
        }
        let now = Instant::now();
        if swap && self.swapped.is_none() {
            self.swapped = Some((now + PATIENCE, change));
            return;
        }
        let waited = self.swapped.take().map(|(_, earlier)| earlier);
        for change in std::iter::once(change.clone()).chain(twice.then_some(change)).chain(waited) {
            // Nothing overtakes what is late already.
            match self.late.back() {
                None if late.is_zero() => out.push_back(change),
                last => {
                    let at = last.map_or(now + late, |(at, _)| (*at).max(now + late));
                    self.late.push_back((at, change));
                }
            }
        }
    }

    /// Lets go of what has waited long enough.
    pub(crate) fn release(&mut self, out: &mut VecDeque<Change>) {
        let now = Instant::now();
        while self.late.front().is_some_and(|(at, _)| *at <= now) {
            out.extend(self.late.pop_front().map(|(_, change)| change));
        }
        if self.swapped.as_ref().is_some_and(|(at, _)| *at <= now) {
            out.extend(self.swapped.take().map(|(_, change)| change));
        }
    }

    /// When something held back is to be let go.
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.late.front().map(|(at, _)| *at).into_iter().chain(self.swapped.as_ref().map(|(at, _)| *at)).min()
    }
}
