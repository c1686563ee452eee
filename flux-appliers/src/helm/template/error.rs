//! How templates fail.

use std::fmt;

/// A template that does not parse. Prints as Go prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The name of the template file.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Why a render was stopped by its own limits rather than by the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Abort {
    /// More output or intermediate data than the limits allow.
    #[error("template output is larger than the limit of {limit} bytes")]
    Output {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More work than the limits allow.
    #[error("template took more than the limit of {limit} steps")]
    Steps {
        /// The limit, in evaluated nodes and elements.
        limit: u64,
    },
    /// Templates that include each other too deeply.
    #[error("templates are nested more than {limit} deep")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// The host asked to stop, or the deadline passed.
    #[error("rendering was cancelled")]
    Cancelled,
}

/// An execution that failed at some place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecError {
    text: String,
    cause: Option<Box<CallError>>,
}

impl ExecError {
    /// `template: LOCATION: executing "TEMPLATE" at <CONTEXT>: MESSAGE`, as Go prints it.
    pub(crate) fn new(text: String, cause: Option<CallError>) -> Self {
        Self { text, cause: cause.map(Box::new) }
    }

    /// What made the failing function fail, if a function did.
    pub fn cause(&self) -> Option<&CallError> {
        self.cause.as_deref()
    }

    /// The limit that ended the render, if one did.
    pub fn abort(&self) -> Option<Abort> {
        self.cause()?.abort()
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ExecError {}

/// The failure of a function called from a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// A plain message.
    Message(String),
    /// The execution of another template failed (`include`).
    Exec(ExecError),
    /// Another failure with words before it (`tpl`).
    Context(String, Box<CallError>),
    /// A limit was reached.
    Abort(Abort),
}

impl CallError {
    /// What Go says when it follows a nil pointer.
    pub(crate) fn nil_pointer() -> Self {
        Self::from("runtime error: invalid memory address or nil pointer dereference")
    }

    /// The limit that was reached here or further in.
    pub fn abort(&self) -> Option<Abort> {
        match self {
            Self::Abort(abort) => Some(*abort),
            Self::Exec(exec) => exec.abort(),
            Self::Context(_, inner) => inner.abort(),
            Self::Message(_) => None,
        }
    }

    /// The failure beneath this one.
    pub fn cause(&self) -> Option<&Self> {
        match self {
            Self::Exec(exec) => exec.cause(),
            Self::Context(_, inner) => Some(inner),
            Self::Message(_) | Self::Abort(_) => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.write_str(message),
            Self::Exec(exec) => exec.fmt(f),
            Self::Context(prefix, inner) => write!(f, "{prefix}{inner}"),
            Self::Abort(abort) => abort.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<ExecError> for CallError {
    fn from(error: ExecError) -> Self {
        Self::Exec(error)
    }
}

impl From<Abort> for CallError {
    fn from(abort: Abort) -> Self {
        Self::Abort(abort)
    }
}
