//! A journal in memory.

use std::sync::Mutex;

use super::{AuditSink, Entry, Head, JournalError, Line, lock};

/// A journal in memory, for tests and for hosts that keep it elsewhere.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Vec<Line>>);

impl MemoryJournal {
    /// Every line so far.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.0).clone()
    }

    /// The end of the journal.
    pub fn head(&self) -> Head {
        head(&lock(&self.0))
    }
}

fn head(lines: &[Line]) -> Head {
    lines.last().map_or_else(Head::default, |line| Head { seq: line.seq, hash: line.hash.clone() })
}

impl AuditSink for MemoryJournal {
    fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        let mut lines = lock(&self.0);
        let line = head(&lines).line(entry.clone());
        lines.push(line);
        Ok(())
    }
}
