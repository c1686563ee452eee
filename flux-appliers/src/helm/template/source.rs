//! Where template text came from, so that an error can name file, line and column.

use std::sync::Arc;

use bytes::Bytes;

/// A byte offset into the text of a [`Source`].
pub(crate) type Pos = u32;

/// A part of the text of a [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Pos,
    pub(crate) end: Pos,
}

/// One parsed text: a template file, or the text given to `tpl`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name errors give, such as `chart/templates/cm.yaml`.
    pub(crate) name: Arc<str>,
    /// The whole text, in UTF-8; shared with the chart it is from.
    pub(crate) text: Bytes,
}

impl Source {
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// `name:line:column` as Go prints it: lines from 1, columns in bytes from 0.
    pub(crate) fn location(&self, pos: Pos) -> String {
        let before = self.text.get(..pos as usize).unwrap_or(&self.text);
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let column = before.len() - before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
        format!("{}:{line}:{column}", self.name)
    }
}
