//! JSON to the configuration types, with Go's decoder's rules.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::shape::{self, Shape};
use super::{ChartPlugin, GeneratorArgs, Kustomization, PluginConfig, Replacement, ValueTarget, invalid};
use crate::kustomize::config::WrittenConfig;
use crate::kustomize::error::Cause;

/// A type that is read from configuration.
pub(in crate::kustomize) trait Configuration: DeserializeOwned {
    /// The type's shape.
    const SHAPE: Shape;
    /// Whether fields that are not known are an error.
    const STRICT: bool = false;
}

impl Configuration for Kustomization {
    const SHAPE: Shape = shape::KUSTOMIZATION;
    const STRICT: bool = true;
}

impl Configuration for WrittenConfig {
    const SHAPE: Shape = shape::CONFIG;
    const STRICT: bool = true;
}

impl Configuration for PluginConfig {
    const SHAPE: Shape = shape::PLUGIN;
}

impl Configuration for ChartPlugin {
    const SHAPE: Shape = shape::CHART_PLUGIN;
}

impl Configuration for GeneratorArgs {
    const SHAPE: Shape = shape::GENERATOR;
}

impl Configuration for Replacement {
    const SHAPE: Shape = shape::REPLACEMENT;
}

impl Configuration for Vec<Replacement> {
    const SHAPE: Shape = Shape::List(&shape::REPLACEMENT);
}

/// The targets of a value transformer in a file of their own.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct ValueTargets {
    pub(in crate::kustomize) targets: Vec<ValueTarget>,
}

impl Configuration for ValueTargets {
    const SHAPE: Shape = shape::VALUE_TARGETS;
}

/// Reads a kustomization, or a chart: texts must be written as texts.
pub(in crate::kustomize) fn decode<T: Configuration>(value: Value) -> Result<T, Cause> {
    read(value, false)
}

/// Reads a plugin's configuration or a file: numbers and booleans may stand where texts belong.
pub(in crate::kustomize) fn decode_plugin<T: Configuration>(value: Value) -> Result<T, Cause> {
    read(value, true)
}

fn read<T: Configuration>(value: Value, lenient: bool) -> Result<T, Cause> {
    let reader = Reader { strict: T::STRICT, lenient };
    let value = match value {
        Value::Null if matches!(T::SHAPE, Shape::Struct(_)) => Value::Object(Map::new()),
        value => reader.conform(value, &T::SHAPE, &mut String::new())?,
    };
    serde_json::from_value(value).map_err(|error| invalid("", &error.to_string()))
}

struct Reader {
    strict: bool,
    lenient: bool,
}

impl Reader {
    /// Brings a value into shape: canonical keys, no nulls.
    fn conform(&self, value: Value, shape: &Shape, path: &mut String) -> Result<Value, Cause> {
        match (shape, value) {
            (shape, Value::Null) => Ok(zero(shape)),
            (Shape::Map, value @ Value::Object(_)) => Ok(value),
            (Shape::Text, Value::String(text)) => Ok(Value::String(text)),
            (Shape::Text, value @ (Value::Number(_) | Value::Bool(_))) if self.lenient => {
                Ok(Value::String(value.to_string()))
            }
            (Shape::Bool, value @ Value::Bool(_)) => Ok(value),
            (Shape::Int, value) if value.is_i64() => Ok(value),
            (Shape::TextMap, Value::Object(map)) => {
                let mut texts = Map::with_capacity(map.len());
                for (key, value) in map {
                    let text = self.nested(value, &Shape::Text, path, &format!(".{key}"))?;
                    texts.insert(key, text);
                }
                Ok(Value::Object(texts))
            }
            (Shape::List(shape), Value::Array(items)) => {
                let each = |(i, item)| self.nested(item, shape, path, &format!("[{i}]"));
                items.into_iter().enumerate().map(each).collect()
            }
            (Shape::Struct(fields), Value::Object(map)) => self.fields(map, fields, path),
            (shape, value) => Err(invalid(
                path.trim_start_matches('.'),
                &format!("expected {}, found {}", shape_name(shape), value_name(&value)),
            )),
        }
    }

    fn nested(&self, value: Value, shape: &Shape, path: &mut String, part: &str) -> Result<Value, Cause> {
        let length = path.len();
        path.push_str(part);
        let result = self.conform(value, shape, path);
        path.truncate(length);
        result
    }

    fn fields(
        &self,
        map: Map<String, Value>,
        fields: &[(&'static str, Shape)],
        path: &mut String,
    ) -> Result<Value, Cause> {
        let mut object = Map::with_capacity(map.len());
        for (key, value) in map {
            let exact = fields.iter().find(|(name, _)| *name == key);
            let Some((name, shape)) = exact.or_else(|| fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key)))
            else {
                if self.strict {
                    let field = format!("{path}.{key}");
                    return Err(invalid(field.trim_start_matches('.'), &format!("unknown field \"{key}\"")));
                }
                continue;
            };
            if !value.is_null() {
                object.insert((*name).to_owned(), self.nested(value, shape, path, &format!(".{name}"))?);
            }
        }
        Ok(Value::Object(object))
    }
}

fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Text => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int => 0.into(),
        Shape::TextMap | Shape::Map | Shape::Struct(_) => Value::Object(Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
    }
}

fn shape_name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "a string",
        Shape::Bool => "a boolean",
        Shape::Int => "an integer",
        Shape::TextMap => "a map of strings",
        Shape::List(_) => "a list",
        Shape::Map | Shape::Struct(_) => "an object",
    }
}

fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
