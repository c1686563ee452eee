//! Operators, and `size`.

use std::cmp::Ordering;

use crate::cel::error::EvalError;
use crate::cel::eval::Scope;
use crate::cel::value::Value;

use super::time;

pub(super) fn call<'a>(
    scope: &mut Scope<'_, 'a>,
    name: &str,
    arguments: &[Value<'a>],
) -> Result<Option<Value<'a>>, EvalError> {
    let value = match (name, arguments) {
        ("_==_", [a, b]) => Value::Bool(equal(scope, a, b)?),
        ("_!=_", [a, b]) => Value::Bool(!equal(scope, a, b)?),
        ("_<_", [a, b]) => return Ok(ordered(a, b, Ordering::is_lt)),
        ("_<=_", [a, b]) => return Ok(ordered(a, b, Ordering::is_le)),
        ("_>_", [a, b]) => return Ok(ordered(a, b, Ordering::is_gt)),
        ("_>=_", [a, b]) => return Ok(ordered(a, b, Ordering::is_ge)),
        ("@in", [item, Value::List(list)]) => {
            for known in list.iter() {
                if equal(scope, &known, item)? {
                    return Ok(Some(Value::Bool(true)));
                }
            }
            Value::Bool(false)
        }
        ("@in", [key, Value::Map(map)]) => {
            scope.spend(map.cost())?;
            Value::Bool(map.get(key).is_some())
        }
        ("!_", [Value::Bool(value)]) => Value::Bool(!value),
        ("-_", [Value::Int(value)]) => Value::Int(value.checked_neg().ok_or(EvalError::Overflow("integer"))?),
        ("-_", [Value::Double(value)]) => Value::Double(-value),
        ("-_", [Value::Duration(value)]) => {
            Value::Duration(value.checked_neg().ok_or(EvalError::Overflow("duration"))?)
        }
        ("_+_", [Value::String(a), Value::String(b)]) => {
            scope.spend((a.len() + b.len()) / 8)?;
            Value::text(format!("{}{}", &**a, &**b))
        }
        ("_+_", [Value::Bytes(a), Value::Bytes(b)]) => {
            scope.spend((a.len() + b.len()) / 8)?;
            Value::Bytes([&**a, &**b].concat().into())
        }
        ("_+_", [Value::List(a), Value::List(b)]) => {
            scope.spend(a.len() + b.len())?;
            Value::list(a.iter().chain(b.iter()).collect())
        }
        (_, [Value::Int(a), Value::Int(b)]) => return integer(name, *a, *b),
        (_, [Value::Uint(a), Value::Uint(b)]) => return unsigned(name, *a, *b),
        ("_+_", [Value::Double(a), Value::Double(b)]) => Value::Double(a + b),
        ("_-_", [Value::Double(a), Value::Double(b)]) => Value::Double(a - b),
        ("_*_", [Value::Double(a), Value::Double(b)]) => Value::Double(a * b),
        ("_/_", [Value::Double(a), Value::Double(b)]) => Value::Double(a / b),
        _ => return time::arithmetic(name, arguments),
    };
    Ok(Some(value))
}

fn integer<'a>(name: &str, a: i64, b: i64) -> Result<Option<Value<'a>>, EvalError> {
    let result = match name {
        "_+_" => a.checked_add(b),
        "_-_" => a.checked_sub(b),
        "_*_" => a.checked_mul(b),
        "_/_" if b == 0 => return Err(EvalError::ByZero("division")),
        "_%_" if b == 0 => return Err(EvalError::ByZero("modulus")),
        "_/_" => a.checked_div(b),
        "_%_" => a.checked_rem(b),
        _ => return Ok(None),
    };
    result.map(|value| Some(Value::Int(value))).ok_or(EvalError::Overflow("integer"))
}

fn unsigned<'a>(name: &str, a: u64, b: u64) -> Result<Option<Value<'a>>, EvalError> {
    let result = match name {
        "_+_" => a.checked_add(b),
        "_-_" => a.checked_sub(b),
        "_*_" => a.checked_mul(b),
        "_/_" if b == 0 => return Err(EvalError::ByZero("division")),
        "_%_" if b == 0 => return Err(EvalError::ByZero("modulus")),
        "_/_" => Some(a / b),
        "_%_" => Some(a % b),
        _ => return Ok(None),
    };
    result.map(|value| Some(Value::Uint(value))).ok_or(EvalError::Overflow("unsigned integer"))
}

/// Equality, which costs what there is to compare.
pub(super) fn equal<'a>(scope: &mut Scope<'_, 'a>, a: &Value<'a>, b: &Value<'a>) -> Result<bool, EvalError> {
    scope.spend(cost(a).min(cost(b)))?;
    Ok(a.equals(b))
}

/// How many steps it takes to look at all of a value.
pub(super) fn cost(value: &Value<'_>) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 64,
        Value::Bytes(bytes) => 1 + bytes.len() / 64,
        Value::List(list) => 1 + list.iter().map(|item| cost(&item)).sum::<usize>(),
        Value::Map(map) => 1 + map.iter().map(|(key, value)| map.cost() * cost(&key) + cost(&value)).sum::<usize>(),
        Value::Optional(Some(value)) => 1 + cost(value),
        _ => 1,
    }
}

/// Numbers have an order whatever their types; NaN has none.
fn ordered<'a>(a: &Value<'_>, b: &Value<'_>, is: fn(Ordering) -> bool) -> Option<Value<'a>> {
    match a.compare(b) {
        Some(order) => Some(Value::Bool(is(order))),
        None if a.is_number() && b.is_number() => Some(Value::Bool(false)),
        None => None,
    }
}

/// `size(value)`.
pub(super) fn size<'a>(value: &Value<'_>) -> Option<Value<'a>> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return None,
    };
    i64::try_from(size).ok().map(Value::Int)
}

/// A value for every element of a list of texts.
pub(super) fn texts<'a>(items: impl Iterator<Item = String>) -> Value<'a> {
    Value::list(items.map(Value::text).collect())
}
