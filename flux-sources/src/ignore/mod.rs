//! Ignore rules: `.sourceignore` files and `spec.ignore`, in Flux's dialect of gitignore.
//!
//! The last pattern that matches decides. Unlike Git's own rules, a file can be brought back although its directory is
//! excluded, so `/*` and then `!/deploy` keeps `deploy/`. A pattern that holds a `/`, other than at its end, is anchored at
//! the directory of its file; one that holds none matches any part of the path. `**` is special only as a whole part.
//!
//! The version-control patterns always apply, at the lowest rank; the default patterns (images, archives, CI files)
//! apply only as long as there is no pattern at all in any `.sourceignore` and in `spec.ignore`.

#[cfg(test)]
mod conformance;
mod glob;
mod pattern;

use pattern::Pattern;

/// The name of an ignore file.
pub const IGNORE_FILE: &str = ".sourceignore";

/// Applied always, at the lowest rank.
const VERSION_CONTROL: &[&str] = &[".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// Applied when nobody wrote a pattern.
const DEFAULTS: &[&str] = &[
    // Binary files by extension.
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    // Continuous integration.
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    // Tools.
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// The longest line that is read, its end included.
const LINE_BYTES: usize = 64 << 10;

/// What a source leaves out of its artifact.
///
/// ```
/// use flux_sources::ignore::IgnoreRules;
/// let mut rules = IgnoreRules::default();
/// rules.add_text("/*\n!/deploy\n/deploy/**/*.md\n", "");
/// let rules = rules.with_defaults();
/// assert!(rules.ignores("README.md", false));
/// assert!(rules.ignores("deploy/docs/README.md", false));
/// assert!(!rules.ignores("deploy/app.yaml", false));
/// ```
#[derive(Debug, Clone, Default)]
pub struct IgnoreRules {
    patterns: Vec<Pattern>,
}

impl IgnoreRules {
    /// Adds the patterns of one ignore file that is in the directory `dir` (empty for the root). Later ones outrank
    /// earlier ones.
    pub fn add_text(&mut self, text: &str, dir: &str) {
        let domain: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
        self.add_text_in(text, &domain);
    }

    /// As [`add_text`](Self::add_text), with the directory given as the parts of its path.
    fn add_text_in(&mut self, text: &str, dir: &[&str]) {
        let domain: Vec<String> = dir.iter().map(|part| (*part).to_owned()).collect();
        // A line that is too long ends the file there, as in Flux.
        let lines = text.split('\n').take_while(|line| line.len() < LINE_BYTES);
        let lines = lines.map(|line| line.strip_suffix('\r').unwrap_or(line));
        self.patterns.extend(lines.filter_map(|line| Pattern::parse(line, &domain)));
    }

    /// Puts the version-control patterns, and the default patterns if there is no other, below what was added: the rules
    /// of a Git repository, an OCI artifact or a directory.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        let defaults = if self.patterns.is_empty() { DEFAULTS } else { &[] };
        self.above(defaults, &[])
    }

    /// Puts the version-control patterns and these defaults, scoped to a directory, below what was added.
    fn above(self, defaults: &[&str], dir: &[&str]) -> Self {
        let domain: Vec<String> = dir.iter().map(|part| (*part).to_owned()).collect();
        let below = VERSION_CONTROL.iter().chain(defaults).filter_map(|line| Pattern::parse(line, &domain));
        Self { patterns: below.chain(self.patterns).collect() }
    }

    /// Whether this path, parts joined by `/`, is left out.
    pub fn ignores(&self, path: &str, is_dir: bool) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        self.patterns
            .iter()
            .rev()
            .find(|pattern| pattern.matches(&parts, is_dir))
            .is_some_and(|pattern| !pattern.includes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_pattern_at_all_replaces_the_defaults() {
        let none = IgnoreRules::default().with_defaults();
        assert!(none.ignores("docs/x.png", false) && none.ignores(".git/config", false));
        let mut one = IgnoreRules::default();
        one.add_text("*.txt", "");
        let one = one.with_defaults();
        assert!(!one.ignores("docs/x.png", false) && one.ignores(".git/config", false));
    }

    #[test]
    fn patterns_apply_below_their_own_directory() {
        let mut rules = IgnoreRules::default();
        rules.add_text("/x\n*.md", "a/b");
        assert!(rules.ignores("a/b/x", false) && rules.ignores("a/b/c/r.md", false));
        assert!(!rules.ignores("x", false) && !rules.ignores("a/r.md", false));
    }
}
