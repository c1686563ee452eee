//! Where template text came from, so that an error can name file, line and column.

use std::sync::Arc;

/// A byte offset into the text of a [`Source`].
pub(crate) type Pos = u32;

/// One parsed text: a template file, or the text given to `tpl`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name errors give, such as `chart/templates/cm.yaml`.
    pub(crate) name: Arc<str>,
    /// The whole text.
    pub(crate) text: String,
}

impl Source {
    /// `name:line:column` as Go prints it: lines from 1, columns in bytes from 0.
    pub(crate) fn location(&self, pos: Pos) -> String {
        let before = self.text.get(..pos as usize).unwrap_or(&self.text);
        let line = 1 + before.bytes().filter(|b| *b == b'\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
        format!("{}:{line}:{column}", self.name)
    }
}
