//! From what a client sends to what the server keeps: the round trip through the API's own types.
//!
//! Unknown fields are dropped and reported, wrong types are refused, nulls and empty values vanish where the API does
//! not keep them and appear where it always writes them, quantities take their canonical form.

use serde_json::{Value, json};

use super::fields::Fields;
use super::quantity::Quantity;
use super::schema::{Map, Scalar, Schema, Type, TypeId};

/// A value that does not fit its type, in the words of Go's decoder.
pub(crate) type DecodeError = String;

/// Brings `object` into the form the server keeps. Returns the fields it does not know.
///
/// # Errors
/// The first value of a wrong type.
pub(crate) fn normalise(schema: &Schema, ty: TypeId, object: &mut Fields) -> Result<Vec<String>, DecodeError> {
    let mut walker = Walker { schema, structs: Vec::new(), unknown: Vec::new() };
    if let Type::Map(map) = schema.get(ty) {
        walker.fields(map, object, None)?;
    }
    Ok(walker.unknown)
}

struct Walker<'a> {
    schema: &'a Schema,
    structs: Vec<&'a str>,
    unknown: Vec<String>,
}

/// Where the walker is, linked from its end to its start on the stack: it becomes text only in messages.
#[derive(Clone, Copy)]
struct Place<'p> {
    above: Above<'p>,
    step: Step<'p>,
}

/// The place around a place; none at the root.
type Above<'p> = Option<&'p Place<'p>>;

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

fn steps<'p>(at: Above<'p>) -> Vec<Step<'p>> {
    let mut out: Vec<Step<'p>> = std::iter::successors(at, |p| p.above).map(|p| p.step).collect();
    out.reverse();
    out
}

