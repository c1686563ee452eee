//! Checking values against a chart's JSON Schema.
//!
//! The verdict is a validator crate's; the words for what is wrong are those of the validator that Helm uses, which
//! [`explain`] finds by walking the schema again. Where that walk does not know a keyword, the crate's words serve.

mod explain;
mod fault;
mod format;
mod meta;
mod refs;

use serde_json::{Value as Json, json};

use explain::{Draft, Walk};
use fault::{Fault, display};

use crate::helm::funcs::json_kind;
use crate::helm::warning::{Level, Warning};

/// The name that the schema has in messages.
const URL: &str = "file:///values.schema.json";

/// Checks `values` against `schema`, and fails with the faults as Helm prints them.
///
/// References are only followed within the schema: nothing is fetched. A `urn:` that nobody knows admits everything,
/// as in Helm.
pub(crate) fn validate(schema: &[u8], values: &Json, warnings: &mut Vec<Warning>) -> Result<(), String> {
    // Whole numbers stay whole, unlike in Go's reader, which only tells what is wrong.
    let schema: Json = serde_json::from_slice(schema)
        .or_else(|_| crate::helm::funcs::parse_json(schema))
        .map_err(|message| if message.starts_with("unexpected end") { "unexpected EOF".to_owned() } else { message })?;
    let draft = Draft::of(&schema);
    if let Some(faults) = meta::faults(&schema, draft) {
        return Err(faults);
    }
    for urn in refs::check(&schema)? {
        let message = "unresolved URN reference ignored; using permissive schema";
        warnings.push(Warning::new(Level::Warn, message).with("urn", urn));
    }
    let mut options = jsonschema::options().with_retriever(Refuse).should_validate_formats(draft.asserts_formats());
    if draft.asserts_formats() {
        // Formats of later drafts, which Helm's validator knows in all of them.
        for format in ["duration", "uuid"] {
            let keyword = json!({"format": format});
            options = options.with_format(format, move |text: &str| explain::fits(&keyword, &Json::from(text)));
        }
    }
    let validator = options.build(&schema).map_err(|error| error.to_string())?;
    if validator.is_valid(values) {
        return Ok(());
    }
    let walk = Walk::new(&schema, draft);
    if let Ok(Some(fault)) = walk.check(values) {
        return Err(display(fault.top()) + "\n");
    }
    let faults: Vec<Fault> = validator.iter_errors(values).flat_map(|error| crate_fault(&error)).collect();
    Err(display(faults) + "\n")
}

/// Fetches nothing.
struct Refuse;

impl jsonschema::Retrieve for Refuse {
    fn retrieve(&self, uri: &jsonschema::Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        if uri.as_str().starts_with("urn:") {
            return Ok(Json::Bool(true));
        }
        Err(refs::not_loaded(uri.as_str()).into())
    }
}

/// A fault as the crate tells it.
fn crate_fault(error: &jsonschema::ValidationError<'_>) -> Vec<Fault> {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    let at: Vec<String> = error.instance_path().as_str().split('/').skip(1).map(str::to_owned).collect();
    let message = match error.kind() {
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => many.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
            };
            format!("got {}, want {wanted}", kind_of(error.instance()))
        }
        Kind::Required { property } => {
            format!("missing property {}", fault::quoted(property.as_str().unwrap_or_default()))
        }
        Kind::UnevaluatedProperties { unexpected } => {
            let inner = |name: &String| at.iter().cloned().chain([name.clone()]).collect();
            return unexpected.iter().map(|name| Fault::new(inner(name), "false schema")).collect();
        }
        _ => error.to_string(),
    };
    vec![Fault::new(at, message)]
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Bool(_) => "boolean",
        other => json_kind(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(schema: &Json, values: &Json) -> String {
        validate(schema.to_string().as_bytes(), values, &mut Vec::new()).unwrap_err()
    }

    #[test]
    fn faults_nest_as_the_schema_does() {
        let schema = json!({
            "allOf": [{"$ref": "#/$defs/x"}, {"properties": {"a": {"type": "boolean"}}}],
            "$defs": {"x": {"required": ["q"]}},
        });
        assert_eq!(
            faults(&schema, &json!({"a": 1})),
            "- at '': 'allOf' failed\n  - at '': missing property 'q'\n  - at '/a': got number, want boolean\n"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        let schema = json!({"properties": {"a": {"minimum": 10000.5}, "f": {"minimum": 1e10}}});
        assert_eq!(
            faults(&schema, &json!({"a": 1234.5678, "f": 1_234_567.0})),
            "- at '/a': minimum: got 1,234.5678, want 10,000.5\n- at '/f': minimum: got 1.234567×10⁰⁶, want 1×10¹⁰\n"
        );
    }

    #[test]
    fn h24_nothing_is_fetched_and_cycles_end() {
        for reference in ["https://example.invalid/x.json", "http://169.254.169.254/x", "file:///etc/passwd"] {
            let found = faults(&json!({"$ref": reference}), &json!({}));
            assert!(found.starts_with(&format!("failing loading \"{reference}\"")), "{found}");
        }
        let cycle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
        let _ = validate(cycle.to_string().as_bytes(), &json!({}), &mut Vec::new());
        let mut warnings = Vec::new();
        assert_eq!(validate(br#"{"$ref":"urn:a:b"}"#, &json!({}), &mut warnings), Ok(()));
        assert_eq!(warnings.len(), 1);
    }
}
