//! The bodies of requests: JSON and YAML, with the fields that occur twice.

mod protobuf;

use std::fmt;
use std::sync::Arc;

use flux_core::yaml;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map as JsonMap, Value};

use super::fields::Fields;
use super::registry::Resource;
use super::status::{FieldError, Status, go_quote};
use super::verbs::Patch;

/// A JSON value, with the paths of fields that occur twice; the last one counts.
fn json(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let mut duplicates = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Node { path: String::new(), duplicates: &mut duplicates }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, duplicates))
}

struct Node<'a> {
    path: String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, items.len());
            match seq.next_element_seed(Node { path, duplicates: self.duplicates })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = JsonMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if out.contains_key(&key) {
                self.duplicates.push(format!("duplicate field {}", go_quote(&path)));
            }
            let value = map.next_value_seed(Node { path, duplicates: self.duplicates })?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

/// What Go's JSON parser says about broken JSON, for the common cases.
fn go_error(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() || bytes.is_empty() {
        return "unexpected end of JSON input".to_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or("");
    let at = line.chars().nth(error.column().saturating_sub(1)).unwrap_or(' ');
    let message = error.to_string();
    let looking = if message.contains("key must be a string") {
        "looking for beginning of object key string"
    } else if message.contains("expected `:`") {
        "after object key"
    } else if message.contains("expected `,` or `}`") {
        "after object key:value pair"
    } else if message.contains("expected `,` or `]`") {
        "after array element"
    } else if message.contains("trailing characters") {
        "after top-level value"
    } else {
        "looking for beginning of value"
    };
    format!("invalid character '{at}' {looking}")
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
    Protobuf,
}

/// Reads a message whose envelope says what it is.
fn from_protobuf(body: &[u8]) -> Result<Fields, Status> {
    let broken = || Status::bad_request("the body is no message of a known kind");
    let envelope = protobuf::open(body).ok_or_else(broken)?;
    let (group, version) = envelope.api_version.split_once('/').unwrap_or(("", &envelope.api_version));
    let group = super::registry::builtin::type_group(group);
    let schema = super::schema::Schema::built_in();
    let name = format!("{group}.{version}.{}", envelope.kind);
    let ty = schema
        .named(&name)
        .or_else(|| (envelope.kind == "DeleteOptions").then(|| schema.named("meta.v1.DeleteOptions")).flatten())
        .ok_or_else(broken)?;
    let mut object = protobuf::object(schema, ty, envelope.raw).ok_or_else(broken)?;
    object.insert("apiVersion".into(), envelope.api_version.into());
    object.insert("kind".into(), envelope.kind.into());
    Ok(object)
}

/// The options of a delete, in whatever encoding.
pub(crate) fn delete_options(body: &[u8], encoding: Encoding) -> Result<Value, Status> {
    let options = read_options(body, encoding)?;
    let text = |key: &str| options.get(key).and_then(Value::as_str).unwrap_or("");
    let kind = text("kind");
    if !matches!(kind, "" | "DeleteOptions") {
        let version = text("apiVersion");
        return Err(Status::bad_request(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\""
        )));
    }
    Ok(options)
}

fn read_options(body: &[u8], encoding: Encoding) -> Result<Value, Status> {
    match encoding {
        Encoding::Protobuf => from_protobuf(body).map(Value::Object),
        Encoding::Yaml => {
            yaml::read(body, &yaml::ReadOptions::default()).map_err(|e| Status::bad_request(e.to_string()))
        }
        Encoding::Json => serde_json::from_slice(body).map_err(|e| {
            Status::bad_request(format!("couldn't get version/kind; json parse error: {}", go_error(body, &e)))
        }),
    }
}

/// Reads an object of a resource from a body. Kind and version may be left out: the path has them.
pub(crate) fn object(resource: &Resource, body: &[u8], encoding: Encoding) -> Result<(Fields, Vec<String>), Status> {
    let (value, duplicates) = if encoding == Encoding::Protobuf {
        (Value::Object(from_protobuf(body)?), Vec::new())
    } else if encoding == Encoding::Yaml {
        let value = yaml::read(body, &yaml::ReadOptions::default()).map_err(|e| {
            Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; yaml parse error: {e}",
                resource.kind
            ))
        })?;
        (value, Vec::new())
    } else {
        json(body).map_err(|e| unrecognized(resource, body, &e))?
    };
    let mut object = match value {
        Value::Object(map) => map,
        Value::Null => Fields::new(),
        other => {
            let what = super::patch::json::json_type(&other);
            let hex: String = body.iter().take(100).map(|b| format!("{b:02x}")).collect();
            return Err(Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }} ({hex})",
                resource.kind
            )));
        }
    };
    check_kind(resource, &mut object)?;
    Ok((object, duplicates))
}

