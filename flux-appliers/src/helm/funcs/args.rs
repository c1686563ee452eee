//! Typed access to the arguments of a call. The executor has checked number and types, so that the fallbacks here are
//! never seen.

use std::borrow::Cow;

use crate::helm::template::error::CallError;
use crate::helm::template::{Map, Value};

/// What a template function gives.
pub(crate) type Outcome = Result<Value, CallError>;

/// The arguments of one call.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a>(pub(crate) &'a [Value]);

impl<'a> Args<'a> {
    pub(crate) fn any(self, index: usize) -> Value {
        self.0.get(index).cloned().unwrap_or_default()
    }

    pub(crate) fn bytes(self, index: usize) -> &'a [u8] {
        match self.0.get(index) {
            Some(Value::Str(text)) => text.as_bytes(),
            _ => &[],
        }
    }

    pub(crate) fn text(self, index: usize) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(index))
    }

    pub(crate) fn int(self, index: usize) -> i64 {
        match self.0.get(index) {
            Some(Value::Int(i) | Value::Int64(i)) => *i,
            Some(Value::Uint64(u)) => *u as i64,
            _ => 0,
        }
    }

    /// A dict; none where nil was given.
    pub(crate) fn map(self, index: usize) -> Option<&'a Map> {
        match self.0.get(index) {
            Some(Value::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// The arguments from `index` on.
    pub(crate) fn rest(self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or(&[])
    }
}
