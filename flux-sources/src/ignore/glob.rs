//! One part of a path against one part of a pattern: the rules of Go's `filepath.Match`.

/// A compiled glob: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a character that stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyChar,
    AnyText,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Compiles a pattern; none for one that is malformed, which in this dialect matches nothing.
    pub(super) fn parse(pattern: &str) -> Option<Self> {
        let mut chars = pattern.chars().peekable();
        let mut tokens = Vec::new();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::AnyText,
                '?' => Token::AnyChar,
                '\\' => Token::Char(chars.next()?),
                '[' => class(&mut chars)?,
                c => Token::Char(c),
            });
        }
        tokens.dedup_by(|next, token| *next == Token::AnyText && *token == Token::AnyText);
        Some(Self(tokens))
    }

    /// Whether the whole name matches, in time proportional to name times pattern.
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut tokens = self.0.as_slice();
        let mut rest = name.chars();
        // Where to go on when what follows the last `*` does not fit: let that `*` take one character more.
        let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
        loop {
            let fits = match tokens.split_first() {
                Some((Token::AnyText, after)) => {
                    tokens = after;
                    retry = Some((after, rest.clone()));
                    true
                }
                Some((token, after)) => {
                    tokens = after;
                    rest.next().is_some_and(|c| token.matches(c))
                }
                None if rest.as_str().is_empty() => return true,
                None => false,
            };
            if !fits {
                let Some((after, from)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                tokens = after;
                rest = from.clone();
            }
        }
    }
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => c == *wanted,
            Self::AnyChar => true,
            Self::AnyText => false,
            Self::Class { negated, ranges } => ranges.iter().any(|&(low, high)| low <= c && c <= high) != *negated,
        }
    }
}

/// What follows a `[`, up to its `]`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Token::Class { negated, ranges });
        }
        let low = class_char(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { class_char(chars)? } else { low };
        ranges.push((low, high));
    }
}

/// One end of a range; `-` and `]` only count as themselves after a `\`.
fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*ab*ab", "abxabab", true),
            ("?.yaml", "é.yaml", true),
            ("[^a-c]x", "dx", true),
            ("[!a]x", "bx", false),
            (r"\*", "*", true),
            (r"[\]]", "]", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn malformed_globs_are_known() {
        for pattern in ["[", "[]", "[a", "[-a]", "[a-]", "[^]", r"a\"] {
            assert_eq!(Glob::parse(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        assert!(!Glob::parse(&"a*".repeat(200)).unwrap().matches(&"a".repeat(199)));
    }
}
