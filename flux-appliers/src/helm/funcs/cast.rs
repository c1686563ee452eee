//! Lenient conversions, as the Go package `cast` makes them: what cannot be converted is zero.

use crate::helm::template::Value;
use crate::helm::template::gofmt::sprint;
use crate::helm::template::number;

/// `cast.ToInt64`
pub(crate) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(i) | Value::Int64(i) => *i,
        Value::Uint8(u) => i64::from(*u),
        Value::Uint64(u) => *u as i64,
        Value::Float(f) => float_to_int(*f),
        Value::Bool(b) => i64::from(*b),
        // Of named types only months and days of the week count.
        Value::Native(native) if native.kind() == "int" => native.underlying().map_or(0, |value| to_int(&value)),
        Value::Str(text) => number::parse_int(&without_zero_decimals(&text.to_str())).unwrap_or(0),
        _ => 0,
    }
}

/// A float cut to a whole number; one out of range becomes the least, as on the processors Go runs on.
fn float_to_int(float: f64) -> i64 {
    let fits = float >= i64::MIN as f64 && float < i64::MAX as f64;
    if fits { float as i64 } else { i64::MIN }
}

/// Go's `strconv.ParseFloat`.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text).to_ascii_lowercase();
    match unsigned.as_str() {
        "inf" | "infinity" if text.starts_with('-') => Some(f64::NEG_INFINITY),
        "inf" | "infinity" => Some(f64::INFINITY),
        "nan" if unsigned.len() == text.len() => Some(f64::NAN),
        _ => number::parse_float(text),
    }
}

/// `cast.ToFloat64`
pub(crate) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(f) => *f,
        Value::Str(text) => parse_float(&text.to_str()).unwrap_or(0.0),
        other => to_int(other) as f64,
    }
}

/// `12.00` reads as 12, but `12.5` does not.
fn without_zero_decimals(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => text.to_owned(),
    }
}

/// Sprig's `strval`: the text of anything.
pub(crate) fn to_text(value: &Value) -> Vec<u8> {
    match value {
        Value::Str(text) | Value::Bytes(text) => text.as_bytes().to_vec(),
        other => sprint(std::slice::from_ref(other)),
    }
}

/// Sprig's `empty`: whether this is the zero of its type. Structs never are.
pub(crate) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}
