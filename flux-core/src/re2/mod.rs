//! Regular expressions with the syntax and meaning of Go's (RE2), which every pattern in a Flux, Kubernetes, Helm or
//! kustomize document is written in.
//!
//! ```
//! use flux_core::re2::Pattern;
//!
//! let pattern = Pattern::compile(r"^v(?P<major>\d+)$")?;
//! assert!(pattern.regex().is_match("v12"));
//! assert!(!pattern.regex().is_match("v١")); // classes of Perl are ASCII in Go
//! assert_eq!(pattern.group_names(), ["", "major"]);
//! assert_eq!(Pattern::compile("v(").unwrap_err().to_string(), "error parsing regexp: missing closing ): `v(`");
//! # Ok::<(), flux_core::re2::SyntaxError>(())
//! ```

mod syntax;

use regex::{Regex, RegexBuilder};

/// The largest program a pattern may compile to, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// A pattern that is none, in the words of Go's `regexp`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {0}")]
pub struct SyntaxError(String);

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    names: Vec<String>,
}

impl Pattern {
    /// Compiles a pattern. Bytes that are not UTF-8 are an error, as in Go.
    ///
    /// # Errors
    /// What Go says is wrong, or that the program it compiles to is larger than 4 MiB.
    pub fn compile(pattern: impl AsRef<[u8]>) -> Result<Self, SyntaxError> {
        let translated = syntax::translate(pattern.as_ref()).map_err(SyntaxError)?;
        let regex = RegexBuilder::new(&translated.pattern)
            .size_limit(SIZE_LIMIT)
            .nest_limit(1000)
            .build()
            .map_err(|_| SyntaxError("expression too large".to_owned()))?;
        Ok(Self { regex, names: translated.names })
    }

    /// What matches; its groups have the numbers that they have in Go.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// The names of its groups, by number from 0, the whole match; empty where a group has none.
    #[must_use]
    pub fn group_names(&self) -> &[String] {
        &self.names
    }

    /// Whether it matches anywhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}
