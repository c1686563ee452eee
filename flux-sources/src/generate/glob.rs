//! Patterns of paths: `*`, `?`, `[a-z]` and `{a,b}` inside a name, and `**` for any names.

/// How many alternatives a pattern may have when its braces are spelt out.
const ALTERNATIVES: usize = 256;
/// Bytes of a pattern.
const BYTES: usize = 1024;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Vec<Part>>);

/// What stands between two `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any names, or none.
    Any,
    Name(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(char),
    One,
    Many,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// Whether a text is a pattern, and not a path.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// In words: a class or a brace that is not closed, or too much of a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES {
            return Err(format!("more than {BYTES} bytes in a pattern"));
        }
        let mut spelt = Vec::new();
        spell_out(text, &mut spelt).map_err(|problem| format!("`{text}`: {problem}"))?;
        let parts = |text: &String| text.split('/').filter(|part| !part.is_empty() && *part != ".").map(part).collect();
        let all: Result<_, String> = spelt.iter().map(parts).collect();
        Ok(Self(all.map_err(|problem| format!("`{text}`: {problem}"))?))
    }

    /// Whether a path, parts joined by `/`, is meant.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.0.iter().any(|parts| matches(parts, &names))
    }
}

/// The alternatives of the first brace, and of those after it.
fn spell_out(text: &str, out: &mut Vec<String>) -> Result<(), String> {
    let Some((before, rest)) = text.split_once('{') else {
        if out.len() >= ALTERNATIVES {
            return Err(format!("more than {ALTERNATIVES} alternatives"));
        }
        out.push(text.to_owned());
        return Ok(());
    };
    let (mut depth, mut start, mut alternatives, mut end) = (0_usize, 0, Vec::new(), None);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                alternatives.push(&rest[start..at]);
                end = Some(at + 1);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                alternatives.push(&rest[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    let after = rest.get(end.ok_or("a `{` is not closed")?..).unwrap_or_default();
    for alternative in alternatives {
        spell_out(&format!("{before}{alternative}{after}"), out)?;
    }
    Ok(())
}

fn part(text: &str) -> Result<Part, String> {
    if text == "**" {
        return Ok(Part::Any);
    }
    let mut pieces = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' if pieces.last() == Some(&Piece::Many) => continue,
            '*' => Piece::Many,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next().ok_or("a `\\` escapes nothing")?),
            '[' => class(&mut chars)?,
            other => Piece::Char(other),
        });
    }
    Ok(Part::Name(pieces))
}

fn class(chars: &mut std::str::Chars<'_>) -> Result<Piece, String> {
    let open = || "a `[` is not closed".to_owned();
    let mut next = chars.next().ok_or_else(open)?;
    let negated = matches!(next, '^' | '!');
    if negated {
        next = chars.next().ok_or_else(open)?;
    }
    let mut ranges = Vec::new();
    loop {
        if next == ']' && !ranges.is_empty() {
            return Ok(Piece::Class { negated, ranges });
        }
        let first = if next == '\\' { chars.next().ok_or_else(open)? } else { next };
        next = chars.next().ok_or_else(open)?;
        let mut last = first;
        if next == '-' && !chars.as_str().starts_with(']') {
            last = chars.next().ok_or_else(open)?;
            next = chars.next().ok_or_else(open)?;
        }
        ranges.push((first, last));
    }
}

/// In time of the product of both lengths, whatever the pattern.
fn matches(parts: &[Part], names: &[&str]) -> bool {
    // Which numbers of names the parts so far can stand for.
    let mut reached = vec![false; names.len() + 1];
    reached[0] = true;
    for part in parts {
        match part {
            Part::Any => {
                let first = reached.iter().position(|&there| there).unwrap_or(reached.len());
                reached.iter_mut().skip(first).for_each(|there| *there = true);
            }
            Part::Name(pieces) => {
                let mut next = vec![false; names.len() + 1];
                for (index, name) in names.iter().enumerate() {
                    next[index + 1] = reached[index] && name_matches(pieces, name);
                }
                reached = next;
            }
        }
    }
    reached.last().copied().unwrap_or(false)
}

fn name_matches(pieces: &[Piece], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    // Where the last `*` is, and from where what follows it was tried.
    let mut star: Option<(usize, usize)> = None;
    while at < chars.len() {
        let fits = match pieces.get(piece) {
            Some(Piece::Many) => {
                star = Some((piece, at));
                piece += 1;
                continue;
            }
            Some(Piece::One) => true,
            Some(Piece::Char(c)) => chars[at] == *c,
            Some(Piece::Class { negated, ranges }) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&chars[at])) != *negated
            }
            None => false,
        };
        match (fits, star) {
            (true, _) => (piece, at) = (piece + 1, at + 1),
            (false, Some((many, tried))) => {
                star = Some((many, tried + 1));
                (piece, at) = (many + 1, tried + 1);
            }
            (false, None) => return false,
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_doublestar_makes_of_them() {
        for (pattern, path, meant) in [
            ("a/b", "a/b", true),
            ("a", "a/b", false),
            ("*", "a", true),
            ("*", "a/b", false),
            ("*.yaml", "x.yaml", true),
            ("*.yaml", "d/x.yaml", false),
            ("**", "a/b/c", true),
            ("**/*.yaml", "x.yaml", true),
            ("**/*.yaml", "a/b/x.yaml", true),
            ("d/**", "d/a/b", true),
            ("d/**", "e/a", false),
            ("d/**/x", "d/x", true),
            ("d/**/x", "d/a/b/x", true),
            ("d/**/x", "d/a/b/y", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[!a]", "b", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("{a,b}/*.{md,txt}", "b/x.txt", true),
            ("{a,b}/*.{md,txt}", "c/x.txt", false),
            ("a{,b}", "a", true),
            ("{a,b{c,d}}", "bd", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(path), meant, "{pattern} {path}");
        }
    }

    #[test]
    fn broken_and_excessive_patterns_are_refused() {
        for (pattern, problem) in [
            ("[a", "`[` is not closed"),
            ("[", "`[` is not closed"),
            ("{a,b", "`{` is not closed"),
            ("a\\", "escapes nothing"),
            (&"{a,b}".repeat(9), "more than 256 alternatives"),
            (&"a".repeat(1025), "more than 1024 bytes"),
        ] {
            let error = Glob::parse(pattern).unwrap_err();
            assert!(error.contains(problem), "{problem}: {error}");
        }
        let many = Glob::parse(&"**/a*a*a*b/".repeat(60)).unwrap();
        assert!(!many.matches(&["aaaaaaaaaaaaaaaaaaaa"; 400].join("/")), "and in time");
    }
}
