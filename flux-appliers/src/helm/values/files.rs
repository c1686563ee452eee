//! Values files.

use flux_core::yaml::{self, ReadOptions};
use serde_json::Value as Json;

use super::Table;
use crate::helm::funcs::json_kind;

/// Why a values file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot unmarshal yaml document: {0}")]
pub struct ValuesError(String);

/// Reads a values file: any number of documents, later ones over earlier ones. Every number becomes a float64, as
/// Go's decoder has it.
///
/// # Errors
/// If a document is not YAML or not a map.
pub fn read_values(text: &[u8]) -> Result<Table, ValuesError> {
    let mut values = Table::new();
    for document in documents(text) {
        let read = yaml::read(&document, &ReadOptions::default()).map_err(|error| ValuesError(yaml_fault(&error)))?;
        match read {
            Json::Null => {}
            Json::Object(mut fields) => {
                fields.values_mut().for_each(floats);
                merge_maps(&mut values, fields);
            }
            other => {
                let kind = json_kind(&other);
                return Err(ValuesError(format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of \
                     type map[string]interface {{}}"
                )));
            }
        }
    }
    Ok(values)
}

/// Splits at lines that are `---` and nothing else.
fn documents(text: &[u8]) -> Vec<Vec<u8>> {
    let mut documents = vec![Vec::new()];
    for line in text.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii_end() == b"---" {
            documents.push(Vec::new());
        } else if let Some(document) = documents.last_mut() {
            document.extend_from_slice(line);
        }
    }
    documents
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

/// A fault of a YAML text in the words of Go's reader, which counts the lines of some faults from zero and does not
/// name the first line.
pub(crate) fn yaml_fault(error: &yaml::YamlError) -> String {
    const PREFIX: &str = "error converting YAML to JSON:";
    let message = error.cause.to_string();
    match &error.cause {
        yaml::YamlCause::NotFinite(_) => return format!("{PREFIX} json: {message}"),
        yaml::YamlCause::UnknownAnchor(_) => return format!("{PREFIX} yaml: {message}"),
        _ => {}
    }
    let message = message.split(" while ").next().unwrap_or(&message);
    let from_parser = message.starts_with("did not find expected") && !message.contains("':'");
    let line = match error.line {
        line if from_parser => line.saturating_sub(1),
        1 if matches!(error.cause, yaml::YamlCause::Syntax(_)) => 0,
        line => line,
    };
    match line {
        0 => format!("{PREFIX} yaml: {message}"),
        line => format!("{PREFIX} yaml: line {line}: {message}"),
    }
}