/// Reads an object of whatever kind.
pub(crate) fn any_object(body: &[u8], encoding: Encoding) -> Result<(Fields, Vec<String>), Status> {
    let value = if encoding == Encoding::Protobuf {
        Value::Object(from_protobuf(body)?)
    } else if encoding == Encoding::Yaml {
        yaml::read(body, &yaml::ReadOptions::default()).map_err(|e| Status::bad_request(e.to_string()))?
    } else {
        json(body).map_err(|e| Status::bad_request(go_error(body, &e)))?.0
    };
    match value {
        Value::Object(map) => Ok((map, Vec::new())),
        _ => Err(Status::bad_request("the body is no object")),
    }
}

fn unrecognized(resource: &Resource, body: &[u8], error: &serde_json::Error) -> Status {
    let shown: String = String::from_utf8_lossy(body).chars().take(100).collect();
    let shown = if shown.is_empty() { "<empty>".to_owned() } else { shown };
    let why = go_error(body, error);
    let what = format!("couldn't get version/kind; json parse error: {why}");
    if resource.custom.is_some() {
        return Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {what} ({})",
            resource.kind, shown
        ));
    }
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {what} ({shown})",
        resource.kind
    ))
}

/// The kind and version of a body must be those of the path, or left out.
fn check_kind(resource: &Resource, object: &mut Fields) -> Result<(), Status> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let given = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let (kind, version) = match (kind.is_empty(), version.is_empty()) {
        (true, true) => given(&resource.kind, &resource.api_version),
        (true, false) => given(&resource.kind, &version),
        (false, true) => given(&kind, &resource.api_version),
        (false, false) => (kind, version),
    };
    if kind == resource.kind && version == resource.api_version {
        return Ok(());
    }
    let (_, short) = version.split_once('/').unwrap_or(("", &version));
    let as_own = |why: String| {
        Status::bad_request(format!("{kind} in version {short:?} cannot be handled as a {}: {why}", resource.kind))
    };
    if resource.custom.is_some() {
        if version != resource.api_version {
            return Err(Status::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({})",
                resource.api_version
            )));
        }
        let name = super::verbs::meta_str(object, "name");
        let error = FieldError::invalid("kind", &kind.as_str().into(), &format!("must be {}", resource.kind));
        return Err(Status::invalid(&resource.group, &kind, name, &[error]));
    }
    let built_in = super::registry::builtin::internal_name(&version, &kind);
    Err(match built_in {
        Some((package, internal)) => {
            as_own(format!("converting ({package}.{kind}) to ({internal}.{}): unknown conversion", resource.kind))
        }
        None => as_own(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        )),
    })
}

/// Reads a patch by its media type.
pub(crate) fn patch(media: &str, body: &[u8], force: bool) -> Result<(Patch, Vec<String>), Status> {
    if media == "application/apply-patch+yaml" {
        // Most clients send JSON, which is YAML too, and quicker to read.
        let value = match json(body) {
            Ok((value, _)) => value,
            Err(_) => yaml::read(body, &yaml::ReadOptions::default()).map_err(|e| {
                let e = e.in_go(yaml::Dialect::Lax);
                Status::bad_request(format!("error decoding YAML: error converting YAML to JSON: {e}"))
            })?,
        };
        return match value {
            Value::Object(map) => Ok((Patch::Apply { config: Arc::new(map), force }, Vec::new())),
            Value::Null => Ok((Patch::Apply { config: Arc::new(Fields::new()), force }, Vec::new())),
            other => Err(Status::bad_request(format!(
                "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                super::patch::json::json_type(&other)
            ))),
        };
    }
    let decoding = |why: String| Status::bad_request(format!("error decoding patch: {why}"));
    let (value, duplicates) = json(body).map_err(|e| decoding(go_error(body, &e)))?;
    let wrong = |v: &Value, into: &str| {
        let what = super::patch::json::json_type(v);
        decoding(format!("json: cannot unmarshal {what} into Go value of type {into}"))
    };
    match media {
        "application/json-patch+json" => {
            if !(value.is_array() || value.is_null()) {
                return Err(wrong(&value, "[]handlers.jsonPatchOp"));
            }
            Ok((Patch::Json(value), duplicates))
        }
        "application/merge-patch+json" => {
            if !(value.is_object() || value.is_null()) {
                return Err(wrong(&value, "map[string]interface {}"));
            }
            Ok((Patch::Merge(value), duplicates))
        }
        _ => {
            if !(value.is_object() || value.is_null()) {
                return Err(wrong(&value, "map[string]interface {}"));
            }
            Ok((Patch::Strategic(value), duplicates))
        }
    }
}

/// A value as the API writes YAML.
pub(crate) fn to_yaml(value: &Value) -> String {
    yaml::write(value, yaml::Layout::Sigs)
}
