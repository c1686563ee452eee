//! `text.format([…])`.

use crate::cel::error::EvalError;
use crate::cel::eval::Scope;
use crate::cel::value::{List, Value};

use super::time;

fn wrong(problem: &'static str) -> EvalError {
    EvalError::Argument { function: "format", problem }
}

pub(super) fn format<'a>(scope: &mut Scope<'_, 'a>, text: &str, arguments: &List<'a>) -> Result<String, EvalError> {
    let mut out = String::with_capacity(text.len());
    let mut next = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let argument = arguments.get(next).ok_or_else(|| wrong("there are fewer arguments than clauses"))?;
        next += 1;
        let (precision, after) = precision(after)?;
        let mut chars = after.chars();
        let clause = chars.next().ok_or_else(|| wrong("a clause is not complete"))?;
        rest = chars.as_str();
        let piece = match clause {
            's' => string(scope, &argument)?,
            'd' => decimal(&argument)?,
            'f' => fixed(&argument, precision)?,
            'e' => scientific(&argument, precision)?,
            'b' | 'o' | 'x' | 'X' => radix(clause, &argument)?,
            _ => return Err(wrong("unrecognized formatting clause")),
        };
        scope.spend(1 + piece.len() / 8)?;
        out.push_str(&piece);
    }
    out.push_str(rest);
    Ok(out)
}

/// `.3` before a clause; 6 where there is none.
fn precision(text: &str) -> Result<(usize, &str), EvalError> {
    const MOST: usize = 1000;
    let Some(text) = text.strip_prefix('.') else { return Ok((6, text)) };
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let precision = text[..end].parse().ok().filter(|precision| *precision <= MOST);
    precision.map(|precision| (precision, &text[end..])).ok_or_else(|| wrong("a precision is not a number up to 1000"))
}

fn string<'a>(scope: &mut Scope<'_, 'a>, value: &Value<'a>) -> Result<String, EvalError> {
    scope.spend(1)?;
    Ok(match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => plain(*number),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Duration(nanos) => time::duration_text(*nanos),
        Value::Timestamp(at) => time::timestamp_text(*at),
        Value::Type(name) => (*name).to_owned(),
        Value::List(list) => {
            let items = list.iter().map(|item| string(scope, &item)).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entry = |(key, value)| Ok(format!("{}: {}", string(scope, &key)?, string(scope, &value)?));
            let mut entries = map.iter().map(entry).collect::<Result<Vec<_>, EvalError>>()?;
            entries.sort_unstable();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Optional(_) => return Err(wrong("an optional value has no text")),
    })
}

fn plain(number: f64) -> String {
    match number {
        n if n.is_nan() => "NaN".into(),
        n if n.is_infinite() => if n > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        n => n.to_string(),
    }
}

fn decimal(value: &Value<'_>) -> Result<String, EvalError> {
    match value {
        Value::Int(number) => Ok(number.to_string()),
        Value::Uint(number) => Ok(number.to_string()),
        Value::Double(number) => Ok(plain(*number)),
        _ => Err(wrong("decimal clause can only be used on ints, uints, and doubles")),
    }
}

fn number(value: &Value<'_>) -> Result<f64, EvalError> {
    match value {
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Double(number) => Ok(*number),
        _ => Err(wrong("this clause can only be used on numbers")),
    }
}

fn fixed(value: &Value<'_>, precision: usize) -> Result<String, EvalError> {
    let number = number(value)?;
    Ok(if number.is_finite() { format!("{number:.precision$}") } else { plain(number) })
}

fn scientific(value: &Value<'_>, precision: usize) -> Result<String, EvalError> {
    let number = number(value)?;
    if !number.is_finite() {
        return Ok(plain(number));
    }
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    Ok(format!("{digits}e{sign}{exponent:0>2}"))
}

fn radix(clause: char, value: &Value<'_>) -> Result<String, EvalError> {
    let sign = |negative: bool| if negative { "-" } else { "" };
    let (negative, number) = match value {
        Value::Int(number) => (*number < 0, number.unsigned_abs()),
        Value::Uint(number) => (false, *number),
        Value::Bool(value) if clause == 'b' => (false, u64::from(*value)),
        Value::String(text) if matches!(clause, 'x' | 'X') => return Ok(hex(text.as_bytes(), clause == 'X')),
        Value::Bytes(bytes) if matches!(clause, 'x' | 'X') => return Ok(hex(bytes, clause == 'X')),
        _ => return Err(wrong("this clause cannot be used on a value of this type")),
    };
    let digits = match clause {
        'b' => format!("{number:b}"),
        'o' => format!("{number:o}"),
        'X' => format!("{number:X}"),
        _ => format!("{number:x}"),
    };
    Ok(format!("{}{digits}", sign(negative)))
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if upper { digits.to_uppercase() } else { digits }
}
