//! Go's `fmt` and `strconv`: how values turn into text.

mod float;
mod print;
mod printf;
mod quote;

pub(crate) use float::{format_float, json_float};
pub(crate) use print::{sprint, sprintln, write_value};
pub(crate) use printf::sprintf;
pub(crate) use quote::{is_printable, quote, quote_ascii, quote_rune, unquote, unquote_body};
