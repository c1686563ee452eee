//! Validation rules in the Common Expression Language.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, Program, Value as Cel};
use serde_json::Value;

use super::structural::Structural;
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

/// Larger lists and maps are not evaluated: the interpreter has no budget of its own.
const MAX_VALUES: usize = 20_000;

/// One rule, ready to run.
pub(crate) struct Rule {
    source: String,
    program: Program,
    message: String,
    message_expression: Option<Program>,
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

fn environment() -> Env {
    let mut env = Env::stdlib();
    // The standard library has no names that this could clash with.
    let _ = env.add_extension(cel::extensions::strings);
    env
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
    let env = environment();
    rules
        .iter()
        .filter_map(|r| {
            let source = text(r, "rule");
            Some(Rule {
                program: env.compile(source).ok()?,
                transition: source.contains("oldSelf"),
                source: source.to_owned(),
                message: text(r, "message").to_owned(),
                message_expression: Some(text(r, "messageExpression"))
                    .filter(|m| !m.is_empty())
                    .and_then(|m| env.compile(m).ok()),
                reason: text(r, "reason").to_owned(),
                field_path: Some(text(r, "fieldPath").to_owned()).filter(|p| !p.is_empty()),
            })
        })
        .collect()
}

/// Why a rule is none, if it is none: it does not parse, or asks for a field that `self` cannot have.
pub(super) fn check(schema: &Value, source: &str) -> Option<String> {
    if let Err(errors) = environment().compile(source) {
        return Some(format!("compilation failed: {errors}"));
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

fn to_cel(v: &Value) -> Cel {
    match v {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| Cel::Float(n.as_f64().unwrap_or(0.0)), Cel::Int),
        Value::String(s) => Cel::String(Arc::new(s.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(map) => {
            let entries: HashMap<Key, Cel> = map.iter().map(|(k, v)| (Key::from(k.as_str()), to_cel(v))).collect();
            Cel::Map(Map { map: Arc::new(entries) })
        }
    }
}

fn size(v: &Value) -> usize {
    match v {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// Runs the rules of a schema and of all below it.
pub(super) fn run(schema: &Structural, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    if !schema.rules.is_empty() && size(value) <= MAX_VALUES {
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
        let mut context = Context::with_env(Arc::new(environment()));
        context.add_variable_from_value("self", to_cel(value));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", to_cel(old));
        }
        let said = match self.program.execute(&context) {
            Ok(Cel::Bool(true)) => return,
            Ok(Cel::Bool(false)) => self.says(&context),
            Ok(_) => "the rule is no condition".to_owned(),
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

    fn says(&self, context: &Context<'_, '_>) -> String {
        if let Some(program) = &self.message_expression
            && let Ok(Cel::String(said)) = program.execute(context)
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
