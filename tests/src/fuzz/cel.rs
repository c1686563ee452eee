//! Expressions.

use flux_appliers::cel::Expression;
use serde_json::json;

/// Parses, checks and evaluates an expression; the same twice is the same.
pub(super) fn evaluate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let object = json!({
        "metadata": {"name": "a", "generation": 3, "labels": {"a.b/c": "d"}},
        "spec": {"list": [1, 2.5, "x", null, true, {"y": []}], "text": "héllo", "n": -7},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": 3},
    });
    let lookup = |name: &str| object.get(name);
    if let Ok(expression) = Expression::parse(&text) {
        let first = expression.boolean(lookup);
        assert_eq!(first, expression.boolean(lookup));
        let _ = expression.string(lookup);
    }
    if let Ok(expression) = Expression::compile_condition(&text, &["metadata", "spec", "status"]) {
        // What was checked is a boolean, or fails while it is evaluated.
        if let Err(error) = expression.boolean(lookup) {
            assert!(!error.to_string().starts_with("the result is of type"), "{text}: {error}");
        }
    }
}
