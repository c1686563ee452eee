//! The faults of a server, and how often each has struck.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Effect, Fault, Which};
use crate::apiserver::ApiServer;
use crate::apiserver::calls::Request;
use crate::apiserver::ids::Ids;

/// A fault that was injected.
#[derive(Debug)]
pub(crate) struct Rule {
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How often it could have struck.
    seen: u64,
    struck: u64,
    dice: Ids,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rule {
    fn new(fault: Fault, seed: u64) -> Self {
        Rule { fault, state: Mutex::new(State { seen: 0, struck: 0, dice: Ids::new(seed) }) }
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.fault
    }

    pub(super) fn effect(&self) -> &Effect {
        &self.fault.effect
    }

    /// Counts one time that it could strike; whether it does.
    pub(super) fn strikes(&self) -> bool {
        let mut state = lock(&self.state);
        state.seen += 1;
        let due = match self.fault.which {
            Which::Every(n) => state.seen.is_multiple_of(n),
            Which::Nth(n) => state.seen == n,
            Which::First(n) => state.seen <= n,
            Which::After(n) => state.seen > n,
        };
        // 53 bits are what a float has.
        let strikes = due
            && (self.fault.probability >= 1.0
                || ((state.dice.next() >> 11) as f64) < self.fault.probability * (1u64 << 53) as f64);
        state.struck += u64::from(strikes);
        strikes
    }
}

/// All faults of a server.
#[derive(Debug)]
pub(crate) struct Rules {
    seed: u64,
    /// There is at least one.
    any: AtomicBool,
    rules: Mutex<(u64, Vec<Arc<Rule>>)>,
}

impl Rules {
    pub(crate) fn new(seed: u64) -> Self {
        Rules { seed, any: AtomicBool::new(false), rules: Mutex::new((0, Vec::new())) }
    }

    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn add(&self, fault: Fault) -> Arc<Rule> {
        let mut rules = lock(&self.rules);
        rules.0 += 1;
        let rule = Arc::new(Rule::new(fault, self.seed ^ rules.0.wrapping_mul(0xa076_1d64_78bd_642f)));
        rules.1.push(rule.clone());
        self.any.store(true, Ordering::Release);
        rule
    }

    fn retain(&self, keep: impl Fn(&Arc<Rule>) -> bool) {
        let mut rules = lock(&self.rules);
        rules.1.retain(keep);
        self.any.store(!rules.1.is_empty(), Ordering::Release);
    }

    /// The faults that are for a request, in the order they were injected.
    pub(super) fn of(&self, request: &Request) -> Vec<Arc<Rule>> {
        let rules = lock(&self.rules);
        let for_it = |r: &&Arc<Rule>| r.fault.befalls(request.verb) && r.fault.calls.means(request);
        rules.1.iter().filter(for_it).cloned().collect()
    }
}

/// A fault that was injected: how often it struck, and its end. Dropping this leaves the fault in place.
#[derive(Debug)]
pub struct Injected {
    server: ApiServer,
    rule: Arc<Rule>,
}

impl Injected {
    /// How often it struck.
    pub fn count(&self) -> u64 {
        lock(&self.rule.state).struck
    }

    /// Ends it.
    pub fn remove(&self) {
        self.server.inner.faults.retain(|r| !Arc::ptr_eq(r, &self.rule));
    }
}

impl ApiServer {
    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: Fault) -> Injected {
        Injected { server: self.clone(), rule: self.inner.faults.add(fault) }
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.inner.faults.retain(|_| false);
    }

    /// Ends all watches that are running, without an error: what a restart of a real server does.
    pub fn end_watches(&self) {
        self.lock().store.end_watches();
    }
}
