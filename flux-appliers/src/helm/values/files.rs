//! Values files.

use flux_core::yaml::{self, Dialect, ReadOptions};
use serde_json::Value as Json;

use super::Table;
use crate::helm::json::mismatch;

/// Why a values file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValuesError(String);

/// Reads a values file: any number of documents, later ones over earlier ones. Every number becomes a float64, as
/// Go's decoder has it.
///
/// # Errors
/// If a document is not YAML or not a map.
pub fn read_values(text: &[u8]) -> Result<Table, ValuesError> {
    let mut values = Table::new();
    for document in documents(text)? {
        let read = yaml::read(&document, &ReadOptions::default()).map_err(|error| unmarshal(yaml_fault(&error)))?;
        match read {
            Json::Null => {}
            Json::Object(mut fields) => {
                fields.values_mut().for_each(floats);
                merge_maps(&mut values, fields);
            }
            other => {
                return Err(unmarshal(mismatch(&other, "", "map[string]interface {}")));
            }
        }
    }
    Ok(values)
}

fn unmarshal(reason: String) -> ValuesError {
    ValuesError(format!("cannot unmarshal yaml document: {reason}"))
}

/// Splits at lines that are `---`; only a comment may follow on such a line.
fn documents(text: &[u8]) -> Result<Vec<Vec<u8>>, ValuesError> {
    let mut documents = vec![Vec::new()];
    for line in text.split_inclusive(|b| *b == b'\n') {
        match line.strip_prefix(b"---").map(<[u8]>::trim_ascii) {
            None => documents.last_mut().into_iter().for_each(|document| document.extend_from_slice(line)),
            Some(rest) if rest.is_empty() || rest.starts_with(b"#") => documents.push(Vec::new()),
            Some(rest) => {
                let rest = String::from_utf8_lossy(rest);
                return Err(ValuesError(format!(
                    "error reading yaml document: invalid Yaml document separator: {rest}"
                )));
            }
        }
    }
    Ok(documents)
}

/// Turns every number into a float64.
pub(crate) fn floats(json: &mut Json) {
    match json {
        Json::Number(number) => {
            if let Some(float) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = float;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(floats),
        Json::Object(fields) => fields.values_mut().for_each(floats),
        _ => {}
    }
}

/// Merges `over` into `base`; tables merge, and anything else is replaced.
pub fn merge_maps(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Json::Object(old)), Json::Object(new)) => merge_maps(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// A fault of a YAML text in the words of Go's reader.
pub(crate) fn yaml_fault(error: &yaml::YamlError) -> String {
    format!("error converting YAML to JSON: {}", error.in_go(Dialect::Lax))
}
