//! The Common Expression Language, with the environment that Flux gives it: the standard library, optional values, the
//! string, set and encoder extensions, comparisons of numbers across types.
//!
//! ```
//! use flux_appliers::cel::Expression;
//!
//! let ready = Expression::parse("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')")?;
//! let object = serde_json::json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
//! assert!(ready.boolean(|name| object.get(name))?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An expression is parsed once and evaluated any number of times. Evaluation reads nothing but the variables that it is
//! given, copies none of them, and ends after [`MAX_STEPS`] steps at the latest, whatever it is asked to do. Text and
//! nesting are bounded too, and so are regular expressions.
//!
//! # Unlike cel-go
//! Names of functions that the environment does not have are found when they are evaluated, as there; of the message
//! types only `google.protobuf.Duration` and `google.protobuf.Timestamp` can be made. Errors say names and types, and
//! never the values that were evaluated.

mod ast;
mod check;
mod error;
mod eval;
mod functions;
mod lexer;
mod parser;
mod value;

#[cfg(test)]
mod conformance;

use std::fmt;

use serde_json::Value as Json;

use ast::{Expr, Node};
pub use error::{EvalError, ParseError};
use eval::Scope;
use value::Value;

/// The most steps that one evaluation takes: about a tenth of a second.
pub const MAX_STEPS: usize = 1_000_000;

/// An expression, ready to evaluate.
#[derive(Clone)]
pub struct Expression {
    text: String,
    root: Expr,
    result: check::Type,
}

impl Expression {
    /// Parses an expression whose variables are not known in advance: names and types are checked when it is evaluated.
    ///
    /// # Errors
    /// It is not an expression, or converts a literal that cannot be converted.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let root = parser::parse(text)?;
        check_literals(text, &root)?;
        Ok(Self { text: text.to_owned(), root, result: check::Type::Dyn })
    }

    /// Parses an expression whose variables are `variables`, each a JSON object, and checks names and types.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and where a name is not known or a function does not take what it is given.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, ParseError> {
        let root = parser::parse(text)?;
        let result = check::check(text, &root, variables)?;
        check_literals(text, &root)?;
        Ok(Self { text: text.to_owned(), root, result })
    }

    /// As [`compile`](Self::compile), for an expression that must be a condition.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and where the result is not known to be a boolean.
    pub fn compile_condition(text: &str, variables: &[&str]) -> Result<Self, ParseError> {
        let this = Self::compile(text, variables)?;
        if this.result == check::Type::Plain("bool") {
            return Ok(this);
        }
        let problem = format!("the result must be a bool and is {}; compare it with something", this.result);
        Err(ParseError::new(text, 0, problem))
    }

    /// The text that it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates a condition. `variable` answers with the value of a name, if there is one.
    ///
    /// # Errors
    /// There is no value, or it is no boolean.
    pub fn boolean<'a>(&self, variable: impl Fn(&str) -> Option<&'a Json>) -> Result<bool, EvalError> {
        match self.evaluate(&variable)? {
            Value::Bool(value) => Ok(value),
            other => Err(EvalError::Result { found: other.type_name(), wanted: "bool" }),
        }
    }

    /// Evaluates to a text. `variable` answers with the value of a name, if there is one.
    ///
    /// # Errors
    /// There is no value, or it is no text.
    pub fn string<'a>(&self, variable: impl Fn(&str) -> Option<&'a Json>) -> Result<String, EvalError> {
        match self.evaluate(&variable)? {
            Value::String(value) => Ok(value.to_string()),
            other => Err(EvalError::Result { found: other.type_name(), wanted: "string" }),
        }
    }

    fn evaluate<'a>(&self, variable: &dyn Fn(&str) -> Option<&'a Json>) -> Result<Value<'a>, EvalError> {
        let variables = |name: &str| variable(name).map(Value::of);
        Scope::new(&variables, MAX_STEPS).eval(&self.root)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

/// Evaluates what can be evaluated ahead, so that a mistake in it is found ahead: conversions of literals and regular
/// expressions.
fn check_literals(text: &str, expr: &Expr) -> Result<(), ParseError> {
    for child in expr.node.children() {
        check_literals(text, child)?;
    }
    let Node::Call { function, target, arguments } = &expr.node else { return Ok(()) };
    let failed = |error: EvalError| ParseError::new(text, expr.at, error.to_string());
    match (&**function, arguments.as_slice()) {
        ("matches", [.., Expr { node: Node::Literal(Value::String(pattern)), .. }]) => {
            functions::regex(pattern).map(|_| ()).map_err(failed)
        }
        (name, [argument]) if target.is_none() && functions::is_conversion(name) => match literal(argument) {
            Some(value) => functions::fold(name, &value).map(|_| ()).map_err(failed),
            None => Ok(()),
        },
        (name, []) if target.is_none() => Err(failed(eval::no_overload(name, &[]))),
        _ => Ok(()),
    }
}

/// The value of a literal, or of a list of literals.
fn literal(expr: &Expr) -> Option<Value<'static>> {
    match &expr.node {
        Node::Literal(value) => Some(value.clone()),
        Node::List(elements) => {
            let plain = |element: &ast::Element| if element.optional { None } else { literal(&element.value) };
            elements.iter().map(plain).collect::<Option<Vec<_>>>().map(Value::list)
        }
        _ => None,
    }
}
