//! Which of YAML's scalar styles can carry a text.

use super::scalar::{Resolved, is_base_60, resolve};
use super::{Layout, node::Style};

/// What a text allows, by libyaml's rules.
#[derive(Debug, PartialEq)]
pub(super) struct Analysis {
    /// It has line breaks.
    pub(super) multiline: bool,
    plain: bool,
    flow_plain: bool,
    single: bool,
    block: bool,
}

/// True for what YAML 1.1 takes for a line break.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// True for a character that Go writes as it is.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

// What a byte may mean.
const OTHER: u8 = 1;
const BREAK: u8 = 2;
const SPACE: u8 = 4;
/// Ends a plain text next to a space.
const MARK: u8 = 8;
const FLOW: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'\n' => BREAK,
            b' ' => SPACE,
            b'#' => MARK,
            b':' => MARK | FLOW,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => FLOW,
            b'!'..=b'~' => 0,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

impl Analysis {
    pub(super) fn of(text: &str, layout: Layout) -> Self {
        let bytes = text.as_bytes();
        let [first, .., last] = bytes else { return Self::of_any(text, layout) };
        match bytes.iter().fold(0, |found, byte| found | CLASSES[usize::from(*byte)]) {
            found if found & OTHER != 0 => Self::of_any(text, layout),
            found if found & BREAK != 0 => Self::of_lines(bytes, *last),
            found => Self::of_line(bytes, found, *first, *last),
        }
    }

    /// Lines of printable ASCII, which are never plain.
    fn of_lines(bytes: &[u8], last: u8) -> Self {
        let space_break = bytes.windows(2).any(|pair| pair == b" \n");
        let break_space = bytes.windows(2).any(|pair| pair == b"\n ");
        Self {
            multiline: true,
            plain: false,
            flow_plain: false,
            single: !(space_break || break_space),
            block: !(space_break || last == b' '),
        }
    }

    /// Two or more printable ASCII characters, as nearly all texts are.
    fn of_line(bytes: &[u8], found: u8, first: u8, last: u8) -> Self {
        let marker = bytes.starts_with(b"---") || bytes.starts_with(b"...");
        let leads = match first {
            b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`' => true,
            b'-' | b'?' => bytes[1] == b' ',
            _ => false,
        };
        let inside =
            found & SPACE != 0 && found & MARK != 0 && bytes.windows(2).any(|pair| matches!(pair, b": " | b" #"));
        let flow_indicators = found & FLOW != 0;
        let plain = !(marker || leads || inside || first == b' ' || last == b' ' || last == b':');
        Self { multiline: false, plain, flow_plain: plain && !flow_indicators, single: true, block: last != b' ' }
    }

    fn of_any(text: &str, layout: Layout) -> Self {
        let (mut indicators, mut special, mut tabs) =
            (text.starts_with("---") || text.starts_with("..."), false, false);
        let mut flow_indicators = indicators;
        let (mut multiline, mut leading, mut trailing_space, mut trailing_break) = (false, false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut after_space, mut after_break, mut after_white) = (false, false, true);
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            let last = chars.peek().is_none();
            let before_white = chars.peek().is_none_or(|&next| matches!(next, ' ' | '\t' | '\0') || is_break(next));
            indicators |= match c {
                '#' => first || after_white,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                '-' | '?' => first && before_white,
                ':' => before_white,
                _ => false,
            };
            flow_indicators |= matches!(c, ',' | '?' | '[' | ']' | '{' | '}' | ':');
            // The second generation has no special place for tabs: they are not printable.
            match c {
                '\t' if layout != Layout::Sigs => tabs = true,
                c => special |= !is_printable(c) && !is_break(c) || matches!(c, '\r' | '\u{85}'),
            }
            if c == ' ' {
                leading |= first;
                trailing_space |= last;
                break_space |= after_break;
                (after_space, after_break) = (true, false);
            } else if is_break(c) {
                multiline = true;
                leading |= first;
                trailing_break |= last;
                space_break |= after_space;
                (after_space, after_break) = (false, true);
            } else {
                (after_space, after_break) = (false, false);
            }
            after_white = matches!(c, ' ' | '\t' | '\0') || is_break(c);
            first = false;
        }
        let unquotable = space_break || special;
        let edges = leading || trailing_space || trailing_break;
        let plain = !(edges || break_space || unquotable || tabs || multiline || indicators);
        Self {
            multiline,
            plain,
            flow_plain: plain && !flow_indicators && !text.is_empty(),
            single: !(break_space || unquotable || tabs),
            block: !(trailing_space || unquotable || text.is_empty()),
        }
    }

    /// The style that carries the text inside brackets or braces.
    pub(super) fn flow_style(&self, wanted: Style, simple_key: bool) -> Style {
        match wanted {
            Style::Plain if !self.flow_plain => self.style(Style::Single, simple_key),
            Style::Literal | Style::Folded => Style::Double,
            other => self.style(other, simple_key),
        }
    }

    /// The style that carries the text where `wanted` is asked for.
    pub(super) fn style(&self, wanted: Style, simple_key: bool) -> Style {
        let mut style = wanted;
        if simple_key && self.multiline {
            return Style::Double;
        }
        if style == Style::Plain && !self.plain {
            style = Style::Single;
        }
        if style == Style::Single && !self.single {
            style = Style::Double;
        }
        if style == Style::Literal && (!self.block || simple_key) {
            style = Style::Double;
        }
        style
    }
}

/// The style that Go asks for when it writes a string.
pub(super) fn wanted_style(text: &str) -> Style {
    if text.as_bytes().contains(&b'\n') {
        Style::Literal
    } else if resolve(text, true) != Resolved::Str || is_base_60(text) {
        Style::Double
    } else {
        Style::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_answers_are_those_for_any_text() {
        let alphabet = [" ", ":", "#", "-", "?", ".", ",", "a", "'", "\n"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| alphabet.map(|letter| format!("{text}{letter}"))).collect();
            for text in texts.iter().filter(|text| text.len() > 1) {
                let (line, any) = (Analysis::of(text, Layout::Sigs), Analysis::of_any(text, Layout::Sigs));
                assert_eq!(line, any, "{text:?}");
            }
        }
    }
}
