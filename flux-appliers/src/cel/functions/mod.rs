//! What can be called: operators, conversions, and the libraries of Flux's environment.

mod convert;
mod format;
mod operators;
mod optional;
mod sets;
mod strings;
mod time;

use super::error::EvalError;
use super::eval::{Scope, no_overload};
use super::value::Value;

pub(super) use convert::{fold, is_conversion};
pub(super) use strings::regex;
pub(super) use time::message;
#[cfg(test)]
pub(super) use time::timestamp_text;

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// Functions whose names have a dot in them.
pub(super) fn is_namespaced(name: &str) -> bool {
    matches!(
        name,
        "optional.of"
            | "optional.none"
            | "optional.ofNonZeroValue"
            | "optional.unwrap"
            | "sets.contains"
            | "sets.equivalent"
            | "sets.intersects"
            | "base64.encode"
            | "base64.decode"
            | "strings.quote"
    )
}

/// Calls a function; a method's target is its first argument.
pub(super) fn call<'a>(scope: &mut Scope<'_, 'a>, name: &str, method: bool, arguments: &[Value<'a>]) -> Result<'a> {
    let found = if name.starts_with(['_', '!', '-', '@']) {
        operators::call(scope, name, arguments)?
    } else if is_conversion(name) && !method {
        convert::call(name, arguments)?
    } else if name.starts_with("sets.") {
        sets::call(scope, name, arguments)?
    } else {
        match optional::call(name, method, arguments)? {
            Some(value) => Some(value),
            None => match strings::call(scope, name, method, arguments)? {
                Some(value) => Some(value),
                None => time::call(name, method, arguments)?,
            },
        }
    };
    found.ok_or_else(|| no_overload(name, arguments))
}
