//! `readyExpr` of a dependency.

use flux_appliers::cel::{Expression, ParseError};
use flux_core::engine::ReadyCondition;
use serde_json::Value;

/// Is true when a dependency is ready: an expression over `self`, which depends, and `dep`, which it depends on.
#[derive(Debug)]
pub(super) struct ReadyExpression(Expression);

impl ReadyExpression {
    pub(super) fn new(text: &str) -> Result<Self, ParseError> {
        Expression::compile_condition(text, &["self", "dep"]).map(Self)
    }
}

impl ReadyCondition for ReadyExpression {
    fn is_ready(&self, this: &Value, dependency: &Value) -> Result<bool, String> {
        let variable = |name: &str| match name {
            "self" => Some(this),
            "dep" => Some(dependency),
            _ => None,
        };
        self.0.boolean(variable).map_err(|error| format!("failed to evaluate '{}': {error}", self.0.text()))
    }
}
