//! Go's `fmt` and `strconv`: how values turn into text.

mod float;
mod format;
mod printf;
mod quote;
mod scalar;

pub(crate) use float::{format_float, hex_float, json_float};
pub(crate) use format::{shown, sprint, sprintln, write_value};
pub(crate) use printf::{TooLong, sprintf};
pub(crate) use quote::{can_backquote, is_printable, quote, quote_ascii, quote_rune, unquote, unquote_body};
