//! YAML, JSON, TOML and the base encodings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::yaml::{self, Layout, ReadOptions};
use serde_json::Value as Json;

use super::args::{Args, Outcome};
use super::json::{Style, from_json, to_json, to_json_floats, to_json_value};
use super::toml;
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Entries, Function, Str, Type, Value};

const ANY: &[Type] = &[Type::Any];
const STR: &[Type] = &[Type::Str];
const PLAIN: Style = Style { pretty: false, raw: false };
const PRETTY: Style = Style { pretty: true, raw: false };
const RAW: Style = Style { pretty: false, raw: true };

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("toYaml", ANY, |_, args| {
        Ok(Value::text(to_yaml(&Args(args).any(0), Layout::Sigs).unwrap_or_default()))
    }),
    Function::new("mustToYaml", ANY, |_, args| Ok(Value::text(to_yaml(&Args(args).any(0), Layout::Sigs)?))),
    Function::new("toYamlPretty", ANY, |_, args| {
        Ok(Value::text(to_yaml(&Args(args).any(0), Layout::Wide).unwrap_or_default()))
    }),
    Function::new("fromYaml", STR, |rt, args| object_or_error(rt, yaml_value(args))),
    Function::new("fromYamlArray", STR, |rt, args| array_or_error(rt, yaml_value(args))),
    Function::new("toJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), PLAIN).unwrap_or_default()))),
    Function::new("mustToJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), PLAIN)?))),
    Function::new("toPrettyJson", ANY, |_, args| {
        Ok(Value::text(to_json(&Args(args).any(0), PRETTY).unwrap_or_default()))
    }),
    Function::new("mustToPrettyJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), PRETTY)?))),
    Function::new("toRawJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), RAW)?))),
    Function::new("mustToRawJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), RAW)?))),
    Function::new("fromJson", STR, |rt, args| object_or_error(rt, json_value(args, "json: "))),
    Function::new("fromJsonArray", STR, |rt, args| array_or_error(rt, json_value(args, "json: "))),
    Function::new("mustFromJson", STR, |_, args| Ok(Value::from(&from_json(&Args(args).text(0))?))),
    Function::new("toToml", ANY, |_, args| {
        Ok(Value::text(toml::write(&Args(args).any(0)).unwrap_or_else(|error| error)))
    }),
    Function::new("mustToToml", ANY, |_, args| Ok(Value::text(toml::write(&Args(args).any(0))?))),
    Function::new("fromToml", STR, |_, args| {
        Ok(toml::read(&Args(args).text(0)).unwrap_or_else(|error| error_map(&error)))
    }),
    Function::new("b64enc", STR, |_, args| Ok(Value::text(STANDARD.encode(Args(args).bytes(0))))),
    Function::new("b64dec", STR, |_, args| {
        Ok(Value::text(b64_decode(Args(args).bytes(0)).unwrap_or_else(String::into_bytes)))
    }),
    Function::new("b32enc", STR, |_, args| Ok(Value::text(b32_encode(Args(args).bytes(0))))),
    Function::new("b32dec", STR, |_, args| {
        Ok(Value::text(b32_decode(Args(args).bytes(0)).unwrap_or_else(String::into_bytes)))
    }),
];

/// `toYaml`: without the last line break.
pub(crate) fn to_yaml(value: &Value, layout: Layout) -> Result<String, String> {
    // Only the pretty writer sees Go's floats; the other sees the numbers of JSON.
    let json = if layout == Layout::Sigs { to_json_value(value) } else { to_json_floats(value) };
    let mut text = yaml::write(&json?, layout);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

struct Decoded {
    value: Json,
    /// What Go's decoder puts before its complaint about a wrong type.
    prefix: &'static str,
}

fn yaml_value(args: &[Value]) -> Result<Decoded, String> {
    match yaml::read(Args(args).bytes(0), &ReadOptions::default()) {
        Ok(value) => Ok(Decoded { value, prefix: "error unmarshaling JSON: while decoding JSON: json: " }),
        Err(error) => Err(crate::helm::values::yaml_fault(&error)),
    }
}

fn json_value(args: &[Value], prefix: &'static str) -> Result<Decoded, String> {
    from_json(&Args(args).text(0)).map(|value| Decoded { value, prefix })
}

pub(crate) fn json_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn error_map(message: &str) -> Value {
    Value::map(Entries::from([(Str::from("Error"), Value::text(message))]))
}

fn object_or_error(rt: &mut Runtime<'_>, decoded: Result<Decoded, String>) -> Outcome {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(message) => return Ok(error_map(&message)),
    };
    rt.budget.step()?;
    Ok(match decoded.value {
        Json::Object(_) => Value::from(&decoded.value),
        Json::Null => Value::map(Entries::new()),
        other => {
            let (prefix, kind) = (decoded.prefix, json_kind(&other));
            error_map(&format!("{prefix}cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
    })
}

fn array_or_error(rt: &mut Runtime<'_>, decoded: Result<Decoded, String>) -> Outcome {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(message) => return Ok(Value::list(vec![Value::text(message)])),
    };
    rt.budget.step()?;
    Ok(match decoded.value {
        Json::Array(_) => Value::from(&decoded.value),
        Json::Null => Value::list(Vec::new()),
        other => {
            let (prefix, kind) = (decoded.prefix, json_kind(&other));
            let message = format!("{prefix}cannot unmarshal {kind} into Go value of type []interface {{}}");
            Value::list(vec![Value::text(message)])
        }
    })
}

/// Go's `base64.StdEncoding`: line breaks are skipped; a fault names its place.
fn b64_decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let clean: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    STANDARD.decode(&clean).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) => at,
            base64::DecodeError::InvalidLastSymbol { .. } | base64::DecodeError::InvalidPadding => clean.len(),
            base64::DecodeError::InvalidLength(_) => clean.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn b32_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        for (slot, byte) in block.iter_mut().skip(3).zip(chunk) {
            *slot = *byte;
        }
        let bits = u64::from_be_bytes(block);
        let symbols = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let symbol = BASE32.get((bits >> (35 - 5 * i) & 31) as usize).copied().unwrap_or(b'=');
            out.push(char::from(if i < symbols { symbol } else { b'=' }));
        }
    }
    out
}

fn b32_decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let clean: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let illegal = |at: usize| format!("illegal base32 data at input byte {at}");
    if !clean.len().is_multiple_of(8) {
        return Err(illegal(clean.len()));
    }
    let mut out = Vec::new();
    for (block, chunk) in clean.chunks(8).enumerate() {
        let symbols = chunk.iter().position(|b| *b == b'=').unwrap_or(8);
        if chunk.iter().skip(symbols).any(|b| *b != b'=') || matches!(symbols, 0 | 1 | 3 | 6) {
            return Err(illegal(block * 8 + symbols));
        }
        let mut bits = 0u64;
        for (i, byte) in chunk.iter().take(symbols).enumerate() {
            let value = BASE32.iter().position(|b| b == byte).ok_or_else(|| illegal(block * 8 + i))?;
            bits |= (value as u64) << (35 - 5 * i);
        }
        out.extend(bits.to_be_bytes().iter().skip(3).take(symbols * 5 / 8));
    }
    Ok(out)
}
