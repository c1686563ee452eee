//! Health by expressions: `spec.healthCheckExprs` of a Flux Kustomization.

use std::collections::HashMap;

use flux_core::{HealthStatus, Object, Timestamp};
use serde_json::Value;

use super::{Judge, Kstatus, Status};
use crate::cel::{Expression, ParseError};

/// Judges objects of some kinds by expressions, and all others as [`Kstatus`] does.
///
/// The variables of an expression are the top-level fields of the object. Where an object says which generation was
/// observed last and that is not its own, it is in progress, whatever the expressions say. After that `in_progress`,
/// `failed` and `current` are asked in this order, and the first that is true decides; none is in progress too.
///
/// ```
/// use flux_appliers::health::{HealthExpressions, Judge};
/// use flux_core::{HealthStatus, Object, Timestamp};
///
/// let mut checks = HealthExpressions::default();
/// checks.add("example.org", "Widget", "status.phase == 'Done'", Some("status.phase == 'Broken'"), None)?;
/// let widget = Object::from_value(serde_json::json!({
///     "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "a"}, "status": {"phase": "Broken"},
/// }))?;
/// assert_eq!(checks.health(&widget, Timestamp::UNIX_EPOCH)?.status, HealthStatus::Failed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct HealthExpressions(HashMap<(String, String), Checks>);

/// What decides about one kind.
#[derive(Debug, Clone)]
struct Checks {
    /// In the order in which they are asked.
    expressions: Vec<(Expression, HealthStatus)>,
}

/// Expressions that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpression {
    /// One is not an expression.
    #[error("{field}: {error}")]
    Parse {
        /// Which one: `current`, `failed` or `inProgress`.
        field: &'static str,
        /// What is wrong.
        #[source]
        error: ParseError,
    },
    /// There are expressions for this kind already.
    #[error("there are expressions for this kind already")]
    Duplicate,
}

impl HealthExpressions {
    /// Judges objects of a kind by these expressions; an empty kind stands for every kind of the group that has no
    /// expressions of its own.
    ///
    /// # Errors
    /// One is not an expression, or the kind has some already.
    pub fn add(
        &mut self,
        group: impl Into<String>,
        kind: impl Into<String>,
        current: &str,
        failed: Option<&str>,
        in_progress: Option<&str>,
    ) -> Result<(), InvalidExpression> {
        let given = [
            ("inProgress", in_progress, HealthStatus::InProgress),
            ("failed", failed, HealthStatus::Failed),
            ("current", Some(current), HealthStatus::Current),
        ];
        let mut expressions = Vec::with_capacity(given.len());
        for (field, text, status) in given {
            let Some(text) = text.filter(|text| field == "current" || !text.is_empty()) else { continue };
            let expression = Expression::parse(text).map_err(|error| InvalidExpression::Parse { field, error })?;
            expressions.push((expression, status));
        }
        let key = (group.into(), kind.into());
        if self.0.contains_key(&key) {
            return Err(InvalidExpression::Duplicate);
        }
        self.0.insert(key, Checks { expressions });
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Judge for HealthExpressions {
    fn health(&self, object: &Object, now: Timestamp) -> Result<Status, String> {
        let gvk = object.gvk();
        let of_group = || self.0.get(&(gvk.group.clone(), String::new()));
        match self.0.get(&(gvk.group.clone(), gvk.kind.clone())).or_else(of_group) {
            Some(checks) => checks.health(object),
            None => Kstatus.health(object, now),
        }
    }
}

impl Checks {
    fn health(&self, object: &Object) -> Result<Status, String> {
        let integer = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
        let is = |status: HealthStatus, message: String| Status { status, message, conditions: Vec::new() };
        if let (Some(observed), Some(generation)) =
            (integer("/status/observedGeneration"), integer("/metadata/generation"))
            && observed != generation
        {
            let message = format!("generation is {generation}, but latest observed generation is {observed}");
            return Ok(is(HealthStatus::InProgress, message));
        }
        for (expression, status) in &self.expressions {
            let holds = expression.boolean(|name| object.as_map().get(name));
            if holds.map_err(|error| format!("failed to evaluate '{}': {error}", expression.text()))? {
                return Ok(is(*status, format!("'{}' is true", expression.text())));
            }
        }
        Ok(is(HealthStatus::InProgress, "no expression is true".into()))
    }
}
