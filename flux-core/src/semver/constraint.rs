//! Ranges of versions.

use std::cmp::Ordering;
use std::fmt;

use super::scan::{Pieces, after, pieces, run};
use super::version::{SemverError, Version, compare_prereleases};

/// A range of versions: comparisons of which all must hold, in groups of which one must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    groups: Vec<Vec<Comparison>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    written_operator: String,
    written_version: String,
    version: Version,
    wild: Wild,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    TildeOrEqual,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// From which number on a version is left open, by `x` or by not being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wild {
    Nothing,
    Patch,
    Minor,
    Major,
}

/// The longer spellings first, as each is a prefix of another.
const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::TildeOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::TildeOrEqual),
];

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// What stands for a number in a range. The `|` is there because Go's pattern has it.
fn is_wild_digit(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b'x' | b'X' | b'*' | b'|')
}

impl Constraint {
    /// Reads a range: comparisons (`=`, `!=`, `>`, `<`, `>=`, `<=`, `~`, `^`, or none) joined by spaces or commas, groups
    /// of them by `||`, and `1.2 - 1.4` for both ends included (`NewConstraint`).
    ///
    /// # Errors
    /// If it is not of that form; also if it is empty.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        let text = spell_out_ranges(text);
        let groups = text.split("||").map(group).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Whether the version is in the range. Prereleases are only in the groups that name one.
    pub fn matches(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let prereleases = group.iter().any(|comparison| !comparison.version.prerelease().is_empty());
            (prereleases || version.prerelease().is_empty())
                && group.iter().all(|comparison| comparison.matches(version))
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in self.groups.iter().enumerate() {
            if i > 0 {
                f.write_str(" || ")?;
            }
            for (j, comparison) in group.iter().enumerate() {
                if j > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{}{}", comparison.written_operator, comparison.written_version)?;
            }
        }
        Ok(())
    }
}

/// Rewrites `1.2 - 1.4` as `>= 1.2, <= 1.4`.
fn spell_out_ranges(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match range_at(rest) {
            Some((low, high, length)) => {
                out.push_str(&format!(">= {low}, <= {high} "));
                rest = after(rest, length);
            }
            None => {
                out.push(c);
                rest = after(rest, c.len_utf8());
            }
        }
    }
    out
}

fn range_at(text: &str) -> Option<(&str, &str, usize)> {
    let version = |at: usize| pieces(after(text, at), is_wild_digit).map(|p| p.length);
    let mut at = run(text, is_space);
    let low_start = at;
    at += version(at)?;
    let low = text.get(low_start..at)?;
    let space = run(after(text, at), is_space);
    at += space;
    if space == 0 || !after(text, at).starts_with('-') {
        return None;
    }
    at += 1;
    let space = run(after(text, at), is_space);
    at += space;
    if space == 0 {
        return None;
    }
    let high_start = at;
    at += version(at)?;
    let high = text.get(high_start..at)?;
    at += run(after(text, at), is_space);
    Some((low, high, at))
}

fn group(text: &str) -> Result<Vec<Comparison>, SemverError> {
    let improper = || SemverError::Constraint(text.to_owned());
    let mut comparisons = Vec::new();
    let mut rest = after(text, run(text, is_space));
    loop {
        let (operator, spelling, pieces, length) = comparison_at(rest).ok_or_else(improper)?;
        let written = pieces_text(rest, spelling, length);
        comparisons.push(Comparison::new(operator, spelling, written, &pieces)?);
        rest = after(rest, length);
        let space = run(rest, is_space);
        rest = after(rest, space);
        if rest.is_empty() {
            return Ok(comparisons);
        }
        match rest.strip_prefix(',') {
            Some(after_comma) => rest = after(after_comma, run(after_comma, is_space)),
            None if space == 0 => return Err(improper()),
            None => {}
        }
    }
}

fn pieces_text<'t>(rest: &'t str, spelling: &str, length: usize) -> &'t str {
    let text = rest.get(spelling.len()..length).unwrap_or("");
    after(text, run(text, is_space))
}

