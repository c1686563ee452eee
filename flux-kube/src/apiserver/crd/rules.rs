//! Validation rules in the Common Expression Language.

use flux_appliers::cel::Expression;
use serde_json::Value;

use super::structural::Structural;
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

/// One rule, ready to run.
pub(crate) struct Rule {
    source: String,
    program: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: String,
    field_path: Option<String>,
    /// Compares with the value before, so it only runs on updates.
    transition: bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({})", self.source)
    }
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The rules of a schema node; rules that do not compile are left out (a definition with one is refused).
pub(super) fn compile(schema: &Value) -> Vec<Rule> {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if rules.is_empty() {
        return Vec::new();
    }
    rules
        .iter()
        .filter_map(|r| {
            let source = text(r, "rule");
            Some(Rule {
                program: Expression::parse(source).ok()?,
                transition: source.contains("oldSelf"),
                source: source.to_owned(),
                message: text(r, "message").to_owned(),
                message_expression: Some(text(r, "messageExpression"))
                    .filter(|m| !m.is_empty())
                    .and_then(|m| Expression::parse(m).ok()),
                reason: text(r, "reason").to_owned(),
                field_path: Some(text(r, "fieldPath").to_owned()).filter(|p| !p.is_empty()),
            })
        })
        .collect()
}

/// Why a rule is none, if it is none: it does not parse, or asks for a field that `self` cannot have.
pub(super) fn check(schema: &Value, source: &str) -> Option<String> {
    if let Err(error) = Expression::parse(source) {
        return Some(format!("compilation failed: {error}"));
    }
    let scalar = matches!(text(schema, "type"), "string" | "integer" | "number" | "boolean");
    let selects = source.match_indices("self.").any(|(at, _)| {
        let before = source.get(..at).and_then(|s| s.chars().next_back());
        let name = source.get(at + 5..).unwrap_or("");
        let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !name.get(end..).unwrap_or("").starts_with('(')
    });
    (scalar && selects).then(|| {
        let ty = if text(schema, "type") == "integer" { "int" } else { text(schema, "type") };
        format!("compilation failed: type '{ty}' does not support field selection")
    })
}

/// Runs the rules of a schema and of all below it.
pub(super) fn run(schema: &Structural, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    if !schema.rules.is_empty() {
        for rule in &schema.rules {
            rule.check(value, old, path, errors);
        }
    }
    match value {
        Value::Object(map) => {
            for (key, v) in map {
                let before = old.and_then(|o| o.get(key));
                if let Some(property) = schema.properties.get(key) {
                    let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    run(property, v, before, &at, errors);
                } else if let Some(additional) = &schema.additional {
                    run(additional, v, before, &format!("{path}[{key}]"), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema_of) = &schema.items {
                for (i, v) in items.iter().enumerate() {
                    let before = old.and_then(|o| schema.correlated(v, o));
                    run(schema_of, v, before, &format!("{path}[{i}]"), errors);
                }
            }
        }
        _ => {}
    }
}

impl Rule {
    fn check(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        if self.transition && old.is_none() {
            return;
        }
        let variable = |name: &str| match name {
            "self" => Some(value),
            "oldSelf" => old,
            _ => None,
        };
        let said = match self.program.boolean(variable) {
            Ok(true) => return,
            Ok(false) => self.says(variable),
            Err(e) => format!("rule evaluation failed: {e}"),
        };
        let at = match &self.field_path {
            Some(below) => format!("{path}{}", below.replace("['", ".").replace("']", "")),
            None => path.to_owned(),
        };
        let at = if at.is_empty() { "<nil>".to_owned() } else { at.trim_start_matches('.').to_owned() };
        errors.push(match self.reason.as_str() {
            "FieldValueForbidden" => FieldError::forbidden(at, &said),
            "FieldValueRequired" => FieldError::required(at, &said),
            "FieldValueDuplicate" => FieldError::duplicate(at, value),
            _ if self.field_path.is_some() || value.is_object() || value.is_array() => {
                FieldError::invalid_omitted(at, &said)
            }
            _ => FieldError::invalid(at, value, &said),
        });
    }

    fn says<'a>(&self, variable: impl Fn(&str) -> Option<&'a Value>) -> String {
        if let Some(expression) = &self.message_expression
            && let Ok(said) = expression.string(variable)
            && !said.trim().is_empty()
            && !said.contains('\n')
        {
            return said.trim().to_owned();
        }
        if self.message.is_empty() { format!("failed rule: {}", self.source) } else { self.message.clone() }
    }
}

/// Runs all rules on a custom resource.
pub(super) fn run_all(schema: &Structural, object: &Fields, old: Option<&Fields>, errors: &mut Vec<FieldError>) {
    if !schema.has_rules {
        return;
    }
    let object = Value::Object(object.clone());
    let old = old.map(|o| Value::Object(o.clone()));
    run(schema, &object, old.as_ref(), "", errors);
}
