use std::fmt;

/// Why a YAML text was refused, and where.
///
/// Lines and columns count from one; both are zero where the text as a whole is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct YamlError {
    /// The line of the fault.
    pub line: usize,
    /// The column of the fault, in characters.
    pub column: usize,
    /// What is wrong there.
    pub cause: YamlCause,
}

/// What is wrong with a YAML text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlCause {
    /// The text is not YAML; the scanner's or parser's own words.
    #[error("{0}")]
    Syntax(String),
    /// An alias names an anchor that nothing before it defines.
    #[error("unknown anchor '{0}' referenced")]
    UnknownAnchor(String),
    /// An alias lies inside the value that it stands for.
    #[error("anchor '{0}' value contains itself")]
    RecursiveAnchor(String),
    /// Aliases expand to far more than the text holds (a "billion laughs").
    #[error("document contains excessive aliasing")]
    ExcessiveAliasing,
    /// A mapping has the same key twice.
    #[error("key \"{key}\" already set in map, at line {first}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line that set it first.
        first: usize,
    },
    /// A mapping key that JSON has no form for: a mapping, a sequence, null, or a number where numbers are refused.
    #[error("invalid map key: {0}")]
    InvalidKey(String),
    /// A value that contradicts its explicit tag.
    #[error("cannot decode {found} `{text}` as a {tag}")]
    TagMismatch {
        /// The tag that the plain text has by itself.
        found: &'static str,
        /// The text.
        text: String,
        /// The tag that was written.
        tag: &'static str,
    },
    /// A `!!binary` value that is not Base64.
    #[error("!!binary value contains invalid base64 data")]
    InvalidBinary,
    /// The value of a merge key (`<<`) is not a mapping nor a sequence of mappings.
    #[error("map merge requires map or sequence of maps as the value")]
    InvalidMerge,
    /// An infinite float or a NaN, which JSON cannot hold.
    #[error("unsupported value: {0}")]
    NotFinite(String),
    /// One of [`Limits`](super::Limits) was passed.
    #[error("more than {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl YamlError {
    pub(super) fn new(at: (usize, usize), cause: YamlCause) -> Self {
        Self { line: at.0, column: at.1, cause }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "yaml: {}", self.cause),
            line => write!(f, "yaml: line {line}, column {}: {}", self.column, self.cause),
        }
    }
}
