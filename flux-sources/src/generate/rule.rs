//! One rule of copying, as it is written.

use flux_core::source::SourceError;
use flux_core::tree::normalize;
use serde::{Deserialize, Serialize};

use super::glob::{Glob, is_glob};

/// How many patterns may be excluded in a rule.
const EXCLUDES: usize = 100;

/// Copies files from a source into the artifact: an entry of `copy` of an `ArtifactGenerator`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopyRule {
    /// What is copied: `@alias/path` of a file or a directory, or `@alias/pattern`.
    pub from: String,
    /// Where to: `@artifact/path`. With a `/` at its end it is a directory.
    pub to: String,
    /// Patterns of files of the source that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What happens to a file that is there already, and to archives.
    #[serde(default)]
    pub strategy: CopyStrategy,
}

/// What a rule does with files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyStrategy {
    /// The later file takes the place of the earlier one.
    #[default]
    Overwrite,
    /// A YAML file is laid over the one that is there: maps are merged, all else is replaced, as Helm does with values.
    Merge,
    /// Archives, `.tar.gz` and `.tgz`, are unpacked where they would be put.
    Extract,
}

impl CopyRule {
    /// Copies from here to there; see the fields.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), exclude: Vec::new(), strategy: CopyStrategy::default() }
    }

    /// Leaves out files of the source that one of these patterns matches.
    #[must_use]
    pub fn exclude<T: Into<String>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        self.exclude = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Does this with files.
    #[must_use]
    pub fn strategy(mut self, strategy: CopyStrategy) -> Self {
        self.strategy = strategy;
        self
    }
}

/// A rule that was read.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) alias: String,
    pub(super) from: From,
    /// A path in the artifact; empty for its root.
    pub(super) to: String,
    /// Whether that is a directory.
    pub(super) into: bool,
    pub(super) exclude: Vec<Glob>,
    pub(super) strategy: CopyStrategy,
    /// The rule in errors.
    pub(super) shown: String,
}

/// What is copied.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// A file, or a directory as a whole.
    Path(String),
    /// What is in a directory: `dir/**`.
    Contents(String),
    /// What a pattern matches, under its whole path.
    Matching(Glob),
}

impl Rule {
    pub(super) fn read(rule: &CopyRule, index: usize) -> Result<Self, SourceError> {
        let invalid =
            |field: &str, problem: String| SourceError::Invalid { field: format!("copy[{index}].{field}"), problem };
        let from = |problem: String| invalid("from", problem);
        let rest = rule.from.strip_prefix('@').ok_or_else(|| from("should start with `@` and an alias".into()))?;
        let (alias, path) = rest.split_once('/').unwrap_or((rest, ""));
        let inside = |path: &str| normalize(path).map_err(|error| error.to_string());
        let contents = path.strip_suffix("**").filter(|dir| (dir.is_empty() || dir.ends_with('/')) && !is_glob(dir));
        let source = match contents {
            Some(dir) => From::Contents(inside(dir).map_err(from)?),
            None if is_glob(path) => From::Matching(Glob::parse(path).map_err(from)?),
            None => From::Path(inside(path).map_err(from)?),
        };
        let to = |problem: String| invalid("to", problem);
        let target = rule.to.strip_prefix("@artifact/").ok_or_else(|| to("should start with `@artifact/`".into()))?;
        if rule.exclude.len() > EXCLUDES {
            return Err(invalid("exclude", format!("more than {EXCLUDES} patterns")));
        }
        let exclude = rule.exclude.iter().map(|pattern| Glob::parse(pattern));
        Ok(Self {
            alias: alias.to_owned(),
            from: source,
            to: inside(target).map_err(to)?,
            into: target.is_empty() || target.ends_with('/'),
            exclude: exclude.collect::<Result<_, _>>().map_err(|problem| invalid("exclude", problem))?,
            strategy: rule.strategy,
            shown: format!("`{}` to `{}`", rule.from, rule.to),
        })
    }
}
