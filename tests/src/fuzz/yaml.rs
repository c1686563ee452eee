//! The YAML readers and writers.

use flux_core::yaml::{self, Dialect, Layout, ReadOptions};

/// Reads a text in every dialect; what was read must survive being written and read again.
pub(super) fn read_and_write(data: &[u8]) {
    for dialect in [Dialect::Lax, Dialect::Strict, Dialect::V3] {
        let options = ReadOptions::new(dialect);
        let Ok(documents) = yaml::read_documents(data, &options) else { continue };
        for document in documents {
            let text = yaml::write(&document.value, Layout::Sigs);
            let again = yaml::read(text.as_bytes(), &options);
            assert_eq!(again.as_ref().ok(), Some(&document.value), "{dialect:?} wrote {text:?}");
        }
    }
}
