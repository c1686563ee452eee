//! What runs when: the state of the loop, without tasks or timers, so that every rule can be tested by itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Random;
use super::graph::cycle_through;
use super::{Backoff, Key, Next, Phase, ReconcileError, Schedule};
use crate::error::Class;

/// How the queue schedules.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) backoff: Backoff,
    pub(super) jitter_percent: u8,
    pub(super) dependency_interval: Duration,
}

/// One key.
#[derive(Debug)]
pub(super) struct Entry<K> {
    pub(super) schedule: Schedule<K>,
    pub(super) phase: Phase,
    pub(super) reason: Cow<'static, str>,
    pub(super) message: String,
    pub(super) class: Option<Class>,
    pub(super) runs: u64,
    pub(super) failures: u32,
    pub(super) due: Option<Instant>,
    /// The last run that ended succeeded: what dependents wait for.
    succeeded: bool,
    running: bool,
    /// Triggered while running: run again at this time at the latest.
    again: Option<Instant>,
    /// The last run gave way to a newer input; the next may not, so that inputs that never stop cannot starve it.
    superseded: bool,
}

/// What runs when.
#[derive(Debug)]
pub(super) struct Queue<K> {
    policy: Policy,
    random: Random,
    entries: BTreeMap<K, Entry<K>>,
    /// Keys by the time they are due; equal times in the order in which they were asked for.
    due: BTreeSet<(Instant, u64, K)>,
    tickets: HashMap<K, u64>,
    next_ticket: u64,
    /// Keys by what they wait for.
    dependents: HashMap<K, HashSet<K>>,
    /// Keys whose status has changed and was not yet reported.
    changed: VecDeque<K>,
}

impl<K: Key> Queue<K> {
    pub(super) fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            random: Random::new(seed),
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            tickets: HashMap::new(),
            next_ticket: 0,
            dependents: HashMap::new(),
            changed: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&Entry<K>> {
        self.entries.get(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.keys()
    }

    /// The next key whose status has changed.
    pub(super) fn pop_changed(&mut self) -> Option<K> {
        self.changed.pop_front()
    }

    /// Adds a key, due at once, or gives one that is there another schedule, which makes it due at once too.
    pub(super) fn put(&mut self, key: K, schedule: Schedule<K>, now: Instant) {
        self.unlink(&key);
        for dependency in &schedule.depends_on {
            self.dependents.entry(dependency.clone()).or_default().insert(key.clone());
        }
        let suspend = schedule.suspend;
        match self.entries.get_mut(&key) {
            Some(entry) => entry.schedule = schedule,
            None => {
                self.entries.insert(key.clone(), Entry::new(schedule));
            }
        }
        self.set_suspended(&key, suspend, now);
        if !suspend {
            self.trigger(&key, now);
        }
    }

    /// Removes a key. A run of it that is under way ends without effect here.
    pub(super) fn remove(&mut self, key: &K) {
        self.unlink(key);
        self.set_due(key, None);
        self.entries.remove(key);
    }

    /// Makes a key due at once.
    pub(super) fn trigger(&mut self, key: &K, now: Instant) {
        self.trigger_by(key, now);
    }

    /// Makes a key due at this time at the latest.
    pub(super) fn trigger_by(&mut self, key: &K, at: Instant) {
        let soonest = |due: Option<Instant>| Some(due.map_or(at, |due| due.min(at)));
        match self.entries.get_mut(key) {
            Some(entry) if entry.running => entry.again = soonest(entry.again),
            Some(entry) if !entry.schedule.suspend => {
                let due = soonest(entry.due);
                if due != entry.due {
                    self.set_due(key, due);
                }
            }
            _ => {}
        }
    }

    /// As [`trigger`](Self::trigger), and asks whether a run under way should give way to the newer input.
    pub(super) fn supersede(&mut self, key: &K, now: Instant) -> bool {
        self.trigger(key, now);
        match self.entries.get_mut(key) {
            Some(entry) if entry.running && !entry.superseded => {
                entry.superseded = true;
                true
            }
            _ => false,
        }
    }

    /// Suspends or resumes a key; one that is resumed is due at once.
    pub(super) fn set_suspended(&mut self, key: &K, suspend: bool, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.schedule.suspend = suspend;
        if suspend {
            entry.again = None;
            if !entry.running {
                entry.phase = Phase::Suspended;
                self.changed.push_back(key.clone());
            }
            self.set_due(key, None);
        } else if entry.phase == Phase::Suspended {
            entry.phase = Phase::Pending;
            self.changed.push_back(key.clone());
            self.trigger(key, now);
        }
    }

    /// When the next key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _, _)| *due)
    }

