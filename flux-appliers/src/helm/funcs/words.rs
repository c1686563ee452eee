//! Words: their case, their initials, where lines break.

use super::case::{lower, title as title_case, upper};

/// Go's `strings.Title`: the first letter of each word in title case, and nothing else changed.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for c in text.chars() {
        out.push(if at_start { title_case(c) } else { c });
        at_start = if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
    }
    out
}

/// The first letter of each word, at the start or after space, in lower case.
pub(super) fn untitle(text: &str) -> String {
    let mut at_start = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(if at_start { lower(c) } else { c });
        at_start = c.is_whitespace();
    }
    out
}

/// Upper and title case become lower; lower case becomes upper, or title case at the start of a word.
pub(super) fn swap_case(text: &str) -> String {
    let mut at_start = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(if lower(c) != c {
            lower(c)
        } else if at_start {
            title_case(c)
        } else {
            upper(c)
        });
        at_start = c.is_whitespace();
    }
    out
}

/// The first byte of each word as a character: Sprig's library takes bytes for characters here.
pub(super) fn initials(text: &str) -> String {
    text.split_whitespace().filter_map(|word| word.bytes().next()).map(char::from).collect()
}

/// Without space; bytes are characters here as well.
pub(super) fn without_space(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).filter(|c| !c.is_whitespace()).collect()
}

/// What a stretch of a name is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stretch {
    Number,
    /// Begins with an upper-case letter.
    Capital,
    Letters,
    /// Space, underscores and hyphens.
    Gap,
    Punctuation,
    Other,
}

fn is_gap(c: char) -> bool {
    matches!(c, '-' | '_') || c.is_whitespace()
}

/// Letters that have a case, and those that never have one.
fn is_letter(c: char) -> bool {
    c.is_alphabetic()
        && (c.is_uppercase() || c.is_lowercase() || !matches!(c, '\u{2b0}'..='\u{2ff}' | '\u{2c7c}'..='\u{2c7d}'))
}

fn is_punctuation(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        c if c.is_ascii() => c.is_ascii_punctuation(),
        '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}' => true,
        '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => !matches!(c, '\u{2044}' | '\u{2052}'),
        '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{ff01}'..='\u{ff0f}' => true,
        _ => false,
    }
}

/// Splits off the first stretch.
fn stretch(text: &str) -> Option<(Stretch, &str, &str)> {
    let first = text.chars().next()?;
    let until = |ends: &dyn Fn(char) -> bool| {
        text.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(text.len(), |(at, _)| at)
    };
    let small = |c: char| is_letter(c) && !c.is_uppercase();
    let (kind, end) = if is_gap(first) {
        (Stretch::Gap, until(&|c| !is_gap(c)))
    } else if is_punctuation(first) {
        (Stretch::Punctuation, until(&|c| !is_punctuation(c)))
    } else if first.is_uppercase() {
        let capitals = until(&|c| !c.is_uppercase());
        let one = capitals == first.len_utf8();
        let follows = text.get(capitals..).and_then(|rest| rest.chars().next()).is_some_and(small);
        let end = match (one, follows) {
            (true, true) => until(&|c| !small(c)),
            // Of `HTTPServer` the S goes with what follows.
            (false, true) => {
                let before = text.get(..capitals).and_then(|capitals| capitals.char_indices().next_back());
                before.map_or(capitals, |(at, _)| at)
            }
            _ => capitals,
        };
        (Stretch::Capital, end)
    } else if is_letter(first) {
        (Stretch::Letters, until(&|c| !small(c)))
    } else if first.is_numeric() {
        (Stretch::Number, until(&|c| !c.is_numeric()))
    } else {
        let ends = |c: char| is_gap(c) || is_letter(c) || c.is_numeric() || is_punctuation(c);
        (Stretch::Other, until(&ends))
    };
    let (word, rest) = text.split_at(end);
    Some((kind, word, rest))
}

