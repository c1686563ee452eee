//! Whether a schema is a schema.

use serde_json::Value as Json;

use super::URL;
use super::explain::{Draft, Walk};
use super::fault::display;

/// What is wrong with a schema as a schema, as Helm prints it.
pub(super) fn faults(schema: &Json, draft: Draft) -> Option<String> {
    if jsonschema::meta::is_valid(schema) && super::explain::patterns_are_valid(schema) {
        return None;
    }
    let fault = Walk::of_metaschema(draft).check(schema).ok().flatten()?;
    let documents = draft.documents();
    let root = documents.first()?;
    let name = root.get("$id").or_else(|| root.get("id")).and_then(Json::as_str).unwrap_or_default();
    let name = name.trim_end_matches('#');
    let faults = display(fault.top());
    Some(format!("\"{URL}#\" is not valid against metaschema: jsonschema validation failed with '{name}#'\n{faults}"))
}
