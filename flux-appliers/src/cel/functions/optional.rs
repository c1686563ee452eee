//! Optional values.

use crate::cel::error::EvalError;
use crate::cel::value::Value;

pub(super) fn call<'a>(name: &str, method: bool, arguments: &[Value<'a>]) -> Result<Option<Value<'a>>, EvalError> {
    let value = match (name, method, arguments) {
        ("optional.of", _, [value]) => Value::some(value.clone()),
        ("optional.none", _, []) => Value::Optional(None),
        ("optional.ofNonZeroValue", _, [value]) => {
            if is_zero(value) {
                Value::Optional(None)
            } else {
                Value::some(value.clone())
            }
        }
        ("optional.unwrap", _, [Value::List(list)]) | ("unwrapOpt", true, [Value::List(list)]) => {
            Value::list(list.iter().filter_map(|item| unwrapped(&item)).collect())
        }
        ("hasValue", true, [Value::Optional(value)]) => Value::Bool(value.is_some()),
        ("value", true, [Value::Optional(value)]) => {
            let value = value.as_ref().map(|value| (**value).clone());
            value.ok_or(EvalError::NoSuchElement("optional.none() dereference"))?
        }
        ("or", true, [Value::Optional(value), other @ Value::Optional(_)]) => {
            value.as_ref().map_or_else(|| other.clone(), |value| Value::Optional(Some(value.clone())))
        }
        ("orValue", true, [Value::Optional(value), other]) => {
            value.as_ref().map_or_else(|| other.clone(), |value| (**value).clone())
        }
        ("first", true, [Value::List(list)]) => Value::Optional(list.get(0).map(Into::into)),
        ("last", true, [Value::List(list)]) => {
            Value::Optional(list.len().checked_sub(1).and_then(|last| list.get(last)).map(Into::into))
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn unwrapped<'a>(value: &Value<'a>) -> Option<Value<'a>> {
    match value {
        Value::Optional(value) => value.as_ref().map(|value| (**value).clone()),
        _ => None,
    }
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null
        | Value::Bool(false)
        | Value::Int(0)
        | Value::Uint(0)
        | Value::Duration(0)
        | Value::Optional(None) => true,
        Value::Double(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.len() == 0,
        Value::Map(map) => map.len() == 0,
        _ => false,
    }
}
