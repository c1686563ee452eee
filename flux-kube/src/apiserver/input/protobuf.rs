//! Objects in protocol buffers, which typed clients send for built-in kinds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::apiserver::fields::Fields;
use crate::apiserver::schema::{Map, Scalar, Schema, Type, TypeId};

/// What a body in protocol buffers begins with.
const MAGIC: &[u8] = b"k8s\0";
const MAX_DEPTH: usize = 64;

/// The kind and version that an envelope states, and the message in it.
pub(super) struct Envelope<'a> {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) raw: &'a [u8],
}

/// Opens the envelope of a body; `None` if it is none.
pub(super) fn open(body: &[u8]) -> Option<Envelope<'_>> {
    let mut out = Envelope { api_version: String::new(), kind: String::new(), raw: &[] };
    for field in (Reader { bytes: body.strip_prefix(MAGIC)? }) {
        match field? {
            (1, Wire::Bytes(meta)) => {
                for field in (Reader { bytes: meta }) {
                    match field? {
                        (1, Wire::Bytes(b)) => out.api_version = text(b)?,
                        (2, Wire::Bytes(b)) => out.kind = text(b)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(raw)) => out.raw = raw,
            _ => {}
        }
    }
    Some(out)
}

/// Reads a message of a type; `None` if it is broken.
pub(super) fn object(schema: &Schema, ty: TypeId, bytes: &[u8]) -> Option<Fields> {
    let mut out = Fields::new();
    match schema.get(ty) {
        Type::Map(map) => message(schema, map, bytes, &[], &mut out, 0)?,
        _ => return None,
    }
    Some(out)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The fields of a message: number and content; a `None` in it is a broken message.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut out = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(out);
            }
        }
        None
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let n = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(n)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((number, wire))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Option<(u32, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.bytes = &[];
        }
        Some(field)
    }
}

/// Reads a struct; `within` are the numbers of the messages its current part is inlined from.
fn message(schema: &Schema, map: &Map, bytes: &[u8], within: &[u32], out: &mut Fields, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    for field in (Reader { bytes }) {
        let (number, wire) = field?;
        let mut path = within.to_vec();
        path.push(number);
        if let Some(known) = map.fields.iter().find(|f| *f.proto == *path) {
            put(schema, known.ty, &known.name, wire, out, depth)?;
        } else if let Wire::Bytes(inner) = wire
            && map.fields.iter().any(|f| f.proto.len() > path.len() && f.proto.starts_with(&path))
        {
            message(schema, map, inner, &path, out, depth + 1)?;
        }
    }
    Some(())
}

/// Adds one occurrence of a field: lists and maps have one for each element.
fn put(schema: &Schema, ty: TypeId, name: &str, wire: Wire<'_>, out: &mut Fields, depth: usize) -> Option<()> {
    match schema.get(ty) {
        Type::List(list) => {
            let item = value(schema, list.element, wire, depth)?;
            out.entry(name.to_owned()).or_insert_with(|| json!([])).as_array_mut()?.push(item);
        }
        Type::Map(map) if map.fields.is_empty() => {
            let (Some(element), Wire::Bytes(entry)) = (map.element, wire) else { return None };
            let (mut key, mut found) = (String::new(), None);
            for field in (Reader { bytes: entry }) {
                match field? {
                    (1, Wire::Bytes(b)) => key = text(b)?,
                    (2, wire) => found = Some(value(schema, element, wire, depth)?),
                    _ => {}
                }
            }
            let found = found.unwrap_or_else(|| empty(schema, element));
            out.entry(name.to_owned()).or_insert_with(|| json!({})).as_object_mut()?.insert(key, found);
        }
        _ => {
            let v = value(schema, ty, wire, depth)?;
            if !v.is_null() {
                out.insert(name.to_owned(), v);
            }
        }
    }
    Some(())
}

fn empty(schema: &Schema, ty: TypeId) -> Value {
    match schema.get(ty) {
        Type::Scalar(Scalar::Quantity) => json!("0"),
        Type::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Number) => json!(0),
        Type::Scalar(_) => json!(""),
        Type::List(_) => json!([]),
        _ => json!({}),
    }
}

