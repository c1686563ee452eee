//! How soon drift is repaired: at once, and ever later where somebody keeps undoing the repair.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::lock;
use crate::reconcile::Backoff;

/// After so much peace the next drift is repaired at once again.
const PEACE: Duration = Duration::from_secs(10 * 60);

/// Paces the repairs of one pipeline.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// A repair was asked for and has not begun.
    pending: bool,
    /// When the last repair was due.
    last: Option<Instant>,
    /// How many repairs have followed each other without peace in between.
    streak: u32,
}

impl Pace {
    /// Something drifted: how long to wait until it is repaired; none if a repair is on its way already.
    pub(super) fn drifted(&self, now: Instant) -> Option<Duration> {
        let mut state = lock(&self.0);
        if state.pending {
            return None;
        }
        state.pending = true;
        let delay = match state.last {
            Some(last) if now.saturating_duration_since(last) < PEACE => {
                state.streak = state.streak.saturating_add(1);
                let due = last + Backoff::default().delay(state.streak);
                due.saturating_duration_since(now)
            }
            _ => {
                state.streak = 0;
                Duration::ZERO
            }
        };
        state.last = Some(now + delay);
        Some(delay)
    }

    /// A run has begun, and sees everything that has drifted so far.
    pub(super) fn begun(&self) {
        lock(&self.0).pending = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h45_who_keeps_undoing_repairs_slows_them_down() {
        let (pace, mut now) = (Pace::default(), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..5 {
            let delay = pace.drifted(now).unwrap();
            assert_eq!(pace.drifted(now), None, "one repair for all that drifts before it");
            now += delay;
            pace.begun();
            delays.push(delay.as_millis());
        }
        assert_eq!(delays, [0, 750, 1500, 3000, 6000]);
        now += PEACE;
        assert_eq!(pace.drifted(now), Some(Duration::ZERO));
    }
}
