//! How large a value is when it is written out, before it is.
//!
//! A dict can hold another twice, and so on: a few hundred maps that unfold to more than any memory holds.

use super::budget::Budget;
use super::error::Abort;
use super::value::Value;

/// What one element costs of memory while it is copied or encoded, roughly.
const NODE: usize = 256;

/// Deeper than anything is written.
const MAX_DEPTH: usize = 520;

/// Refuses a value that would unfold to more than a render may make at all, and counts its elements as steps.
pub(crate) fn measure(budget: &mut Budget, value: &Value) -> Result<(), Abort> {
    match value {
        Value::List(_) | Value::Map(_) | Value::Native(_) => walk(budget, value, &mut 0, 0),
        _ => Ok(()),
    }
}

fn walk(budget: &mut Budget, value: &Value, size: &mut usize, depth: usize) -> Result<(), Abort> {
    budget.step()?;
    *size = size.saturating_add(match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        _ => NODE,
    });
    budget.admits(*size)?;
    if depth > MAX_DEPTH {
        return Ok(());
    }
    match value {
        Value::List(list) => list.items().iter().try_for_each(|item| walk(budget, item, size, depth + 1)),
        Value::Map(map) => {
            let mut outcome = Ok(());
            map.for_each(|key, item| {
                if outcome.is_ok() {
                    *size = size.saturating_add(key.len());
                    outcome = walk(budget, item, size, depth + 1);
                }
            });
            outcome
        }
        _ => Ok(()),
    }
}