    /// Takes the next key that may run now.
    pub(super) fn pop_ready(&mut self, now: Instant) -> Option<K> {
        loop {
            let (due, _, key) = self.due.first()?;
            if *due > now {
                return None;
            }
            let key = key.clone();
            self.set_due(&key, None);
            if let Some((reason, message)) = self.blocked(&key) {
                self.block(&key, reason, message, now);
                continue;
            }
            let entry = self.entries.get_mut(&key)?;
            entry.running = true;
            entry.phase = Phase::Running;
            self.changed.push_back(key.clone());
            return Some(key);
        }
    }

    /// Takes the outcome of a run and schedules the next.
    pub(super) fn finish(&mut self, key: &K, outcome: Result<Next, ReconcileError>, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.running = false;
        entry.runs += 1;
        let interval = entry.schedule.interval;
        let retry = entry.schedule.retry_interval;
        let class = outcome.as_ref().err().map(|error| error.class);
        if class != Some(Class::Cancelled) {
            entry.superseded = false;
            entry.succeeded = class.is_none();
        }
        let delay = match outcome {
            Ok(next) => {
                entry.settle(Phase::Ready, "".into(), String::new(), None);
                entry.failures = 0;
                match next {
                    Next::Interval => Some(self.random.jitter(interval, self.policy.jitter_percent)),
                    Next::After(delay) => Some(delay),
                    Next::OnTrigger => None,
                }
            }
            Err(error) => {
                let message = crate::error::chain(&error);
                let (phase, delay) = match error.class {
                    Class::Transient => {
                        entry.failures = entry.failures.saturating_add(1);
                        let delay = retry.unwrap_or_else(|| self.policy.backoff.delay(entry.failures));
                        (Phase::Retrying, Some(delay))
                    }
                    Class::Terminal | Class::Denied => {
                        entry.failures = entry.failures.saturating_add(1);
                        (Phase::Stalled, Some(retry.unwrap_or(interval)))
                    }
                    Class::NotReady => (Phase::Blocked, Some(self.policy.dependency_interval)),
                    Class::Cancelled => (Phase::Pending, None),
                };
                entry.settle(phase, error.reason, message, Some(error.class));
                delay.map(|delay| delay.max(error.retry_after.unwrap_or_default()))
            }
        };
        let again = entry.again.take().map(|at| at.max(now));
        let suspended = entry.schedule.suspend;
        if suspended {
            entry.phase = Phase::Suspended;
        }
        self.changed.push_back(key.clone());
        let regular = delay.map(|delay| now + delay);
        let due = [again, regular].into_iter().flatten().min();
        self.set_due(key, due.filter(|_| !suspended));
        if class.is_none() {
            self.wake_dependents(key, now);
        }
    }

    /// Runs what waits for a key.
    fn wake_dependents(&mut self, key: &K, now: Instant) {
        let Some(dependents) = self.dependents.get(key) else { return };
        let mut waiting: Vec<K> = dependents
            .iter()
            .filter(|key| self.entries.get(key).is_some_and(|entry| entry.phase == Phase::Blocked))
            .cloned()
            .collect();
        // A set has no order of its own, and runs must be repeatable.
        waiting.sort_unstable();
        for key in waiting {
            self.trigger(&key, now);
        }
    }

    /// What a key waits for, if it does.
    fn blocked(&self, key: &K) -> Option<(&'static str, String)> {
        let entry = self.entries.get(key)?;
        if entry.schedule.depends_on.is_empty() {
            return None;
        }
        let depends_on = |key: &K| self.entries.get(key).map_or(&[][..], |entry| &entry.schedule.depends_on);
        if let Some(cycle) = cycle_through(self.entries.get_key_value(key)?.0, depends_on) {
            let names: Vec<String> = cycle.iter().map(K::to_string).collect();
            return Some(("DependencyCycle", format!("dependencies go in a circle: {}", names.join(" → "))));
        }
        let waits: Vec<String> = entry
            .schedule
            .depends_on
            .iter()
            .filter_map(|dependency| match self.entries.get(dependency) {
                None => Some(format!("dependency {dependency} not found")),
                Some(entry) if !entry.succeeded => Some(format!("dependency {dependency} is not ready")),
                Some(_) => None,
            })
            .collect();
        (!waits.is_empty()).then(|| ("DependencyNotReady", waits.join(", ")))
    }

