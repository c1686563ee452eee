//! How the server's internal types print: a few messages show objects, or how they differ, in that form.
//!
//! `types.txt` has the fields of the internal types in their order, one type a block: `s`tring, `i`nteger, `b`oolean,
//! `q`uantity, `o` for an integer or string, `t`ime, b`y`tes, `x` for what is not internal, `[` list, `{` map, `*`
//! optional, `@` another type; `+` puts the fields of a type (or, for `m`, of metadata) in its place.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map as JsonMap, Value, json};
use similar::TextDiff;

use crate::apiserver::fields::{Fields, sorted};

type Struct = Vec<(&'static str, &'static str)>;

static TYPES: LazyLock<HashMap<&'static str, Struct>> = LazyLock::new(|| {
    let mut types: HashMap<&str, Struct> = HashMap::new();
    let mut current = "";
    for line in include_str!("types.txt").lines() {
        match line.strip_prefix(' ').and_then(|field| field.split_once(' ')) {
            Some(field) => types.entry(current).or_default().push(field),
            None => current = line,
        }
    }
    types
});

/// The fields of metadata that occur in templates, in their order.
const METADATA: [&str; 8] =
    ["name", "generateName", "namespace", "uid", "labels", "annotations", "ownerReferences", "finalizers"];

/// Fields of a pod that are internally part of its security context.
const HOST: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];

/// A value of the internal type `name`, such as `core.PodSpec`.
pub(super) fn show(name: &str, value: &Value) -> String {
    escaped(&structure(name, value).to_string())
}

/// How two values of an internal type differ, in lines.
pub(super) fn difference(name: &str, old: &Value, new: &Value) -> String {
    let lines = |v: &Value| {
        let mut out = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, format);
        // A value that is JSON already can be written.
        let _ = serde::Serialize::serialize(&structure(name, v), &mut serializer);
        out.push(b'\n');
        escaped(&String::from_utf8_lossy(&out))
    };
    let (old, new) = (lines(old), lines(new));
    TextDiff::from_lines(&old, &new).unified_diff().to_string()
}

/// Go's JSON is safe to put into HTML.
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn structure(name: &str, value: &Value) -> Value {
    let mut out = JsonMap::new();
    if name == "core.PodSpec" {
        fields_into(name, &with_host_fields(value), &mut out);
    } else {
        fields_into(name, value, &mut out);
    }
    Value::Object(out)
}

fn fields_into(name: &str, value: &Value, out: &mut Fields) {
    for (field, ty) in TYPES.get(name).into_iter().flatten() {
        match (*field, *ty) {
            ("+", "m") => {
                let meta = value.get("metadata");
                for key in METADATA {
                    if let Some(v) = meta.and_then(|m| m.get(key)) {
                        out.insert(key.to_owned(), sorted(v));
                    }
                }
            }
            ("+", embedded) => fields_into(embedded.trim_start_matches('@'), value, out),
            (field, ty) => {
                let fields = value.as_object().into_iter().flatten();
                let given = fields.into_iter().find(|(k, _)| k.eq_ignore_ascii_case(field)).map(|(_, v)| v);
                out.insert(field.to_owned(), of_type(ty, given));
            }
        }
    }
}

fn of_type(ty: &str, value: Option<&Value>) -> Value {
    let value = value.filter(|v| !v.is_null());
    let or = |zero: Value| value.map_or(zero, sorted);
    let Some(kind) = ty.chars().next() else { return Value::Null };
    let below = ty.get(1..).unwrap_or("");
    match (kind, value) {
        ('s', _) => or(json!("")),
        ('i' | 'o', _) => or(json!(0)),
        ('b', _) => or(json!(false)),
        ('q', _) => or(json!("0")),
        ('x', Some(value)) => super::ordered_selector(value),
        ('@', value) => structure(below, value.unwrap_or(&Value::Null)),
        (_, None) => Value::Null,
        ('*', value) => of_type(below, value),
        ('[', Some(Value::Array(items))) => items.iter().map(|i| of_type(below, Some(i))).collect(),
        ('{', Some(Value::Object(entries))) => {
            let entries: Fields = entries.iter().map(|(k, v)| (k.clone(), of_type(below, Some(v)))).collect();
            sorted(&Value::Object(entries))
        }
        _ => or(Value::Null),
    }
}

fn with_host_fields(spec: &Value) -> Value {
    let mut context = spec.get("securityContext").and_then(Value::as_object).cloned().unwrap_or_default();
    for key in HOST {
        if let Some(v) = spec.get(key) {
            context.insert(key.to_owned(), v.clone());
        }
    }
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("securityContext".to_owned(), Value::Object(context));
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        for (_, ty) in TYPES.values().flatten() {
            if let Some((_, name)) = ty.split_once('@') {
                assert!(TYPES.contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn differences_are_shown_with_what_is_around_them() {
        let spec = |name: &str| json!({"accessModes": ["ReadWriteOnce"], "volumeName": name});
        assert_eq!(
            difference("core.PersistentVolumeClaimSpec", &spec(""), &spec("v")),
            "@@ -7,7 +7,7 @@\n   \"Limits\": null,\n   \"Requests\": null\n  },\n- \"VolumeName\": \"\",\n+ \"VolumeName\": \"v\",\n  \"StorageClassName\": null,\n  \"VolumeMode\": null,\n  \"DataSource\": null,\n"
        );
    }
}
