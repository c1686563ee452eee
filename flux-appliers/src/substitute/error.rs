//! What can go wrong with a substitution.

/// Text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    /// `${` is not followed by a name.
    #[error("unable to parse variable name: `${{` must be followed by a name; write `$${{` for a literal `${{`")]
    Name,
    /// A name is followed by something that is neither an operator nor a brace.
    #[error("missing closing brace: a variable is written `${{name}}`; write `$${{` for a literal `${{`")]
    MissingBrace,
    /// An operator is not complete.
    #[error("bad substitution; write `$${{` for a literal `${{`")]
    BadSubstitution,
    /// An operator lacks its argument.
    #[error("unable to parse substitution within function; write `$${{` for a literal `${{`")]
    Argument,
    /// Defaults are nested too deep.
    #[error("variables are nested more than {limit} levels deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

/// Why a text could not be substituted. Says names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// The text is no template.
    #[error(transparent)]
    Syntax(#[from] Syntax),
    /// A variable that has no value, in strict mode.
    #[error("variable not set (strict mode): {name:?}; set it, or give it a default: `${{{name}:=default}}`")]
    NotSet {
        /// Its name.
        name: String,
    },
    /// `${name:offset:length}` with a length that leads before the offset.
    #[error("the substring of {name:?} has a negative length")]
    NegativeLength {
        /// The variable.
        name: String,
    },
    /// The result or the work is too large.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}
