//! One line of an ignore file.

use super::glob::Glob;

/// One pattern, scoped to the directory that its file is in.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The directory it applies below, as path parts.
    domain: Vec<String>,
    /// `!`: a match brings the path back.
    pub(super) includes: bool,
    /// A trailing `/`: the match itself must be a directory.
    dir_only: bool,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    /// Without `/`: any one part of the path.
    Name(Glob),
    /// With `/`: the parts of the path in order from the domain down.
    Path(Vec<Step>),
    /// Malformed: never matches.
    Nothing,
}

#[derive(Debug, Clone)]
enum Step {
    /// The next part has to match, or any later part when a `**` came before.
    Part { glob: Glob, after_any_depth: bool },
    /// A `**` at the end takes whatever is left.
    Rest,
    /// A part that can match nothing, such as `a**b`.
    Never,
}

impl Pattern {
    /// Reads one line; none for an empty line or a comment.
    pub(super) fn parse(line: &str, domain: &[String]) -> Option<Self> {
        if line.starts_with('#') || line.trim().is_empty() {
            return None;
        }
        let (includes, text) = line.strip_prefix('!').map_or((false, line), |text| (true, text));
        let text = if text.ends_with("\\ ") { text } else { text.trim_end_matches(' ') };
        let (dir_only, text) = text.strip_suffix('/').map_or((false, text), |text| (true, text));
        let shape = if text.contains('/') { Shape::Path(steps(text)) } else { name(text) };
        Some(Self { domain: domain.to_vec(), includes, dir_only, shape })
    }

    /// Whether it says anything about this path.
    pub(super) fn matches(&self, path: &[&str], is_dir: bool) -> bool {
        let Some((domain, path)) = path.split_at_checked(self.domain.len()) else { return false };
        if path.is_empty() || domain.iter().zip(&self.domain).any(|(part, wanted)| part != wanted) {
            return false;
        }
        match &self.shape {
            Shape::Nothing => false,
            Shape::Name(glob) => path
                .iter()
                .position(|part| glob.matches(part))
                .is_some_and(|at| !self.dir_only || is_dir || at + 1 < path.len()),
            Shape::Path(steps) => left_after(steps, path).is_some_and(|left| !self.dir_only || is_dir || left > 0),
        }
    }
}

fn name(text: &str) -> Shape {
    Glob::parse(text).map_or(Shape::Nothing, Shape::Name)
}

/// The steps of a pattern with slashes. An empty part, as a leading `/` makes one, is no step and ends the reach of a
/// `**` before it.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut after_any_depth = false;
    let mut parts = text.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "" => after_any_depth = false,
            "**" if parts.peek().is_none() => steps.push(Step::Rest),
            "**" => after_any_depth = true,
            part => {
                // `**` is only special as a whole part; inside one it is an error that matches nothing.
                let glob = if part.contains("**") { None } else { Glob::parse(part) };
                steps.push(glob.map_or(Step::Never, |glob| Step::Part { glob, after_any_depth }));
                after_any_depth = false;
            }
        }
    }
    steps
}

/// How many parts of the path are left when every step found its part; none when one did not. A `**` takes as little as
/// it can and never reconsiders.
fn left_after(steps: &[Step], mut path: &[&str]) -> Option<usize> {
    let mut matched = false;
    for step in steps {
        match step {
            Step::Never => return None,
            Step::Rest => break,
            Step::Part { glob, after_any_depth: false } => {
                let (part, rest) = path.split_first()?;
                if !glob.matches(part) {
                    return None;
                }
                (matched, path) = (true, rest);
            }
            Step::Part { glob, after_any_depth: true } => {
                if path.is_empty() {
                    return None;
                }
                match path.iter().position(|part| glob.matches(part)) {
                    Some(at) => (matched, path) = (true, path.get(at + 1..).unwrap_or_default()),
                    // Not found is not the end: only the verdict so far is lost, and nothing of the path is left.
                    None => (matched, path) = (false, &[]),
                }
            }
        }
    }
    matched.then_some(path.len())
}
