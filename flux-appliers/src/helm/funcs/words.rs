//! Words: their case, their initials, where lines break.

/// Go's `strings.Title`: the first letter of each word in upper case, and nothing else changed.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for c in text.chars() {
        if at_start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        at_start = if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
    }
    out
}

/// The first letter of each word, at the start or after space, in lower case.
pub(super) fn untitle(text: &str) -> String {
    let mut at_start = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if at_start && !c.is_whitespace() {
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
        at_start = c.is_whitespace();
    }
    out
}

/// Upper case becomes lower; lower case becomes upper, or title case at the start of a word.
pub(super) fn swap_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}

/// The first letters of the words.
pub(super) fn initials(text: &str) -> String {
    text.split_whitespace().filter_map(|word| word.chars().next()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Letter {
    Upper,
    Lower,
    Digit,
    Gap,
}

fn letter(c: char) -> Letter {
    match c {
        c if c.is_whitespace() || matches!(c, '_' | '-') => Letter::Gap,
        c if c.is_uppercase() => Letter::Upper,
        c if c.is_numeric() => Letter::Digit,
        _ => Letter::Lower,
    }
}

/// `HTTPServer` as `http_server`: a new word begins at an upper-case letter after a lower-case one, at the last of a
/// run of upper-case letters before a lower-case one, and after space or punctuation.
pub(super) fn delimited(text: &str, delimiter: char) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (i, c) in chars.iter().copied().enumerate() {
        let kind = letter(c);
        if kind == Letter::Gap {
            out.push(delimiter);
            continue;
        }
        let before = i.checked_sub(1).and_then(|i| chars.get(i)).copied().map(letter);
        let after = chars.get(i + 1).copied().map(letter);
        let starts = match (before, kind) {
            (None | Some(Letter::Gap), _) => false,
            (Some(Letter::Lower), Letter::Upper) => true,
            (Some(Letter::Upper), Letter::Upper) => after == Some(Letter::Lower),
            (Some(Letter::Digit), Letter::Upper) => true,
            (Some(Letter::Lower), Letter::Digit) => true,
            (Some(Letter::Upper), Letter::Digit) => false,
            _ => false,
        };
        if starts {
            out.push(delimiter);
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// `no_https` as `NoHttps`; leading and trailing underscores stay, as does the second of two within.
pub(super) fn pascal_case(text: &str) -> String {
    let is_gap = |c: char| letter(c) == Letter::Gap;
    let chars: Vec<char> = text.chars().collect();
    let start = chars.iter().take_while(|c| is_gap(**c)).count();
    let end = chars.len() - chars.iter().rev().take_while(|c| is_gap(**c)).count();
    if start >= end {
        return text.to_owned();
    }
    let mut out: String = chars.iter().take(start).collect();
    let mut upper = true;
    for c in chars.iter().take(end).skip(start).copied() {
        if is_gap(c) {
            if upper {
                out.push(c);
            }
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out.extend(chars.iter().skip(end));
    out
}

/// Shortens to `width` bytes with `...` in place of what is cut, at the end and, past `offset`, at the start.
pub(super) fn abbreviate(text: &str, offset: i64, width: i64) -> String {
    let length = text.len() as i64;
    if width < 4 || (offset > 0 && width < 7) || length <= width {
        return text.to_owned();
    }
    let slice = |from: i64, to: i64| {
        let bytes = text.as_bytes();
        let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0).min(bytes.len());
        String::from_utf8_lossy(bytes.get(range).unwrap_or_default()).into_owned()
    };
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return slice(0, width - 3) + "...";
    }
    if offset + width - 3 < length {
        return format!("...{}", abbreviate(&slice(offset, length), 0, width - 3));
    }
    format!("...{}", slice(length - (width - 3), length))
}

/// Breaks lines at spaces so that they are at most `width` long; a longer word is broken only if `break_words`.
pub(super) fn wrap(text: &str, width: i64, separator: &str, break_words: bool) -> String {
    let width = usize::try_from(width.max(1)).unwrap_or(1);
    let chars: Vec<char> = text.chars().collect();
    let slice = |from: usize, to: usize| chars.get(from..to.min(chars.len())).unwrap_or(&[]).iter().collect::<String>();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() && chars.len() - at > width {
        if chars.get(at) == Some(&' ') {
            at += 1;
            continue;
        }
        let window = chars.get(at..=at + width).unwrap_or(&[]);
        if let Some(space) = window.iter().rposition(|c| *c == ' ') {
            out += &slice(at, at + space);
            out += separator;
            at += space + 1;
        } else if break_words {
            out += &slice(at, at + width);
            out += separator;
            at += width;
        } else if let Some(space) = chars.get(at + width..).unwrap_or(&[]).iter().position(|c| *c == ' ') {
            out += &slice(at, at + width + space);
            out += separator;
            at += width + space + 1;
        } else {
            out += &slice(at, chars.len());
            at = chars.len();
        }
    }
    out + &slice(at, chars.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        assert_eq!(title("hello wORLD foo-bar"), "Hello WORLD Foo-Bar");
        assert_eq!(delimited("HTTPServer", '_'), "http_server");
        assert_eq!(delimited("GO_PATH", '-'), "go-path");
        assert_eq!(pascal_case("_complex__case_"), "_Complex_Case_");
    }

    #[test]
    fn lines() {
        assert_eq!(wrap("the quick brown fox jumps", 10, "\n", false), "the quick\nbrown fox\njumps");
        assert_eq!(abbreviate("1234 5678 9123", 5, 10), "...5678...");
    }
}
