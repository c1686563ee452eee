//! Delays: exponential backoff and jitter.

use std::time::Duration;

/// Exponential backoff: the first delay is `min`, each further one twice the last, none above `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Default for Backoff {
    /// 750 ms to 15 minutes: Flux's `--min-retry-delay` and `--max-retry-delay`.
    fn default() -> Self {
        Self { min: Duration::from_millis(750), max: Duration::from_secs(15 * 60) }
    }
}

impl Backoff {
    /// The delay after so many failures in a row, from 1.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.min.saturating_mul(1 << doublings).min(self.max)
    }
}

/// A small deterministic source of randomness (the splitmix64 sequence): one seed, one sequence, on every machine.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in 0..1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A duration spread evenly over so many percent below and above.
    pub(super) fn jitter(&mut self, duration: Duration, percent: u8) -> Duration {
        let spread = f64::from(percent.min(100)) / 100.0;
        duration.mul_f64(1.0 + spread * (2.0 * self.unit() - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff::default();
        let delays: Vec<u128> = (1..=4).map(|failures| backoff.delay(failures).as_millis()).collect();
        assert_eq!(delays, [750, 1500, 3000, 6000]);
        assert_eq!(backoff.delay(u32::MAX), backoff.max);
    }

    #[test]
    fn jitter_stays_in_its_band_and_fills_it() {
        let mut random = Random::new(7);
        let drawn: Vec<u128> = (0..1000).map(|_| random.jitter(Duration::from_secs(100), 5).as_millis()).collect();
        let (min, max) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!((95_000..95_500).contains(min) && (104_500..=105_000).contains(max), "{min} {max}");
        assert_eq!(random.jitter(Duration::from_secs(9), 0), Duration::from_secs(9));
    }
}
