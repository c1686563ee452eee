//! One value under one verb.

use super::scalar::{boolean, bytes, float, integer, pad, text};
use crate::helm::template::value::{Elements, List, Map, MapKind, Native, Value};

/// Nested values deeper than this print as `...`: a dict can be made to hold itself.
const MAX_DEPTH: usize = 200;

/// What stands between `%` and the verb.
#[derive(Debug, Default, Clone)]
pub(super) struct Flags {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%#v`
    pub(super) go_syntax: bool,
    /// `%+v`
    pub(super) field_names: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Flags {
    /// True where nothing stands between `%` and the verb.
    pub(super) fn is_plain(&self) -> bool {
        let set = self.plus || self.minus || self.sharp || self.space || self.zero || self.go_syntax;
        !set && self.width.is_none() && self.precision.is_none()
    }
}

/// An argument.
pub(super) fn print_arg(out: &mut Vec<u8>, flags: &Flags, verb: char, value: &Value) {
    if value.is_nothing() && matches!(verb, 'T' | 'v') {
        return pad(out, flags, b"<nil>");
    }
    match (verb, value) {
        ('T', _) => text(out, flags, 's', value.type_name().as_bytes()).unwrap_or(()),
        // Addresses mean nothing here.
        ('p', Value::Map(_) | Value::List(_) | Value::Bytes(_)) => pad(out, flags, b"0x0"),
        ('p', Value::Native(native)) if native.kind() == "ptr" => pad(out, flags, b"0x0"),
        _ => print_at(out, flags, verb, value, 0),
    }
}

/// `%!d(string=x)`
fn bad_verb(out: &mut Vec<u8>, flags: &Flags, verb: char, value: &Value) {
    out.extend_from_slice(format!("%!{verb}(").as_bytes());
    if value.is_nothing() {
        out.extend_from_slice(b"<nil>");
    } else {
        out.extend_from_slice(value.type_name().as_bytes());
        out.push(b'=');
        // Methods are not asked here, or a faulty one could fault again.
        print_plain(out, flags, 'v', value, 0);
    }
    out.push(b')');
}

fn print_at(out: &mut Vec<u8>, flags: &Flags, verb: char, value: &Value, depth: usize) {
    if let Value::Native(native) = value {
        if verb == 'w' {
            return bad_verb(out, flags, verb, value);
        }
        let own = if flags.go_syntax {
            native.source()
        } else {
            native.text().filter(|_| matches!(verb, 'v' | 's' | 'x' | 'X' | 'q'))
        };
        if let Some(own) = own {
            let verb = if flags.go_syntax { 's' } else { verb };
            return text(out, flags, verb, own.as_bytes()).unwrap_or(());
        }
    }
    print_plain(out, flags, verb, value, depth);
}

/// A value without its methods.
fn print_plain(out: &mut Vec<u8>, flags: &Flags, verb: char, value: &Value, depth: usize) {
    if depth > MAX_DEPTH {
        out.extend_from_slice(b"...");
        return;
    }
    let done = match value {
        Value::Invalid | Value::Nil if verb == 'v' => {
            out.extend_from_slice(b"<nil>");
            return;
        }
        Value::Invalid | Value::Nil => None,
        Value::Bool(b) => boolean(out, flags, verb, *b),
        Value::Int(i) | Value::Int64(i) => integer(out, flags, verb, i128::from(*i), true),
        Value::Uint8(u) => integer(out, flags, verb, i128::from(*u), false),
        Value::Uint64(u) => integer(out, flags, verb, i128::from(*u), false),
        Value::Float(f) => float(out, flags, verb, *f),
        Value::Str(s) => text(out, flags, verb, s.as_bytes()),
        Value::Bytes(b) => match bytes(out, flags, verb, b.as_bytes()) {
            Some(()) => Some(()),
            None => {
                let items = b.as_bytes().iter().map(|byte| Value::Uint8(*byte)).collect();
                list(out, flags, verb, &List::new(Elements::Bytes, items), "[]uint8", depth);
                Some(())
            }
        },
        Value::List(items) => {
            list(out, flags, verb, items, value.type_name(), depth);
            Some(())
        }
        Value::Map(entries) => {
            map(out, flags, verb, entries, value.type_name(), depth);
            Some(())
        }
        Value::Native(inner) => return native(out, flags, verb, inner.as_ref(), value, depth),
    };
    if done.is_none() {
        bad_verb(out, flags, verb, value);
    }
}

/// An element of a container; in one of `interface {}`, nil prints alike under every verb.
fn element(out: &mut Vec<u8>, flags: &Flags, verb: char, value: &Value, depth: usize) {
    match value {
        Value::Invalid | Value::Nil if flags.go_syntax => out.extend_from_slice(b"interface {}(nil)"),
        Value::Invalid | Value::Nil => out.extend_from_slice(b"<nil>"),
        _ => print_at(out, flags, verb, value, depth),
    }
}

fn list(out: &mut Vec<u8>, flags: &Flags, verb: char, list: &List, type_name: &str, depth: usize) {
    if flags.go_syntax {
        out.extend_from_slice(type_name.as_bytes());
        if list.is_nil() {
            out.extend_from_slice(b"(nil)");
            return;
        }
    }
    let (open, close, between): (_, _, &[u8]) = if flags.go_syntax { (b'{', b'}', b", ") } else { (b'[', b']', b" ") };
    out.push(open);
    for (i, item) in list.items().iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(between);
        }
        element(out, flags, verb, item, depth + 1);
    }
    out.push(close);
}