/// `HTTPServer` as `http_server`, `HTTP20xOK` as `http_20x_ok`, `Bld4Floor3rd` as `bld4_floor_3rd`.
pub(super) fn delimited(text: &str, delimiter: char) -> String {
    let mut stretches = Vec::new();
    let mut rest = text;
    while let Some((kind, word, after)) = stretch(rest) {
        stretches.push((kind, word));
        rest = after;
    }
    let mut out = String::with_capacity(text.len() + 8);
    let write = |out: &mut String, (kind, word): (Stretch, &str)| match kind {
        Stretch::Capital => out.extend(word.chars().map(lower)),
        Stretch::Gap => out.extend(word.chars().map(|_| delimiter)),
        _ => out.push_str(word),
    };
    let kind = |at: usize| stretches.get(at).map(|(kind, _)| *kind);
    // Whether what is at a place is set off from a word before it.
    let is_set_off = |at: usize| kind(at).is_some_and(|k| !matches!(k, Stretch::Gap | Stretch::Punctuation));
    let in_number = |at: usize| matches!(kind(at), Some(Stretch::Letters | Stretch::Number));
    let mut at = 0;
    while let Some(current) = stretches.get(at).copied() {
        write(&mut out, current);
        at += 1;
        match current.0 {
            Stretch::Gap | Stretch::Punctuation => continue,
            Stretch::Number => {}
            _ if kind(at) == Some(Stretch::Number) => {
                // A number belongs to the word before it, unless small letters follow it.
                let joins = kind(at + 1) != Some(Stretch::Letters);
                if joins && at + 1 == stretches.len() {
                    continue;
                }
                if !joins {
                    out.push(delimiter);
                }
                if let Some(number) = stretches.get(at).copied() {
                    write(&mut out, number);
                }
                at += 1;
                if joins {
                    if is_set_off(at) {
                        out.push(delimiter);
                    }
                    continue;
                }
            }
            _ => {
                if is_set_off(at) {
                    out.push(delimiter);
                }
                continue;
            }
        }
        while in_number(at) {
            if let Some(word) = stretches.get(at).copied() {
                write(&mut out, word);
            }
            at += 1;
        }
        if is_set_off(at) {
            out.push(delimiter);
        }
    }
    out
}

/// `no_https` as `NoHttps` and `HTTP_port` as `HttpPort`: the letter after each gap in upper case, those after it in
/// lower case if all began in upper case, and the gap gone. Gaps at the start and at the end stay, as does what is
/// beyond one character within.
pub(super) fn pascal_case(text: &str) -> String {
    let lead = text.find(|c| !is_gap(c)).unwrap_or(text.len());
    let (start, rest) = text.split_at(lead);
    let mut out = start.to_owned();
    let mut chars = rest.chars();
    let first = chars.next();
    // A text of gaps alone has its last one twice.
    let Some(mut before) = first.map(upper).or_else(|| start.chars().next_back()) else {
        return out;
    };
    let mut lowering = first.is_some_and(char::is_uppercase);
    for c in chars {
        if is_gap(before) && !is_gap(c) {
            before = upper(c);
            lowering = c.is_uppercase();
            continue;
        }
        out.push(before);
        lowering &= c.is_uppercase();
        before = if lowering { lower(c) } else { c };
    }
    out.push(before);
    out
}

/// Shortens to `width` bytes with `...` in place of what is cut, at the end and, past `offset`, at the start.
pub(super) fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    const DOTS: &[u8] = b"...";
    let length = text.len() as i64;
    if width < 4 || (offset > 0 && width < 7) || length <= width {
        return text.to_owned();
    }
    let slice = |from: i64, to: i64| {
        let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0).min(text.len());
        text.get(range).unwrap_or_default().to_vec()
    };
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&slice(0, width - 3)[..], DOTS].concat();
    }
    if offset + width - 3 < length {
        return [DOTS, &abbreviate(&slice(offset, length), 0, width - 3)].concat();
    }
    [DOTS, &slice(length - (width - 3), length)].concat()
}

/// Breaks lines at spaces so that they are at most `width` long; a longer word is broken only if `break_words`.
pub(super) fn wrap(text: &str, width: i64, separator: &str, break_words: bool) -> String {
    let width = usize::try_from(width.max(1)).unwrap_or(1);
    let separator = if separator.is_empty() { "\n" } else { separator };
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
        assert_eq!(abbreviate(b"1234 5678 9123", 5, 10), b"...5678...");
    }
}
