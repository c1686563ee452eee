//! YAML, JSON, TOML and the base encodings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::yaml::{self, Layout, ReadOptions};
use serde_json::Value as Json;

use super::args::{Args, Outcome};
use super::json::{self, Style, to_json, to_json_value};
use super::{base, toml, yaml_pretty};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Elements, Entries, Function, List, Map, MapKind, Str, Type, Value};

const ANY: &[Type] = &[Type::Any];
const STR: &[Type] = &[Type::Str];
const PLAIN: Style = Style { pretty: false, raw: false };
const PRETTY: Style = Style { pretty: true, raw: false };
const RAW: Style = Style { pretty: false, raw: true };

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("toYaml", ANY, |_, args| Ok(Value::text(to_yaml(&Args(args).any(0)).unwrap_or_default())))
        .unfolding(),
    Function::new("mustToYaml", ANY, |_, args| Ok(Value::text(to_yaml(&Args(args).any(0))?))).unfolding(),
    Function::new("toYamlPretty", ANY, |_, args| {
        Ok(Value::text(yaml_pretty::write(&Args(args).any(0)).unwrap_or_default()))
    })
    .unfolding(),
    Function::new("fromYaml", STR, |rt, args| object_or_error(rt, yaml_value(args))),
    Function::new("fromYamlArray", STR, |rt, args| array_or_error(rt, yaml_value(args))),
    Function::new("toJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), PLAIN).unwrap_or_default())))
        .unfolding(),
    Function::new("mustToJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), PLAIN)?))).unfolding(),
    Function::new("toPrettyJson", ANY, |_, args| {
        Ok(Value::text(to_json(&Args(args).any(0), PRETTY).unwrap_or_default()))
    })
    .unfolding(),
    Function::new("mustToPrettyJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), PRETTY)?))).unfolding(),
    Function::new("toRawJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), RAW)?))).unfolding(),
    Function::new("mustToRawJson", ANY, |_, args| Ok(Value::text(to_json(&Args(args).any(0), RAW)?))).unfolding(),
    Function::new("fromJson", STR, |rt, args| object_or_error(rt, json_value(args, "json: "))),
    Function::new("fromJsonArray", STR, |rt, args| array_or_error(rt, json_value(args, "json: "))),
    Function::new("mustFromJson", STR, |_, args| Ok(Value::from(&json::read(Args(args).bytes(0))?))),
    Function::new("toToml", ANY, |_, args| Ok(Value::text(to_toml(args)?.unwrap_or_else(|error| error)))).unfolding(),
    Function::new("mustToToml", ANY, |_, args| Ok(Value::text(to_toml(args)??))).unfolding(),
    Function::new("fromToml", STR, |_, args| {
        Ok(toml::read(&Args(args).text(0)).unwrap_or_else(|error| error_map(&error)))
    }),
    Function::new("b64enc", STR, |_, args| Ok(Value::text(STANDARD.encode(Args(args).bytes(0))))),
    Function::new("b64dec", STR, |_, args| {
        Ok(Value::text(base::decode64(Args(args).bytes(0)).unwrap_or_else(String::into_bytes)))
    }),
    Function::new("b32enc", STR, |_, args| Ok(Value::text(base::encode32(Args(args).bytes(0))))),
    Function::new("b32dec", STR, |_, args| {
        Ok(Value::text(base::decode32(Args(args).bytes(0)).unwrap_or_else(String::into_bytes)))
    }),
];

/// `toYaml`: without the last line break.
pub(crate) fn to_yaml(value: &Value) -> Result<String, String> {
    let json = to_json_value(value).map_err(|error| format!("error marshaling into JSON: {error}"))?;
    let mut text = yaml::write(&json, Layout::Sigs);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// TOML; of nil Go cannot even ask the type.
fn to_toml(args: &[Value]) -> Result<Result<String, String>, CallError> {
    let value = Args(args).any(0);
    if value.is_nothing() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    Ok(toml::write(&value))
}

struct Decoded {
    value: Json,
    /// What Go's decoder puts before its complaint about a wrong type.
    prefix: &'static str,
    /// Whether null takes the place of an empty container.
    null_is_nil: bool,
}

fn yaml_value(args: &[Value]) -> Result<Decoded, String> {
    match yaml::read(Args(args).bytes(0), &ReadOptions::default()) {
        Ok(value) => {
            Ok(Decoded { value, prefix: "error unmarshaling JSON: while decoding JSON: json: ", null_is_nil: false })
        }
        Err(error) => Err(crate::helm::values::yaml_fault(&error)),
    }
}

fn json_value(args: &[Value], prefix: &'static str) -> Result<Decoded, String> {
    json::read(Args(args).bytes(0)).map(|value| Decoded { value, prefix, null_is_nil: true })
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
        Json::Null if decoded.null_is_nil => Value::Map(Map::nil(MapKind::Any)),
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
        Json::Null if decoded.null_is_nil => Value::List(List::nil(Elements::Any)),
        Json::Null => Value::list(Vec::new()),
        other => {
            let (prefix, kind) = (decoded.prefix, json_kind(&other));
            let message = format!("{prefix}cannot unmarshal {kind} into Go value of type []interface {{}}");
            Value::list(vec![Value::text(message)])
        }
    })
}
