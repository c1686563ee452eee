//! Checking values against a chart's JSON Schema.

use serde_json::Value as Json;

/// The faults of `values` under `schema`, as Helm prints them; empty if there are none.
///
/// References are only followed within the schema: nothing is fetched.
pub(crate) fn validate(schema: &[u8], values: &Json) -> Result<(), String> {
    let schema: Json = serde_json::from_slice(schema).map_err(|error| error.to_string())?;
    let validator = jsonschema::options()
        .with_retriever(Refuse)
        .should_validate_formats(false)
        .build(&schema)
        .map_err(|error| error.to_string())?;
    let mut faults: Vec<String> = validator
        .iter_errors(values)
        .map(|error| format!("- at '{}': {}", error.instance_path(), describe(&error)))
        .collect();
    faults.sort();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n") + "\n") }
}

/// Fetches nothing.
struct Refuse;

impl jsonschema::Retrieve for Refuse {
    fn retrieve(&self, uri: &jsonschema::Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("failing loading \"{uri}\": references outside the schema are not followed").into())
    }
}

/// A fault in the words of Helm's validator.
fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    let kind_of = |json: &Json| match json {
        Json::Bool(_) => "boolean",
        other => crate::helm::funcs::json_kind(other),
    };
    match error.kind() {
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => many.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
            };
            format!("got {}, want {wanted}", kind_of(error.instance()))
        }
        Kind::Required { property } => format!("missing property '{}'", property.as_str().unwrap_or_default()),
        Kind::AdditionalProperties { unexpected } => {
            let names: Vec<_> = unexpected.iter().map(|name| format!("'{name}'")).collect();
            format!("additional properties {} not allowed", names.join(", "))
        }
        _ => error.to_string(),
    }
}
