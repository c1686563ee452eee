//! Where changes are told and kept.

use std::path::Path;
use std::sync::Arc;

use flux_core::audit::{AuditSink, Entry, FileJournal, JournalError};
use flux_examples::terminal::Terminal;

/// Shows every change, and keeps it where a journal was asked for.
pub(crate) struct Journal {
    terminal: Arc<Terminal>,
    file: Option<FileJournal>,
}

impl Journal {
    pub(crate) fn new(terminal: Arc<Terminal>, file: Option<&Path>) -> Result<Self, JournalError> {
        Ok(Self { terminal, file: file.map(FileJournal::open).transpose()? })
    }
}

impl AuditSink for Journal {
    fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        if let Some(file) = &self.file {
            file.record(entry)?;
        }
        self.terminal.record(entry)
    }
}
