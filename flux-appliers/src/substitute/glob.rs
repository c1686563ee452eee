//! Patterns of `${v#pattern}`: those of Go's `path.Match`, with a `*` that also matches slashes.

/// A pattern that is none: an open bracket, a lone backslash at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What stands between two stars.
#[derive(Debug)]
enum Token {
    Any,
    Literal(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// A pattern, ready to match.
#[derive(Debug)]
pub(super) struct Glob {
    /// What stands between the stars; nothing stands before a star that comes first.
    chunks: Vec<Vec<Token>>,
}

impl Glob {
    /// Reads a pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, Malformed> {
        let mut chunks = vec![Vec::new()];
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            let token = match c {
                '*' => {
                    chunks.push(Vec::new());
                    continue;
                }
                '?' => Token::Any,
                '\\' => Token::Literal(chars.next().ok_or(Malformed)?),
                '[' => {
                    let negated = chars.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
                        let low = member(&mut chars)?;
                        let high = if chars.next_if_eq(&'-').is_some() { member(&mut chars)? } else { low };
                        ranges.push((low, high));
                    }
                    Token::Set { negated, ranges }
                }
                literal => Token::Literal(literal),
            };
            if let Some(chunk) = chunks.last_mut() {
                chunk.push(token);
            }
        }
        Ok(Self { chunks })
    }

    /// Whether the pattern matches the whole of a text. `steps` counts down; at zero there is no match.
    pub(super) fn matches(&self, text: &[u8], steps: &mut usize) -> bool {
        let Some((first, rest)) = self.chunks.split_first() else { return text.is_empty() };
        let Some(mut text) = prefix(first, text, steps) else { return false };
        let Some((last, between)) = rest.split_last() else { return text.is_empty() };
        // The first place at which a chunk fits leaves the most for those that follow.
        for chunk in between {
            let Some(left) = (0..=text.len()).find_map(|at| prefix(chunk, &text[at..], steps)) else { return false };
            text = left;
        }
        last.is_empty() || (0..=text.len()).any(|at| prefix(last, &text[at..], steps).is_some_and(<[u8]>::is_empty))
    }
}

fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, Malformed> {
    match chars.next() {
        None | Some('-' | ']') => Err(Malformed),
        Some('\\') => chars.next().ok_or(Malformed),
        Some(c) => Ok(c),
    }
}

/// What is left of a text whose start matches.
fn prefix<'a>(chunk: &[Token], mut text: &'a [u8], steps: &mut usize) -> Option<&'a [u8]> {
    for token in chunk {
        *steps = steps.checked_sub(1)?;
        let (c, width) = decode(text)?;
        let fits = match token {
            Token::Any => true,
            Token::Literal(literal) => *literal == c,
            Token::Set { negated, ranges } => ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated,
        };
        if !fits {
            return None;
        }
        text = &text[width..];
    }
    *steps = steps.checked_sub(1)?;
    Some(text)
}

/// The first character and its width; a byte that starts none counts as one of width 1, as in Go.
pub(super) fn decode(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let window = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    Some(valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_matches_as_go_does_but_for_slashes() {
        let matches = |pattern: &str, text: &str| Glob::new(pattern).map(|g| g.matches(text.as_bytes(), &mut 10_000));
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*.tar.*", "x.tar.gz", true),
            ("a?c", "aéc", true),
            ("[a-c]*", "bx", true),
            ("[^a-c]*", "bx", false),
            ("\\*", "*", true),
            ("a**b", "ab", true),
            ("*a*b*a", "xaxbxa", true),
        ] {
            assert_eq!(matches(pattern, text), Ok(expected), "{pattern} {text}");
        }
        for pattern in ["[", "[a", "[]a]", "[a-]", "\\", "[-x]"] {
            assert!(Glob::new(pattern).is_err(), "{pattern}");
        }
    }
}
