//! `.helmignore`.

use super::error::ChartError;

/// The patterns of files that are not part of a chart.
#[derive(Debug, Default)]
pub(super) struct Rules {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: Vec<char>,
    /// What every name ends in that the pattern is for: most files are told apart by it.
    tail: String,
    negated: bool,
    only_folders: bool,
    /// Whether the pattern is for whole paths, rather than for names anywhere.
    whole: bool,
}

impl Rules {
    pub(super) fn parse(text: &str) -> Result<Self, ChartError> {
        let mut patterns = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let rule = line.trim();
            if rule.is_empty() || rule.starts_with('#') {
                continue;
            }
            if rule.contains("**") {
                return Err(ChartError::Ignore("double-star (**) syntax is not supported".to_owned()));
            }
            if !is_pattern(rule) {
                return Err(ChartError::Ignore("syntax error in pattern".to_owned()));
            }
            let (negated, rule) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
            let (only_folders, rule) = rule.strip_suffix('/').map_or((false, rule), |rest| (true, rest));
            let whole = rule.contains('/');
            let rule = rule.strip_prefix('/').unwrap_or(rule);
            let is_simple = !rule.contains(['[', '\\']);
            let tail = rule.rsplit(['*', '?']).next().filter(|_| is_simple).unwrap_or_default();
            patterns.push(Pattern {
                text: rule.chars().collect(),
                tail: tail.to_owned(),
                negated,
                only_folders,
                whole,
            });
        }
        Ok(Self { patterns })
    }

    /// Whether the file, or a folder it is in, is to be left out.
    pub(super) fn ignores(&self, path: &str) -> bool {
        let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        folders.into_iter().any(|folder| self.matches(folder, true) || is_hidden_template(folder))
            || self.matches(path, false)
            || is_hidden_template(path)
    }

    fn matches(&self, path: &str, is_folder: bool) -> bool {
        for pattern in &self.patterns {
            let subject = if pattern.whole { path } else { path.rsplit('/').next().unwrap_or(path) };
            let matched = subject.ends_with(&pattern.tail) && glob(&pattern.text, &subject.chars().collect::<Vec<_>>());
            if pattern.negated {
                // What a negated rule does not name is left out: that is how Helm reads it.
                if (pattern.only_folders && !is_folder) || !matched {
                    return true;
                }
            } else if matched && (is_folder || !pattern.only_folders) {
                return true;
            }
        }
        false
    }
}

/// Dot files directly in `templates` are never part of a chart.
fn is_hidden_template(path: &str) -> bool {
    path.strip_prefix("templates/").is_some_and(|rest| rest.starts_with('.') && rest.len() > 1 && !rest.contains('/'))
}

/// Whether every class is closed and every backslash escapes something.
fn is_pattern(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return false,
            '[' => {
                let mut at = 0;
                loop {
                    match chars.next() {
                        None => return false,
                        Some('^') if at == 0 => continue,
                        Some(']') if at > 0 => break,
                        Some('\\') if chars.next().is_none() => return false,
                        Some('-' | ']') if at == 0 => return false,
                        Some(_) => at += 1,
                    }
                }
            }
            _ => {}
        }
    }
    true
}

/// Go's `filepath.Match`: `*` and `?` within one part of a path, and classes.
pub(crate) fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to take up again after a `*` took too little.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some('?'), Some(c)) if *c != '/' => Some(1),
            (Some('['), Some(c)) => class(pattern, p, *c),
            (Some('\\'), Some(c)) if pattern.get(p + 1) == Some(c) => Some(2),
            (Some(x), Some(c)) if x == c && !matches!(x, '[' | '\\' | '?') => Some(1),
            _ => None,
        };
        if let Some(length) = step {
            p += length;
            t += 1;
            continue;
        }
        match retry {
            Some((after, from)) if text.get(from).is_some_and(|c| *c != '/') => {
                retry = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            _ => return false,
        }
    }
}

/// The length of the class at `start`, if `c` is in it.
fn class(pattern: &[char], start: usize, c: char) -> Option<usize> {
    let mut i = start + 1;
    let negated = pattern.get(i) == Some(&'^');
    i += usize::from(negated);
    let first = i;
    let mut found = false;
    loop {
        match pattern.get(i)? {
            ']' if i > first => break,
            low => {
                let high = match (pattern.get(i + 1), pattern.get(i + 2)) {
                    (Some('-'), Some(high)) if *high != ']' => {
                        i += 2;
                        high
                    }
                    _ => low,
                };
                found |= *low <= c && c <= *high;
                i += 1;
            }
        }
    }
    (found != negated && c != '/').then_some(i + 1 - start)
}