fn value(schema: &Schema, ty: TypeId, wire: Wire<'_>, depth: usize) -> Option<Value> {
    Some(match (schema.get(ty), wire) {
        (Type::Scalar(Scalar::String), Wire::Bytes(b)) => json!(text(b)?),
        (Type::Scalar(Scalar::Bytes), Wire::Bytes(b)) => json!(STANDARD.encode(b)),
        (Type::Scalar(Scalar::Int32 | Scalar::Int64), Wire::Varint(n)) => json!(n as i64),
        (Type::Scalar(Scalar::Boolean), Wire::Varint(n)) => json!(n != 0),
        (Type::Scalar(Scalar::Number), Wire::Fixed64(n)) => json!(f64::from_bits(n)),
        (Type::Scalar(Scalar::Number), Wire::Fixed32(n)) => json!(f32::from_bits(n)),
        (Type::Scalar(Scalar::Quantity), Wire::Bytes(b)) => {
            let mut amount = "0".to_owned();
            for field in (Reader { bytes: b }) {
                if let (1, Wire::Bytes(b)) = field? {
                    amount = text(b)?;
                }
            }
            json!(amount)
        }
        (Type::Scalar(Scalar::IntOrString), Wire::Bytes(b)) => {
            let (mut is_text, mut number, mut string) = (false, 0i64, String::new());
            for field in (Reader { bytes: b }) {
                match field? {
                    (1, Wire::Varint(n)) => is_text = n == 1,
                    (2, Wire::Varint(n)) => number = n as i64,
                    (3, Wire::Bytes(b)) => string = text(b)?,
                    _ => {}
                }
            }
            if is_text { json!(string) } else { json!(number) }
        }
        (Type::Scalar(kind @ (Scalar::Time | Scalar::MicroTime)), Wire::Bytes(b)) => {
            let (mut seconds, mut nanos) = (None, 0i64);
            for field in (Reader { bytes: b }) {
                match field? {
                    (1, Wire::Varint(n)) => seconds = Some(n as i64),
                    (2, Wire::Varint(n)) => nanos = n as i64,
                    _ => {}
                }
            }
            let Some(seconds) = seconds else { return Some(Value::Null) };
            let time = jiff::Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()?;
            let form = if *kind == Scalar::Time { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
            json!(time.strftime(form).to_string())
        }
        // Raw JSON in a message of one field.
        (Type::Any | Type::Deduced, Wire::Bytes(b)) => {
            let mut raw = Value::Null;
            for field in (Reader { bytes: b }) {
                if let (1, Wire::Bytes(b)) = field? {
                    raw = serde_json::from_slice(b).ok()?;
                }
            }
            raw
        }
        (Type::Map(map), Wire::Bytes(b)) if !map.fields.is_empty() => {
            let mut out = Fields::new();
            message(schema, map, b, &[], &mut out, depth + 1)?;
            Value::Object(out)
        }
        // A list as the value of a map: a message of its items.
        (Type::List(list), Wire::Bytes(b)) => {
            let mut items = Vec::new();
            for field in (Reader { bytes: b }) {
                if let (1, wire) = field? {
                    items.push(value(schema, list.element, wire, depth + 1)?);
                }
            }
            Value::Array(items)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_an_object() {
        // ConfigMap{metadata{name: "a", labels{"x": "y"}}, data{"k": "v"}}
        let meta = [&[0x0a, 1, b'a'][..], &[0x5a, 6, 0x0a, 1, b'x', 0x12, 1, b'y']].concat();
        let mut raw = vec![0x0a, meta.len() as u8];
        raw.extend(&meta);
        raw.extend([0x12, 6, 0x0a, 1, b'k', 0x12, 1, b'v']);
        let type_meta = [&[0x0a, 2, b'v', b'1'][..], &[0x12, 9], b"ConfigMap"].concat();
        let mut body = MAGIC.to_vec();
        body.extend([0x0a, type_meta.len() as u8]);
        body.extend(&type_meta);
        body.extend([0x12, raw.len() as u8]);
        body.extend(&raw);
        let envelope = open(&body).unwrap();
        assert_eq!((envelope.api_version.as_str(), envelope.kind.as_str()), ("v1", "ConfigMap"));
        let schema = Schema::built_in();
        let got = object(schema, schema.named("core.v1.ConfigMap").unwrap(), envelope.raw).unwrap();
        assert_eq!(Value::Object(got), json!({"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}}));
        assert!(object(schema, schema.named("core.v1.ConfigMap").unwrap(), &[0x0a, 200]).is_none());
    }
}
