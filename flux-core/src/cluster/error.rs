//! What can go wrong with a request.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::context::Interrupted;
use crate::error::{BoxError, Class};
use crate::object::Gvk;

/// The answer of a server that refused a request: a `Status` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, such as `NotFound`, `Conflict`, `Invalid`.
    #[serde(default)]
    pub reason: String,
    /// What the server says.
    #[serde(default)]
    pub message: String,
    /// The fields that it objects to.
    #[serde(default)]
    pub causes: Vec<StatusCause>,
    /// How long the server asks to wait, in seconds.
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
}

/// One field that a server objects to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCause {
    /// Machine-readable reason, such as `FieldValueRequired`.
    #[serde(default)]
    pub reason: String,
    /// What is wrong.
    #[serde(default)]
    pub message: String,
    /// The field.
    #[serde(default)]
    pub field: String,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.message.is_empty(), self.reason.is_empty()) {
            (false, _) => f.write_str(&self.message),
            (true, false) => f.write_str(&self.reason),
            (true, true) => write!(f, "HTTP status {}", self.code),
        }
    }
}

/// Why a request did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The server refused it.
    #[error("{0}")]
    Api(Status),
    /// The server knows no such kind.
    #[error("no matches for kind {:?} in version {:?}", .0.kind, .0.api_version())]
    UnknownKind(Gvk),
    /// The events since the resource version asked for are gone: list again.
    #[error("the resource version is too old")]
    Expired,
    /// The server could not be reached, or the connection broke.
    #[error("the API server cannot be reached")]
    Unreachable(#[source] BoxError),
    /// The request cannot be made: an object without a name, an identity that names nobody, a bad configuration.
    #[error("{0}")]
    Invalid(String),
    /// The deadline passed first.
    #[error("the API server did not answer in time")]
    Timeout,
    /// The work was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl From<Interrupted> for ClusterError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Cancelled => Self::Cancelled,
            Interrupted::DeadlineExceeded => Self::Timeout,
        }
    }
}

impl ClusterError {
    /// A refusal from its parts.
    pub fn api(code: u16, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Api(Status { code, reason: reason.into(), message: message.into(), ..Status::default() })
    }

    /// The HTTP status code, if the server answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(status) => Some(status.code),
            Self::Expired => Some(410),
            _ => None,
        }
    }

    /// The machine-readable reason, if the server answered.
    pub fn reason(&self) -> &str {
        match self {
            Self::Api(status) => &status.reason,
            _ => "",
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(status) => status.retry_after_seconds.map(|s| Duration::from_secs(s.into())),
            _ => None,
        }
    }

    /// What the loop does about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Api(status) => match status.code {
                401 | 403 => Class::Denied,
                400 | 405 | 413 | 415 | 422 => Class::Terminal,
                _ => Class::Transient,
            },
            // A definition may arrive at any time, from another pipeline too.
            Self::UnknownKind(_) | Self::Expired | Self::Unreachable(_) | Self::Timeout => Class::Transient,
            Self::Invalid(_) => Class::Terminal,
            Self::Cancelled => Class::Cancelled,
        }
    }
}
