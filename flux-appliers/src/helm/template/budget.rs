//! What bounds a render: work, data, depth and time.

use std::sync::Arc;

use super::error::Abort;

/// Limits of one render. None is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes evaluated, range iterations and function calls. Default: 50 million.
    pub steps: u64,
    /// Bytes of output and of intermediate values made, in total. Default: 1 GiB, which a chart's `include`s add up to
    /// far more quickly than its output does.
    pub bytes: usize,
    /// Templates executing inside each other. Default: 1100, a little more than Helm's limit of 1000 for one name.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 50_000_000, bytes: 1 << 30, depth: 1100 }
    }
}

/// Asked now and then whether to stop.
pub type Interrupt = Arc<dyn Fn() -> bool + Send + Sync>;

/// How many steps pass between questions to the host.
const ASK_EVERY: u64 = 1024;

pub(crate) struct Budget {
    limits: Limits,
    steps: u64,
    bytes: usize,
    depth: usize,
    interrupt: Option<Interrupt>,
}

impl Budget {
    pub(crate) fn new(limits: Limits, interrupt: Option<Interrupt>) -> Self {
        Self { limits, steps: 0, bytes: 0, depth: 0, interrupt }
    }

    /// One more piece of work.
    pub(crate) fn step(&mut self) -> Result<(), Abort> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(Abort::Steps { limit: self.limits.steps });
        }
        if self.steps.is_multiple_of(ASK_EVERY) && self.interrupt.as_ref().is_some_and(|stop| stop()) {
            return Err(Abort::Cancelled);
        }
        Ok(())
    }

    /// Much work at once.
    pub(crate) fn steps(&mut self, steps: u64) -> Result<(), Abort> {
        self.steps = self.steps.saturating_add(steps);
        if self.interrupt.as_ref().is_some_and(|stop| stop()) {
            return Err(Abort::Cancelled);
        }
        self.step()
    }

    /// More bytes, before or just after they are made.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Abort> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(Abort::Output { limit: self.limits.bytes });
        }
        Ok(())
    }

    /// Whether a render may make so many bytes at all.
    pub(crate) fn admits(&self, bytes: usize) -> Result<(), Abort> {
        if bytes > self.limits.bytes { Err(Abort::Output { limit: self.limits.bytes }) } else { Ok(()) }
    }

    /// How many more bytes may be made.
    pub(crate) fn bytes_left(&self) -> usize {
        self.limits.bytes.saturating_sub(self.bytes)
    }

    pub(crate) fn enter(&mut self) -> Result<(), Abort> {
        if self.depth >= self.limits.depth {
            return Err(Abort::Depth { limit: self.limits.depth });
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }
}