    /// Puts a key aside until something it waits for succeeds. It looks again at the dependency interval, so that nothing
    /// that changes without a word here can keep it waiting for ever.
    fn block(&mut self, key: &K, reason: &'static str, message: String, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.phase != Phase::Blocked || entry.message != message {
            entry.settle(Phase::Blocked, reason.into(), message, Some(Class::NotReady));
            self.changed.push_back(key.clone());
        }
        self.set_due(key, Some(now + self.policy.dependency_interval));
    }

    fn set_due(&mut self, key: &K, due: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let (Some(old), Some(ticket)) = (entry.due, self.tickets.remove(key)) {
            self.due.remove(&(old, ticket, key.clone()));
        }
        entry.due = due;
        if let Some(due) = due {
            self.due.insert((due, self.next_ticket, key.clone()));
            self.tickets.insert(key.clone(), self.next_ticket);
            self.next_ticket += 1;
        }
    }

    /// Forgets what a key waits for.
    fn unlink(&mut self, key: &K) {
        let Some(entry) = self.entries.get(key) else { return };
        for dependency in &entry.schedule.depends_on {
            if let Some(dependents) = self.dependents.get_mut(dependency) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(dependency);
                }
            }
        }
    }
}

impl<K> Entry<K> {
    fn new(schedule: Schedule<K>) -> Self {
        Self {
            schedule,
            phase: Phase::Pending,
            reason: "".into(),
            message: String::new(),
            class: None,
            runs: 0,
            failures: 0,
            due: None,
            succeeded: false,
            running: false,
            again: None,
            superseded: false,
        }
    }

