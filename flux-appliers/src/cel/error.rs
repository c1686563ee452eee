//! What can go wrong with an expression.

/// An expression that is none. Says where, by line and column from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ParseError {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    pub(super) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: 1 + before.matches('\n').count(), column: 1 + line.chars().count(), message: message.into() }
    }
}

/// Why an expression has no value. Says names and types, never values: what is evaluated may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A name that stands for nothing.
    #[error("no such attribute: {0}")]
    NoSuchAttribute(String),
    /// A field that is not there.
    #[error("no such key: {0}")]
    NoSuchKey(String),
    /// A key or index, computed by the expression, that is not there.
    #[error("{0}")]
    NoSuchElement(&'static str),
    /// No function of this name takes what it is given.
    #[error("no such overload: {0}")]
    NoSuchOverload(String),
    /// A value that cannot be what it should become.
    #[error("type conversion error from '{from}' to '{to}'")]
    Conversion {
        /// The type that it has.
        from: &'static str,
        /// The type that it should have.
        to: &'static str,
    },
    /// A number that does not fit.
    #[error("{0} overflow")]
    Overflow(&'static str),
    /// Division or modulus by zero.
    #[error("{0} by zero")]
    ByZero(&'static str),
    /// A function does not take this argument.
    #[error("{function}: {problem}")]
    Argument {
        /// The function.
        function: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The result is not what the caller needs.
    #[error("the result is of type {found}, not {wanted}")]
    Result {
        /// The type that it is.
        found: &'static str,
        /// The type that it should be.
        wanted: &'static str,
    },
    /// Evaluation took more steps than it may.
    #[error("evaluation takes more than {0} steps")]
    Budget(usize),
}