/// The comparison at the start of `text`, and its length.
fn comparison_at(text: &str) -> Option<(Operator, &'static str, Pieces<'_>, usize)> {
    OPERATORS.iter().filter(|(spelling, _)| text.starts_with(spelling)).find_map(|(spelling, operator)| {
        let rest = after(text, spelling.len());
        let space = run(rest, is_space);
        let pieces = pieces(after(rest, space), is_wild_digit)?;
        Some((*operator, *spelling, pieces, spelling.len() + space + pieces.length))
    })
}

fn is_wild(piece: &str) -> bool {
    matches!(piece.trim_start_matches('.'), "" | "x" | "X" | "*")
}

impl Comparison {
    fn new(operator: Operator, spelling: &str, written: &str, pieces: &Pieces<'_>) -> Result<Self, SemverError> {
        let mut known = *pieces;
        known.metadata = "";
        let wild = if is_wild(pieces.major) {
            (known.major, known.minor, known.patch) = ("0", "", "");
            Wild::Major
        } else if is_wild(pieces.minor) {
            (known.minor, known.patch) = ("", "");
            Wild::Minor
        } else if is_wild(pieces.patch) {
            known.patch = "";
            Wild::Patch
        } else {
            Wild::Nothing
        };
        if wild == Wild::Nothing {
            known.metadata = pieces.metadata;
        }
        let version = Version::from_pieces(&known, written).map_err(|_| SemverError::ConstraintVersion)?;
        Ok(Self { operator, written_operator: spelling.to_owned(), written_version: written.to_owned(), version, wild })
    }

    /// Whether the comparison holds, for a version whose being a prerelease is not held against it.
    fn matches(&self, v: &Version) -> bool {
        let order = v.cmp_precedence(&self.version);
        match self.operator {
            Operator::TildeOrEqual if self.wild == Wild::Nothing => order.is_eq(),
            Operator::TildeOrEqual | Operator::Tilde => self.tilde(v, order),
            Operator::Caret => self.caret(v, order),
            Operator::NotEqual => self.differs(v, order),
            Operator::Greater => self.is_exceeded(v, order),
            Operator::Less => order.is_lt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::LessOrEqual => match self.wild {
                Wild::Nothing => order.is_le(),
                _ => {
                    let c = &self.version;
                    v.major() < c.major()
                        || v.major() == c.major() && (self.wild == Wild::Minor || v.minor() <= c.minor())
                }
            },
        }
    }

    fn differs(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        match self.wild {
            Wild::Nothing => order.is_ne(),
            _ if v.major() != c.major() => true,
            Wild::Minor => false,
            _ if v.minor() != c.minor() => true,
            Wild::Patch => compare_prereleases(v.prerelease(), c.prerelease()).is_ne(),
            // A bare wildcard stands for 0.0.0 here.
            Wild::Major => v.patch() != c.patch() || order.is_ne(),
        }
    }

    fn is_exceeded(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        match (self.wild, v.major().cmp(&c.major())) {
            (Wild::Nothing, _) => order.is_gt(),
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) | (Wild::Minor, Ordering::Equal) => false,
            (Wild::Patch, Ordering::Equal) => v.minor() > c.minor(),
            (Wild::Major, Ordering::Equal) => order.is_gt(),
        }
    }

    fn tilde(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if order.is_lt() {
            return false;
        }
        // `~0.0.0`, and any bare wildcard with it, admits everything from there on.
        let is_zero = (c.major(), c.minor(), c.patch()) == (0, 0, 0);
        if is_zero && matches!(self.wild, Wild::Nothing | Wild::Major) {
            return true;
        }
        v.major() == c.major() && (self.wild == Wild::Minor || v.minor() == c.minor())
    }

    fn caret(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if order.is_lt() {
            return false;
        }
        if c.major() > 0 || self.wild == Wild::Minor {
            return v.major() == c.major();
        }
        if v.major() > 0 {
            return false;
        }
        if c.minor() > 0 || self.wild == Wild::Patch {
            return v.minor() == c.minor();
        }
        v.minor() == 0 && v.patch() == c.patch()
    }
}