fn map(out: &mut Vec<u8>, flags: &Flags, verb: char, map: &Map, type_name: &str, depth: usize) {
    if flags.go_syntax {
        out.extend_from_slice(type_name.as_bytes());
        if map.is_nil() {
            out.extend_from_slice(b"(nil)");
            return;
        }
        out.push(b'{');
    } else {
        out.extend_from_slice(b"map[");
    }
    let mut first = true;
    map.for_each(|key, item| {
        if !std::mem::take(&mut first) {
            out.extend_from_slice(if flags.go_syntax { b", " } else { b" " });
        }
        print_at(out, flags, verb, &Value::Str(key.clone()), depth + 1);
        out.push(b':');
        match map.kind {
            MapKind::Strings => print_at(out, flags, verb, item, depth + 1),
            _ => element(out, flags, verb, item, depth + 1),
        }
    });
    out.push(if flags.go_syntax { b'}' } else { b']' });
}

fn native(out: &mut Vec<u8>, flags: &Flags, verb: char, native: &dyn Native, value: &Value, depth: usize) {
    if let Some(inner) = native.underlying() {
        let done = match &inner {
            Value::Int64(i) => integer(out, flags, verb, i128::from(*i), true),
            Value::List(items) => {
                list(out, flags, verb, items, native.type_name(), depth);
                Some(())
            }
            Value::Map(entries) => {
                map(out, flags, verb, entries, native.type_name(), depth);
                Some(())
            }
            _ => None,
        };
        if done.is_none() {
            bad_verb(out, flags, verb, value);
        }
        return;
    }
    if native.kind() == "ptr" {
        out.push(b'&');
    }
    if flags.go_syntax {
        out.extend_from_slice(native.type_name().trim_start_matches('*').as_bytes());
    }
    out.push(b'{');
    for (i, (name, field)) in native.fields().iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(if flags.go_syntax { b", " } else { b" " });
        }
        if flags.field_names || flags.go_syntax {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
        }
        // Methods of unexported fields are out of reach.
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            element(out, flags, verb, field, depth + 1);
        } else {
            print_plain(out, flags, verb, field, depth + 1);
        }
    }
    out.push(b'}');
}

/// Writes a value as `%v` does.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    print_arg(out, &Flags::default(), 'v', value);
}

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

/// The text of a value under one verb without flags, for error messages.
pub(crate) fn shown(verb: char, value: &Value) -> String {
    let mut out = Vec::new();
    print_arg(&mut out, &Flags::default(), verb, value);
    String::from_utf8_lossy(&out).into_owned()
}
