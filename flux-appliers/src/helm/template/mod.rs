//! Go's `text/template`: lexer, parser and executor, with Go's values, formatting and error texts.
//!
//! A [`set::TemplateSet`] is parsed once and shared; an [`exec::Runtime`] runs it under a [`Limits`] budget with
//! [`Value`]s, which keep Go's types. Not supported, because nothing in Helm makes such values: complex numbers,
//! channels and functions as values.

mod ast;
mod budget;
mod builtin;
pub(crate) mod error;
pub(crate) mod exec;
pub(crate) mod function;
pub(crate) mod gofmt;
mod lex;
pub(crate) mod measure;
pub(crate) mod number;
pub(crate) mod parse;
pub(crate) mod set;
mod source;
pub(crate) mod text;
pub(crate) mod value;
mod values;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) use conformance::corpus;

pub(crate) use budget::Budget;
pub use budget::{Interrupt, Limits};
pub(crate) use builtin::Builtins;
pub use error::{Abort, CallError, ExecError, ParseError};
pub use function::{Function, Type};
pub use text::Str;
pub(crate) use value::exported;
pub use value::{Elements, Entries, List, Map, MapKind, Native, Value};
