//! How Go's `encoding/json`, behind Helm's YAML reader, puts decoded data into structs.

use serde_json::Value as Json;

use super::template::gofmt::format_float;
use super::values::Table;

/// A field by name: case does not matter, and the last of several wins.
pub(super) fn field<'a>(fields: &'a Table, name: &str) -> Option<&'a Json> {
    fields.get(name).or_else(|| {
        let mut found: Vec<_> = fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).collect();
        found.sort_by_key(|(key, _)| *key);
        found.last().map(|(_, value)| *value)
    })
}

/// The text of a field that is a string to Go: plain scalars become strings; nothing if it is something else.
pub(super) fn text(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some(String::new()),
        Json::String(text) => Some(text.clone()),
        Json::Bool(b) => Some(b.to_string()),
        Json::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => int.to_string(),
            (_, Some(int), _) => int.to_string(),
            (_, _, float) => format_float(float.unwrap_or_default(), 'g', None),
        }),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// What Go's decoder says of a value that does not fit; `path` begins with a point unless it is empty.
pub(super) fn mismatch(found: &Json, path: &str, go_type: &str) -> String {
    let kind = super::funcs::json_kind(found);
    let path = path.replace('~', "~0").replace('/', "~1");
    let is_item = path.rsplit('.').next().is_some_and(|last| last.parse::<usize>().is_ok());
    let place = match path.as_str() {
        "" => "Go value".to_owned(),
        path if is_item => path.to_owned(),
        path => format!("Go struct field {path}"),
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into {place} of type {go_type}"
    )
}
