//! Why a file stays encrypted.

/// Why a file could not be decrypted. Says what is missing or wrong, and never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SopsError {
    /// The file is not in the format that it should be in.
    #[error("not a SOPS file of format {format}: {problem}")]
    Format {
        /// The format.
        format: super::Format,
        /// What is wrong.
        problem: String,
    },
    /// What SOPS keeps about the file is missing or wrong.
    #[error("sops.{field}: {problem}")]
    Metadata {
        /// Which field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No key at hand opens the file.
    #[error("cannot get the data key: {0}")]
    NoKey(String),
    /// A value is not what was encrypted: the key is another, or the value was changed or moved.
    #[error("`{path}`: the value cannot be decrypted: it was changed or moved, or the data key is another")]
    Value {
        /// Where it stands.
        path: String,
    },
    /// A value that should be encrypted is not.
    #[error("`{path}`: the value is not encrypted, and by the rules of the file it should be")]
    NotEncrypted {
        /// Where it stands.
        path: String,
    },
    /// The file as a whole is not what was encrypted: values were added, removed or changed.
    #[error("the message authentication code does not match: the file was changed after it was encrypted")]
    Mac,
    /// The file is too large.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The run was cut short.
    #[error(transparent)]
    Interrupted(#[from] flux_core::Interrupted),
}

impl SopsError {
    pub(super) fn metadata(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Metadata { field, problem: problem.into() }
    }

    pub(super) fn format(format: super::Format, problem: impl Into<String>) -> Self {
        Self::Format { format, problem: problem.into() }
    }
}