    fn settle(&mut self, phase: Phase, reason: Cow<'static, str>, message: String, class: Option<Class>) {
        (self.phase, self.reason, self.message, self.class) = (phase, reason, message, class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn queue() -> Queue<&'static str> {
        let dependency_interval = Duration::from_secs(30);
        Queue::new(Policy { backoff: Backoff::default(), jitter_percent: 0, dependency_interval }, 0)
    }

    fn fail(class: Class) -> Result<Next, ReconcileError> {
        Err(ReconcileError::new(class, "Failed", "it failed"))
    }

    /// Runs a key that must be ready now.
    fn run(queue: &mut Queue<&'static str>, key: &'static str, outcome: Result<Next, ReconcileError>, now: Instant) {
        assert_eq!(queue.pop_ready(now), Some(key));
        queue.finish(&key, outcome, now);
    }

    #[test]
    fn each_outcome_has_its_delay() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(5 * MINUTE), now);
        let mut delay_after = |outcome| {
            queue.trigger(&"a", now);
            run(&mut queue, "a", outcome, now);
            queue.next_due().map(|due| due - now)
        };
        assert_eq!(delay_after(Ok(Next::Interval)), Some(5 * MINUTE));
        assert_eq!(delay_after(Ok(Next::After(MINUTE))), Some(MINUTE));
        assert_eq!(delay_after(Ok(Next::OnTrigger)), None);
        assert_eq!(delay_after(fail(Class::Transient)), Some(Duration::from_millis(750)));
        assert_eq!(delay_after(fail(Class::Transient)), Some(Duration::from_millis(1500)));
        assert_eq!(delay_after(Ok(Next::Interval)), Some(5 * MINUTE));
        assert_eq!(delay_after(fail(Class::Transient)), Some(Duration::from_millis(750)), "a success resets it");
        assert_eq!(delay_after(fail(Class::Terminal)), Some(5 * MINUTE));
        assert_eq!(delay_after(fail(Class::NotReady)), Some(Duration::from_secs(30)));
        assert_eq!(delay_after(fail(Class::Cancelled)), None);
        let asked = ReconcileError::new(Class::Transient, "Busy", "busy").retry_after(Some(MINUTE));
        assert_eq!(delay_after(Err(asked)), Some(MINUTE));
    }

    #[test]
    fn a_key_runs_once_at_a_time_and_again_when_triggered_meanwhile() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(MINUTE), now);
        assert_eq!(queue.pop_ready(now), Some("a"));
        queue.trigger(&"a", now);
        queue.trigger(&"a", now);
        assert_eq!(queue.pop_ready(now), None);
        queue.finish(&"a", Ok(Next::Interval), now);
        run(&mut queue, "a", Ok(Next::Interval), now);
        assert_eq!(queue.pop_ready(now), None);
    }

    #[test]
    fn dependents_start_the_moment_a_dependency_succeeds() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("b", Schedule::every(MINUTE).after(["a"]), now);
        queue.put("a", Schedule::every(MINUTE), now);
        run(&mut queue, "a", fail(Class::Transient), now);
        assert_eq!(queue.pop_ready(now), None);
        assert_eq!(queue.get(&"b").unwrap().message, "dependency a is not ready");
        let later = now + Duration::from_secs(1);
        run(&mut queue, "a", Ok(Next::Interval), later);
        run(&mut queue, "b", Ok(Next::Interval), later);
    }

    #[test]
    fn a_cycle_is_named_and_stops_only_itself() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(MINUTE).after(["b"]), now);
        queue.put("b", Schedule::every(MINUTE).after(["a"]), now);
        queue.put("c", Schedule::every(MINUTE), now);
        run(&mut queue, "c", Ok(Next::Interval), now);
        assert_eq!(queue.get(&"a").unwrap().message, "dependencies go in a circle: a → b → a");
        queue.put("b", Schedule::every(MINUTE), now);
        run(&mut queue, "b", Ok(Next::Interval), now);
        run(&mut queue, "a", Ok(Next::Interval), now);
    }

    #[test]
    fn what_is_suspended_does_not_run_until_resumed() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(MINUTE).suspend(true), now);
        queue.trigger(&"a", now);
        assert_eq!((queue.pop_ready(now), queue.next_due()), (None, None));
        queue.set_suspended(&"a", false, now);
        assert_eq!(queue.pop_ready(now), Some("a"));
        queue.set_suspended(&"a", true, now);
        queue.finish(&"a", fail(Class::Cancelled), now);
        assert_eq!((queue.get(&"a").unwrap().phase, queue.next_due()), (Phase::Suspended, None));
    }

    #[test]
    fn h44_inputs_that_never_stop_cannot_starve_a_key() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(MINUTE), now);
        assert_eq!(queue.pop_ready(now), Some("a"));
        assert!(queue.supersede(&"a", now));
        queue.finish(&"a", fail(Class::Cancelled), now);
        assert_eq!(queue.pop_ready(now), Some("a"), "it runs again at once");
        assert!(!queue.supersede(&"a", now), "and this time to the end");
        queue.finish(&"a", Ok(Next::Interval), now);
        assert_eq!(queue.pop_ready(now), Some("a"));
        assert!(queue.supersede(&"a", now));
    }

    #[test]
    fn a_later_trigger_never_delays_a_run() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(MINUTE), now);
        queue.trigger_by(&"a", now + MINUTE);
        assert_eq!(queue.pop_ready(now), Some("a"));
        queue.trigger_by(&"a", now + 2 * MINUTE);
        queue.trigger_by(&"a", now + MINUTE / 2);
        queue.finish(&"a", Ok(Next::Interval), now);
        assert_eq!(queue.next_due(), Some(now + MINUTE / 2));
        queue.trigger_by(&"a", now + MINUTE / 4);
        assert_eq!(queue.next_due(), Some(now + MINUTE / 4));
    }

    #[test]
    fn a_removed_key_leaves_nothing_behind() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.put("a", Schedule::every(MINUTE).after(["b"]), now);
        queue.put("b", Schedule::every(MINUTE), now);
        assert_eq!(queue.pop_ready(now), Some("b"));
        queue.remove(&"a");
        queue.remove(&"b");
        queue.finish(&"b", Ok(Next::Interval), now);
        assert!(queue.entries.is_empty() && queue.due.is_empty() && queue.tickets.is_empty());
        assert!(queue.dependents.is_empty());
    }
}