impl<'a> Walker<'a> {
    /// The path with indices, as strict decoding reports it.
    fn strict_path(at: Above<'_>, last: &str) -> String {
        let mut out = String::new();
        for step in steps(at) {
            match step {
                Step::Key(key) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(key);
                }
                Step::Index(i) => out.push_str(&format!("[{i}]")),
            }
        }
        if !out.is_empty() && !last.is_empty() {
            out.push('.');
        }
        out.push_str(last);
        out
    }

    fn wrong<T>(&self, value: &Value, ty: TypeId, at: Above<'_>) -> Result<T, DecodeError> {
        let what = match value {
            Value::Number(n) if matches!(self.schema.get(ty), Type::Scalar(Scalar::Int32 | Scalar::Int64)) => {
                format!("number {n}")
            }
            other => crate::apiserver::patch::json::json_type(other).to_owned(),
        };
        let keys: Vec<&str> = steps(at)
            .into_iter()
            .filter_map(|s| match s {
                Step::Key(k) => Some(k),
                Step::Index(_) => None,
            })
            .collect();
        let within = self.structs.last().copied().unwrap_or("");
        // Keys of maps are not part of Go's path.
        let depth = keys.len().min(self.structs.len());
        let path = keys.get(..depth).unwrap_or(&[]).join(".");
        Err(format!("json: cannot unmarshal {what} into Go struct field {within}.{path} of type {}", self.go(ty)))
    }

    fn go(&self, ty: TypeId) -> String {
        match self.schema.get(ty) {
            Type::Scalar(s) => match s {
                Scalar::String | Scalar::Bytes => "string",
                Scalar::Int32 => "int32",
                Scalar::Int64 => "int64",
                Scalar::Number => "float64",
                Scalar::Boolean => "bool",
                Scalar::Quantity => "resource.Quantity",
                Scalar::IntOrString => "intstr.IntOrString",
                Scalar::Time => "v1.Time",
                Scalar::MicroTime => "v1.MicroTime",
            }
            .to_owned(),
            Type::List(l) => format!("[]{}", self.go(l.element)),
            Type::Map(m) => match m.element {
                Some(element) => format!("map[string]{}", self.go(element)),
                None => {
                    let mut parts = m.name.rsplit('.');
                    let name = parts.next().unwrap_or("");
                    format!("{}.{name}", parts.next().unwrap_or("v1"))
                }
            },
            Type::Any | Type::Deduced => "map[string]interface {}".to_owned(),
        }
    }

    fn fields(&mut self, map: &'a Map, object: &mut Fields, at: Above<'_>) -> Result<(), DecodeError> {
        self.structs.push(map.name.rsplit('.').next().unwrap_or(""));
        let mut gone: Vec<String> = Vec::new();
        for (key, value) in object.iter_mut() {
            let Some(field) = map.field(key) else {
                let path = Self::strict_path(at, key);
                self.unknown.push(format!("unknown field {path:?}"));
                gone.push(key.clone());
                continue;
            };
            if value.is_null() {
                gone.push(key.clone());
                continue;
            }
            // Plain strings need no look below.
            if !(value.is_string() && matches!(self.schema.get(field.ty), Type::Scalar(Scalar::String))) {
                self.value(field.ty, value, &Place { above: at, step: Step::Key(key) })?;
            }
            if !field.pointer && !field.always && is_zero(value) {
                gone.push(key.clone());
            } else if field.always && value.as_array().is_some_and(Vec::is_empty) {
                // Lists are stored without telling none from empty.
                *value = Value::Null;
            }
        }
        for key in gone {
            object.shift_remove(&key);
        }
        for field in map.always() {
            if !object.contains_key(&*field.name) {
                let mut zero = self.zero(field.ty);
                if let (Value::Object(new), Type::Map(below)) = (&mut zero, self.schema.get(field.ty)) {
                    self.fields(below, new, Some(&Place { above: at, step: Step::Key(&field.name) }))?;
                }
                object.insert(field.name.to_string(), zero);
            }
        }
        self.structs.pop();
        Ok(())
    }

    fn zero(&self, ty: TypeId) -> Value {
        match self.schema.get(ty) {
            Type::Scalar(Scalar::String) => json!(""),
            Type::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Number | Scalar::IntOrString) => json!(0),
            Type::Scalar(Scalar::Boolean) => json!(false),
            Type::Scalar(Scalar::Quantity) => json!("0"),
            Type::Map(m) if m.element.is_none() => json!({}),
            _ => Value::Null,
        }
    }

    fn value(&mut self, ty: TypeId, value: &mut Value, at: &Place<'_>) -> Result<(), DecodeError> {
        match self.schema.get(ty) {
            Type::Scalar(scalar) => self.scalar(*scalar, ty, value, at),
            Type::Any => Ok(()),
            Type::Deduced => match value {
                Value::Object(_) => Ok(()),
                other => self.wrong(other, ty, Some(at)),
            },
            Type::List(list) => {
                let Value::Array(items) = value else { return self.wrong(value, ty, Some(at)) };
                for (i, item) in items.iter_mut().enumerate() {
                    if item.is_null() {
                        *item = self.zero(list.element);
                    }
                    if !item.is_null() {
                        self.value(list.element, item, &Place { above: Some(at), step: Step::Index(i) })?;
                    }
                }
                Ok(())
            }
            Type::Map(map) => {
                let Value::Object(fields) = value else { return self.wrong(value, ty, Some(at)) };
                let Some(element) = map.element else { return self.fields(map, fields, Some(at)) };
                for (key, item) in fields.iter_mut() {
                    if item.is_null() {
                        *item = self.zero(element);
                    } else if !(item.is_string() && matches!(self.schema.get(element), Type::Scalar(Scalar::String))) {
                        self.value(element, item, &Place { above: Some(at), step: Step::Key(key) })?;
                    }
                }
                Ok(())
            }
        }
    }

    fn scalar(&self, scalar: Scalar, ty: TypeId, value: &mut Value, at: &Place<'_>) -> Result<(), DecodeError> {
        let fits = match scalar {
            Scalar::String => value.is_string(),
            Scalar::Boolean => value.is_boolean(),
            Scalar::Number => value.is_number(),
            Scalar::Int32 => integer(value).is_some_and(|i| i32::try_from(i).is_ok()),
            Scalar::Int64 => integer(value).is_some(),
            Scalar::IntOrString => value.is_string() || integer(value).is_some_and(|i| i32::try_from(i).is_ok()),
            Scalar::Bytes => {
                let Some(text) = value.as_str() else { return self.wrong(value, ty, Some(at)) };
                return check_base64(text).map_err(|at| format!("illegal base64 data at input byte {at}"));
            }
            Scalar::Time | Scalar::MicroTime => {
                let Some(text) = value.as_str() else { return self.wrong(value, ty, Some(at)) };
                let micro = scalar == Scalar::MicroTime;
                let time = normal_time(text, micro).ok_or_else(|| unreadable_time(text, micro))?;
                *value = Value::String(time);
                return Ok(());
            }
            Scalar::Quantity => {
                let text = match &*value {
                    Value::String(s) => s.trim().to_owned(),
                    Value::Number(n) => n.to_string(),
                    _ => return self.wrong(value, ty, Some(at)),
                };
                return match Quantity::parse(&text) {
                    Some(q) => {
                        let canonical = q.to_string();
                        if value.as_str() != Some(&canonical) {
                            *value = Value::String(canonical);
                        }
                        Ok(())
                    }
                    None => Err(
                        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                            .to_owned(),
                    ),
                };
            }
        };
        if !fits {
            return self.wrong(value, ty, Some(at));
        }
        if let (Scalar::Int32 | Scalar::Int64, Some(i)) = (scalar, integer(value))
            && value.is_f64()
        {
            *value = json!(i);
        }
        Ok(())
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(m) => m.is_empty(),
    }
}

