//! `fmt.Sprint`, `fmt.Sprintln` and `%v`.

use super::format_float;
use super::printf::Flags;
use crate::helm::template::value::{Native, Value};

/// Nested values deeper than this print as `...`: a dict can be made to hold itself.
const MAX_DEPTH: usize = 200;

/// Go's `fmt.Sprint`: spaces between operands when neither is a string.
pub(crate) fn sprint(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut previous_is_text = true;
    for (i, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Str(_));
        if i > 0 && !is_text && !previous_is_text {
            out.push(b' ');
        }
        write_value(&mut out, value);
        previous_is_text = is_text;
    }
    out
}

/// Go's `fmt.Sprintln`.
pub(crate) fn sprintln(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        write_value(&mut out, value);
    }
    out.push(b'\n');
    out
}

/// Writes a value as `%v` does.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    write_at(out, value, 0, &|out, value, _| write_scalar(out, value));
}

/// Writes a value, its containers in Go's brackets, its scalars by `scalar`, which is told how deep it is.
pub(super) fn write_at(out: &mut Vec<u8>, value: &Value, depth: usize, scalar: &dyn Fn(&mut Vec<u8>, &Value, usize)) {
    if depth > MAX_DEPTH {
        out.extend_from_slice(b"...");
        return;
    }
    match value {
        Value::List(list) => {
            out.push(b'[');
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                write_at(out, item, depth + 1, scalar);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.extend_from_slice(b"map[");
            let mut first = true;
            map.for_each(|key, item| {
                if !std::mem::take(&mut first) {
                    out.push(b' ');
                }
                scalar(out, &Value::Str(key.clone()), depth + 1);
                out.push(b':');
                write_at(out, item, depth + 1, scalar);
            });
            out.push(b']');
        }
        Value::Native(native) if native.text().is_none() => write_native(out, native.as_ref(), depth, scalar),
        _ => scalar(out, value, depth),
    }
}

fn write_native(out: &mut Vec<u8>, native: &dyn Native, depth: usize, scalar: &dyn Fn(&mut Vec<u8>, &Value, usize)) {
    if let Some(value) = native.underlying() {
        return write_at(out, &value, depth, scalar);
    }
    if native.kind() == "ptr" {
        out.push(b'&');
    }
    out.push(b'{');
    for (i, (_, field)) in native.fields().iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        write_at(out, field, depth + 1, scalar);
    }
    out.push(b'}');
}

fn write_scalar(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Invalid | Value::Nil => out.extend_from_slice(b"<nil>"),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Int(i) | Value::Int64(i) => out.extend_from_slice(i.to_string().as_bytes()),
        Value::Uint8(u) => out.extend_from_slice(u.to_string().as_bytes()),
        Value::Uint64(u) => out.extend_from_slice(u.to_string().as_bytes()),
        Value::Float(f) => out.extend_from_slice(format_float(*f, 'g', None).as_bytes()),
        Value::Str(s) => out.extend_from_slice(s.as_bytes()),
        Value::Bytes(bytes) => Flags::default().byte_list(out, bytes.as_bytes()),
        Value::Native(native) => out.extend_from_slice(native.text().unwrap_or_default().as_bytes()),
        Value::List(_) | Value::Map(_) => {}
    }
}
