//! What the server answers when it refuses: `Status` objects with the reasons and words of the real one.

use std::borrow::Cow;

use indexmap::IndexSet;
use serde_json::{Map, Value, json};

/// A refusal, as the API writes it: a `Status` of kind `Failure`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound`; empty where the API gives none.
    pub reason: Cow<'static, str>,
    /// What went wrong.
    pub message: String,
    /// `details`: the kind, name and causes; `None` where the API leaves it out.
    pub details: Option<Map<String, Value>>,
}

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Status { code, reason: Cow::Borrowed(reason), message: message.into(), details: None }
    }

    fn with(mut self, details: Value) -> Self {
        self.details = match details {
            Value::Object(map) => Some(map),
            _ => None,
        };
        self
    }

    fn about(self, group: &str, resource: &str, name: &str) -> Self {
        let mut details = Map::new();
        if !name.is_empty() {
            details.insert("name".into(), name.into());
        }
        if !group.is_empty() {
            details.insert("group".into(), group.into());
        }
        details.insert("kind".into(), resource.into());
        self.with(Value::Object(details))
    }

    /// No answer at all: the connection broke.
    pub(crate) fn unreachable() -> Self {
        Self::new(0, "", "the connection broke")
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        self.code == 0
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// An error the real server has no reason for.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(resource, group));
        Self::new(404, "NotFound", message).about(group, resource, name)
    }

    /// There is no such resource at all.
    pub(crate) fn no_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with(json!({}))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            .with(json!({}))
    }

    pub(crate) fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(resource, group));
        Self::new(409, "AlreadyExists", message).about(group, resource, name)
    }

    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(resource, group));
        Self::new(409, "Conflict", message).about(group, resource, name)
    }

    /// The object changed since the version that the write is based on.
    pub(crate) fn modified(group: &str, resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", qualified(resource, group))
        } else {
            format!("{} {name:?} is forbidden: {why}", qualified(resource, group))
        };
        Self::new(403, "Forbidden", message).about(group, resource, name)
    }

    pub(crate) fn forbidden_path(why: &str) -> Self {
        Self::new(403, "Forbidden", format!("forbidden: {why}")).with(json!({}))
    }

    pub(crate) fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        Self::new(409, "Conflict", message).with(json!({ "causes": causes }))
    }

    /// What was asked for is no longer known: a compacted version or an expired continue token.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// An object that breaks rules. `kind` is the kind's name, not the resource's.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let texts: IndexSet<String> = errors.iter().map(ToString::to_string).collect();
        let list = texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let list = if texts.len() == 1 { list } else { format!("[{list}]") };
        let message = format!("{} {name:?} is invalid: {list}", qualified(kind, group));
        let mut details = Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
        details.insert("causes".into(), errors.iter().map(FieldError::cause).collect());
        Self::new(422, "Invalid", message).with(Value::Object(details))
    }

    pub(crate) fn unsupported_media_type(accepted: Option<&str>) -> Self {
        match accepted {
            Some(accepted) => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: {accepted}"
                );
                Self::new(415, "UnsupportedMediaType", message)
            }
            None => Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").with(json!({})),
        }
    }

    pub(crate) fn not_acceptable(available: &str) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        Self::new(406, "NotAcceptable", message).with(json!({}))
    }

    pub(crate) fn with_empty_details(self) -> Self {
        self.with(json!({}))
    }

    /// The `Status` object.
    pub fn to_value(&self) -> Value {
        let mut out = Map::new();
        out.insert("kind".into(), "Status".into());
        out.insert("apiVersion".into(), "v1".into());
        out.insert("metadata".into(), json!({}));
        out.insert("status".into(), "Failure".into());
        if !self.message.is_empty() {
            out.insert("message".into(), self.message.clone().into());
        }
        if !self.reason.is_empty() {
            out.insert("reason".into(), self.reason.clone().into());
        }
        if let Some(details) = &self.details {
            out.insert("details".into(), Value::Object(details.clone()));
        }
        out.insert("code".into(), self.code.into());
        Value::Object(out)
    }
}

/// `plural.group`, or `plural` alone for the core group.
pub(crate) fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// One rule that an object breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl FieldError {
    fn new(field: impl Into<String>, reason: &'static str, message: String) -> Self {
        FieldError { field: field.into(), reason, message }
    }

    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self::new(field, "FieldValueRequired", message)
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let shown = show(value);
        let message = if detail.is_empty() {
            format!("Invalid value: {shown}")
        } else {
            format!("Invalid value: {shown}: {detail}")
        };
        Self::new(field, "FieldValueInvalid", message)
    }

    /// As [`invalid`](Self::invalid), with the value shown as given.
    pub(crate) fn invalid_shown(field: impl Into<String>, shown: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", format!("Invalid value: {shown}: {detail}"))
    }

    /// As [`invalid`](Self::invalid), without the value.
    pub(crate) fn invalid_omitted(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", format!("Invalid value: {detail}"))
    }

    pub(crate) fn type_invalid(field: impl Into<String>, shown: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueTypeInvalid", format!("Invalid value: {shown}: {detail}"))
    }

    pub(crate) fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", show(value), supported.join(", "));
        Self::new(field, "FieldValueNotSupported", message)
    }

    /// As [`not_supported`](Self::not_supported), with the value shown as given.
    pub(crate) fn not_supported_shown(field: impl Into<String>, shown: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let message = format!("Unsupported value: {shown}: supported values: {}", supported.join(", "));
        Self::new(field, "FieldValueNotSupported", message)
    }

    /// As [`duplicate`](Self::duplicate), with the value shown as given.
    pub(crate) fn duplicate_shown(field: impl Into<String>, shown: &str) -> Self {
        Self::new(field, "FieldValueDuplicate", format!("Duplicate value: {shown}"))
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, "FieldValueDuplicate", format!("Duplicate value: {}", show(value)))
    }

    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new(field, "FieldValueNotFound", format!("Not found: {}", show(value)))
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", format!("Forbidden: {detail}"))
    }

    pub(crate) fn too_long(field: impl Into<String>, max: usize) -> Self {
        Self::new(field, "FieldValueTooLong", format!("Too long: may not be more than {max} bytes"))
    }

    pub(crate) fn too_many(field: impl Into<String>, count: usize, max: usize) -> Self {
        let items = if max == 1 { "item" } else { "items" };
        Self::new(field, "FieldValueTooMany", format!("Too many: {count}: must have at most {max} {items}"))
    }

    fn cause(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A value as field errors show it: strings quoted as Go does, structures as compact JSON.
fn show(value: &Value) -> String {
    match value {
        Value::String(s) => go_quote(s),
        other => super::fields::sorted(other).to_string(),
    }
}

/// Go's `%q`.
pub(crate) fn go_quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