/// Where base64 goes wrong, as Go counts.
fn check_base64(text: &str) -> Result<(), usize> {
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let data = bytes.iter().position(|b| *b == b'=').unwrap_or(bytes.len());
    if let Some(bad) = bytes.iter().take(data).position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))) {
        return Err(bad);
    }
    let padding = bytes.len() - data;
    if bytes.iter().skip(data).any(|b| *b != b'=') || padding > 2 || !bytes.len().is_multiple_of(4) || data % 4 == 1 {
        return Err(if padding == 0 { bytes.len() - bytes.len() % 4 } else { data });
    }
    Ok(())
}

/// Why a time is none. Of micro times, the fraction must have all its digits.
fn unreadable_time(text: &str, micro: bool) -> String {
    let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let readable = text.parse::<jiff::Timestamp>().is_ok();
    match text.find('.').filter(|_| readable).and_then(|at| text.get(at..)) {
        Some(rest) => format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as \".000000\""),
        None => format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""),
    }
}

/// RFC 3339 in UTC, to the second or microsecond.
fn normal_time(text: &str, micro: bool) -> Option<String> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    if micro && text.split_once('.').is_some_and(|(_, fraction)| digits(fraction) < 6) {
        return None;
    }
    if micro {
        let time = jiff::Timestamp::from_microsecond(time.as_microsecond()).ok()?;
        Some(format!("{}", time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")))
    } else {
        Some(format!("{}", time.strftime("%Y-%m-%dT%H:%M:%SZ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(name: &str, object: Value) -> Result<(Value, Vec<String>), String> {
        let schema = Schema::built_in();
        let Value::Object(mut object) = object else { panic!() };
        let unknown = normalise(schema, schema.named(name).unwrap(), &mut object)?;
        Ok((Value::Object(object), unknown))
    }

    #[test]
    fn empty_values_go_and_required_ones_come() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {}},
            "spec": {"replicas": 0, "paused": false, "selector": null, "template": {"spec": {"containers": [
                {"name": "c", "resources": {"limits": {"cpu": "0.5", "memory": 1024}}}]}}}, "oops": 1});
        let (got, unknown) = normal("apps.v1.Deployment", deployment).unwrap();
        assert_eq!(
            got,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"replicas": 0, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": [
                {"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "1024"}}}]}}}, "status": {}})
        );
        assert_eq!(unknown, ["unknown field \"oops\""]);
    }

    #[test]
    fn wrong_types_are_named_as_go_does() {
        let wrong = |v| normal("core.v1.ConfigMap", v).unwrap_err();
        assert_eq!(
            wrong(json!({"data": ["x"]})),
            "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"
        );
        assert_eq!(
            wrong(json!({"data": {"n": 1}})),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        );
        assert!(wrong(json!({"binaryData": {"n": "!"}})).starts_with("illegal base64 data at input byte 0"));
    }
}
