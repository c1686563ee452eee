//! How the server's internal types print: a few messages show objects in that form.

use serde_json::Value;

/// A pod template as its internal type is written.
pub(super) fn pod_template(template: &Value) -> String {
    template.to_string()
}
