use std::fmt;

use super::Dialect;
use super::scan::Mark;

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
    /// The text is not YAML.
    #[error("{0}")]
    Syntax(Syntax),
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

/// What keeps a text from being YAML, in the words of libyaml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax {
    problem: &'static str,
    /// What was being read, and where it starts; empty where nothing was.
    context: &'static str,
    context_line: usize,
    stage: Stage,
}

/// Which part of the reader found a fault; Go counts the lines of each in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reader,
    Scanner,
    Parser,
}

impl Syntax {
    /// What is wrong, such as `did not find expected key`.
    pub fn problem(&self) -> &'static str {
        self.problem
    }

    pub(super) fn reader(problem: &'static str) -> Self {
        Self { problem, context: "", context_line: 0, stage: Stage::Reader }
    }

    pub(super) fn scanner(problem: &'static str, context: &'static str, start: Mark) -> Self {
        Self { problem, context, context_line: start.line + 1, stage: Stage::Scanner }
    }

    pub(super) fn parser(problem: &'static str, context: &'static str, start: Mark) -> Self {
        Self { problem, context, context_line: start.line + 1, stage: Stage::Parser }
    }

    /// The line that Go names for a fault found at `line`; zero where it names none.
    ///
    /// It takes the line of the fault (the third generation: of the context) unless that is the first of the text, and
    /// counts from one for the scanner and from zero for the parser.
    fn go_line(&self, line: usize, dialect: Dialect) -> usize {
        let from_zero = |line: usize| line.saturating_sub(1);
        let context = if self.context.is_empty() { 0 } else { from_zero(self.context_line) };
        let counted = |line: usize| if line > 0 && self.stage == Stage::Scanner { line + 1 } else { line };
        match (dialect, from_zero(line), context) {
            (Dialect::V3, fault, 0) => counted(fault),
            (Dialect::V3, _, context) => counted(context),
            (_, 0, context) => context,
            (_, fault, _) => counted(fault),
        }
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem)?;
        if !self.context.is_empty() {
            write!(f, " {}", self.context)?;
        }
        Ok(())
    }
}

impl YamlError {
    pub(super) fn new(at: (usize, usize), cause: YamlCause) -> Self {
        Self { line: at.0, column: at.1, cause }
    }

    /// The error as Go's reader of a dialect words it, such as `yaml: line 3: did not find expected key`.
    ///
    /// Go counts the lines of some faults from zero and leaves out a line zero. Programs that show the texts of
    /// Helm, kubectl or the API server want these words; everything else is better served by `Display`.
    pub fn in_go(&self, dialect: Dialect) -> String {
        match &self.cause {
            YamlCause::Syntax(syntax) => match syntax.go_line(self.line, dialect) {
                0 => format!("yaml: {}", syntax.problem),
                line => format!("yaml: line {line}: {}", syntax.problem),
            },
            YamlCause::DuplicateKey { key, first } => {
                let found = match dialect {
                    Dialect::V3 => format!("mapping key {key:?} already defined at line {first}"),
                    _ => format!("key {key:?} already set in map"),
                };
                format!("yaml: unmarshal errors:\n  line {}: {found}", self.line)
            }
            YamlCause::NotFinite(_) => format!("json: {}", self.cause),
            cause => format!("yaml: {cause}"),
        }
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
