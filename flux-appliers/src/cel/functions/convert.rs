//! Conversions between types.

use crate::cel::error::EvalError;
use crate::cel::value::Value;

use super::{Result, time};

pub(in crate::cel) fn is_conversion(name: &str) -> bool {
    matches!(name, "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp" | "type" | "uint")
}

/// The value of a conversion of a literal, which can be had, or refused, before anything is evaluated.
pub(in crate::cel) fn fold(name: &str, argument: &Value<'static>) -> Result<'static> {
    call(name, std::slice::from_ref(argument))?
        .ok_or_else(|| crate::cel::eval::no_overload(name, std::slice::from_ref(argument)))
}

pub(super) fn call<'a>(name: &str, arguments: &[Value<'a>]) -> std::result::Result<Option<Value<'a>>, EvalError> {
    let [value] = arguments else { return Ok(None) };
    let failed = |to: &'static str| EvalError::Conversion { from: value.type_name(), to };
    let converted = match (name, value) {
        ("dyn", value) => value.clone(),
        ("type", value) => Value::Type(value.type_name()),
        ("bool", Value::Bool(_))
        | ("bytes", Value::Bytes(_))
        | ("double", Value::Double(_))
        | ("duration", Value::Duration(_))
        | ("int", Value::Int(_))
        | ("string", Value::String(_))
        | ("timestamp", Value::Timestamp(_))
        | ("uint", Value::Uint(_)) => value.clone(),
        ("bool", Value::String(text)) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => return Err(failed("bool")),
        },
        ("bytes", Value::String(text)) => Value::Bytes(text.as_bytes().into()),
        ("double", Value::Int(number)) => Value::Double(*number as f64),
        ("double", Value::Uint(number)) => Value::Double(*number as f64),
        ("double", Value::String(text)) => Value::Double(double(text).ok_or_else(|| failed("double"))?),
        ("int", Value::Uint(number)) => Value::Int(i64::try_from(*number).map_err(|_| EvalError::Overflow("integer"))?),
        ("int", Value::Double(number)) => {
            let fits = number.is_finite() && *number > i64::MIN as f64 && *number < i64::MAX as f64;
            Value::Int(Some(*number as i64).filter(|_| fits).ok_or(EvalError::Overflow("integer"))?)
        }
        ("int", Value::String(text)) => Value::Int(text.parse().map_err(|_| failed("int"))?),
        ("int", Value::Timestamp(time)) => Value::Int(time::unix_seconds(*time)),
        ("int", Value::Duration(nanos)) => Value::Int(*nanos),
        ("uint", Value::Int(number)) => {
            Value::Uint(u64::try_from(*number).map_err(|_| EvalError::Overflow("unsigned integer"))?)
        }
        ("uint", Value::Double(number)) => {
            let fits = *number >= 0.0 && *number < u64::MAX as f64;
            Value::Uint(Some(*number as u64).filter(|_| fits).ok_or(EvalError::Overflow("unsigned integer"))?)
        }
        ("uint", Value::String(text)) => Value::Uint(text.parse().map_err(|_| failed("uint"))?),
        ("string", Value::Bool(value)) => Value::text(value.to_string()),
        ("string", Value::Int(number)) => Value::text(number.to_string()),
        ("string", Value::Uint(number)) => Value::text(number.to_string()),
        ("string", Value::Double(number)) => Value::text(double_text(*number)),
        ("string", Value::Bytes(bytes)) => {
            Value::text(std::str::from_utf8(bytes).map_err(|_| failed("string"))?.to_owned())
        }
        ("string", Value::Duration(nanos)) => Value::text(time::duration_text(*nanos)),
        ("string", Value::Timestamp(at)) => Value::text(time::timestamp_text(*at)),
        ("duration", Value::String(text)) => {
            Value::Duration(time::parse_duration(text).ok_or_else(|| failed("google.protobuf.Duration"))?)
        }
        ("timestamp", Value::String(text)) => time::parse_timestamp(text)?,
        ("timestamp", Value::Int(seconds)) => time::timestamp(*seconds, 0)?,
        _ => return Ok(None),
    };
    Ok(Some(converted))
}

fn double(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok()?;
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    Some(number).filter(|number| !(number.is_infinite() && digits))
}

/// As Go's `%g` with as many digits as it takes.
pub(super) fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
