//! Lists as sets.

use crate::cel::error::EvalError;
use crate::cel::eval::Scope;
use crate::cel::value::{List, Value};

use super::operators::equal;

pub(super) fn call<'a>(
    scope: &mut Scope<'_, 'a>,
    name: &str,
    arguments: &[Value<'a>],
) -> Result<Option<Value<'a>>, EvalError> {
    let [Value::List(a), Value::List(b)] = arguments else { return Ok(None) };
    let result = match name {
        "sets.contains" => contains(scope, a, b)?,
        "sets.equivalent" => contains(scope, a, b)? && contains(scope, b, a)?,
        "sets.intersects" => {
            let mut any = false;
            for item in b.iter() {
                any = any || has(scope, a, &item)?;
            }
            any
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::Bool(result)))
}

fn contains<'a>(scope: &mut Scope<'_, 'a>, a: &List<'a>, b: &List<'a>) -> Result<bool, EvalError> {
    for item in b.iter() {
        if !has(scope, a, &item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has<'a>(scope: &mut Scope<'_, 'a>, list: &List<'a>, item: &Value<'a>) -> Result<bool, EvalError> {
    for known in list.iter() {
        if equal(scope, &known, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}
