//! Go's regular expressions (RE2 syntax), checked as Go checks them and rewritten for the `regex` crate.
//!
//! The two differ in what they accept, in what Perl's classes mean (ASCII in Go), in what punctuation is plain, and in
//! how far repetitions may go.

use std::fmt::Write as _;

/// Go refuses repetitions, and repetitions of repetitions, beyond this.
const MAX_REPEAT: u32 = 1000;

const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\f\r ";
const WORD: &str = "0-9A-Za-z_";

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Scripts whose whole name has four letters.
const SHORT_SCRIPTS: [&str; 8] = ["Ahom", "Cham", "Kawi", "Lisu", "Modi", "Newa", "Thai", "Toto"];

/// A pattern for the `regex` crate, and the names of its groups.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// By number, from 0, which is the whole match.
    pub(super) names: Vec<String>,
}

/// Rewrites a pattern.
///
/// # Errors
/// What Go says is wrong, such as ``missing closing ): `(` ``.
pub(super) fn translate(pattern: &[u8]) -> Result<Translated, String> {
    let valid = pattern.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    let text = String::from_utf8_lossy(pattern);
    let mut parser = Parser {
        text: &text,
        at: 0,
        invalid: (valid < pattern.len()).then_some(valid),
        out: String::with_capacity(text.len() + 16),
        groups: vec![Group::default()],
        names: vec![String::new()],
        flags: None,
    };
    parser.run()?;
    Ok(Translated { pattern: parser.out, names: parser.names })
}

/// What has been read of a group.
#[derive(Default)]
struct Group {
    /// How far repetitions multiply in what a repetition operator would apply to; none if there is nothing.
    last: Option<u32>,
    /// The most that they multiply anywhere in the group.
    most: u32,
}

struct Parser<'p> {
    text: &'p str,
    at: usize,
    /// Where the pattern stops being UTF-8.
    invalid: Option<usize>,
    out: String,
    groups: Vec<Group>,
    names: Vec<String>,
    /// Where in `out` flags begin that were the last thing read.
    flags: Option<usize>,
}

fn fault(what: &str, part: &str) -> String {
    format!("{what}: `{part}`")
}

impl<'p> Parser<'p> {
    fn rest(&self) -> &'p str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The pattern from `start` to here.
    fn since(&self, start: usize) -> &'p str {
        self.text.get(start..self.at).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Result<Option<char>, String> {
        if self.invalid == Some(self.at) {
            return Err(fault("invalid UTF-8", self.rest()));
        }
        let next = self.peek();
        self.at += next.map_or(0, char::len_utf8);
        Ok(next)
    }

    /// Notes something that can be repeated.
    fn atom(&mut self, most: u32) {
        if let Some(group) = self.groups.last_mut() {
            group.last = Some(most);
            group.most = group.most.max(most);
        }
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
        self.atom(1);
    }

    fn run(&mut self) -> Result<(), String> {
        // Where the repetition operator just before this place begins.
        let mut repeated: Option<usize> = None;
        while let Some(c) = self.peek() {
            let start = self.at;
            let before = repeated.take();
            let flags = self.flags.take();
            match c {
                '*' | '+' | '?' => {
                    self.at += 1;
                    self.repeat(start, before, None, flags)?;
                    repeated = Some(start);
                }
                '{' => match counts(self.rest()) {
                    None => {
                        self.at += 1;
                        self.literal('{');
                    }
                    Some((low, high, length)) => {
                        self.at += length;
                        if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low) {
                            return Err(fault("invalid repeat count", self.since(start)));
                        }
                        self.repeat(start, before, Some((low, high)), flags)?;
                        repeated = Some(start);
                    }
                },
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                    if let Some(group) = self.groups.last_mut() {
                        group.last = None;
                    }
                }
                '[' => self.class()?,
                '^' | '$' | '.' => {
                    self.at += 1;
                    self.out.push(c);
                    self.atom(1);
                }
                '\\' => self.escaped()?,
                _ => {
                    if let Some(c) = self.next()? {
                        self.literal(c);
                    }
                }
            }
        }
        if self.invalid == Some(self.at) {
            return Err(fault("invalid UTF-8", self.rest()));
        }
        if self.groups.len() > 1 {
            return Err(fault("missing closing )", self.text));
        }
        Ok(())
    }

    /// A repetition operator that began at `start`, `before` being another right before it. It reaches over `flags` to
    /// what is before them, which is where it must stand in the `regex` crate.
    fn repeat(
        &mut self,
        start: usize,
        before: Option<usize>,
        counts: Option<(u32, Option<u32>)>,
        flags: Option<usize>,
    ) -> Result<(), String> {
        if self.peek() == Some('?') {
            self.at += 1;
        }
        self.out.insert_str(flags.unwrap_or(self.out.len()), self.since(start));
        if let Some(before) = before {
            return Err(fault("invalid nested repetition operator", self.since(before)));
        }
        let Some(most) = self.groups.last().and_then(|group| group.last) else {
            return Err(fault("missing argument to repetition operator", self.since(start)));
        };
        let times = counts.map_or(1, |(low, high)| high.unwrap_or(low));
        let most = most.saturating_mul(times.max(1));
        if times >= 2 && most > MAX_REPEAT {
            return Err(fault("invalid repeat count", self.since(start)));
        }
        self.atom(most);
        Ok(())
    }

    fn open(&mut self) -> Result<(), String> {
        let start = self.at;
        let rest = self.rest();
        if !rest.starts_with("(?") {
            self.at += 1;
            self.out.push('(');
            self.names.push(String::new());
            self.groups.push(Group::default());
            return Ok(());
        }
        let named = if rest.starts_with("(?P<") && rest.len() > 4 {
            Some(4)
        } else if rest.starts_with("(?<") && rest.len() > 3 {
            Some(3)
        } else {
            None
        };
        if let Some(skip) = named {
            let Some(end) = rest.find('>') else {
                return Err(fault("invalid named capture", rest));
            };
            let name = rest.get(skip..end).unwrap_or("");
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(fault("invalid named capture", rest.get(..=end).unwrap_or(rest)));
            }
            self.at += end + 1;
            self.out.push('(');
            self.names.push(name.to_owned());
            self.groups.push(Group::default());
            return Ok(());
        }
        self.at += 2;
        let (mut negative, mut saw_flag) = (false, false);
        while let Some(c) = self.next()? {
            match c {
                'i' | 'm' | 's' | 'U' => saw_flag = true,
                '-' if !negative => {
                    negative = true;
                    saw_flag = false;
                }
                ':' | ')' if !negative || saw_flag => {
                    if c == ')' {
                        self.flags = Some(self.out.len());
                    }
                    self.out.push_str(if self.since(start) == "(?)" { "(?:)" } else { self.since(start) });
                    if c == ':' {
                        self.groups.push(Group::default());
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(fault("invalid or unsupported Perl syntax", self.since(start)))
    }

    fn close(&mut self) -> Result<(), String> {
        if self.groups.len() < 2 {
            return Err(fault("unexpected )", self.text));
        }
        self.at += 1;
        self.out.push(')');
        let most = self.groups.pop().map_or(1, |group| group.most.max(1));
        self.atom(most);
        Ok(())
    }

    /// A backslash outside a class.
    fn escaped(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let special = match rest.as_bytes().get(1) {
            Some(b'A') => "\\A",
            Some(b'z') => "\\z",
            // Words are ASCII in Go.
            Some(b'b') => "(?-u:\\b)",
            Some(b'B') => "(?-u:\\B)",
            Some(b'C') => return Err(fault("invalid escape sequence", "\\C")),
            Some(b'Q') => {
                self.at += 2;
                while let Some(c) = self.peek() {
                    if self.rest().starts_with("\\E") {
                        self.at += 2;
                        break;
                    }
                    self.next()?;
                    self.literal(c);
                }
                return Ok(());
            }
            _ => "",
        };
        if !special.is_empty() {
            self.at += 2;
            self.out.push_str(special);
            self.atom(1);
            return Ok(());
        }
        if let Some(class) = self.named_class()? {
            self.out.push_str(&class);
            self.atom(1);
            return Ok(());
        }
        let c = self.escape()?;
        self.literal(c);
        Ok(())
    }

    /// `\p{Greek}`, `\d` and their like, if they are next.
    fn named_class(&mut self) -> Result<Option<String>, String> {
        let rest = self.rest();
        let mut chars = rest.chars();
        if chars.next() != Some('\\') {
            return Ok(None);
        }
        let class = match chars.next() {
            Some('d') => format!("[{DIGIT}]"),
            Some('D') => format!("[^{DIGIT}]"),
            Some('s') => format!("[{SPACE}]"),
            Some('S') => format!("[^{SPACE}]"),
            Some('w') => format!("[{WORD}]"),
            Some('W') => format!("[^{WORD}]"),
            Some(p @ ('p' | 'P')) => {
                let start = self.at;
                self.at += 2;
                let first = self.next()?;
                let name = match first {
                    Some('{') => {
                        let Some(end) = rest.find('}') else {
                            return Err(fault("invalid character class range", rest));
                        };
                        self.at = start + end + 1;
                        rest.get(3..end).unwrap_or("")
                    }
                    _ => self.text.get(start + 2..self.at).unwrap_or(""),
                };
                let (plain, inverted) = name.strip_prefix('^').map_or((name, false), |plain| (plain, true));
                let class =
                    unicode_class(plain).ok_or_else(|| fault("invalid character class range", self.since(start)))?;
                let sign = if (p == 'P') == inverted { "" } else { "^" };
                return Ok(Some(format!("[{sign}{class}]")));
            }
            _ => return Ok(None),
        };
        self.at += 2;
        Ok(Some(class))
    }

    /// The character that an escape stands for.
    fn escape(&mut self) -> Result<char, String> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.next()? else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let is_octal = |c: Option<char>| c.is_some_and(|c| ('0'..='7').contains(&c));
        let code = match c {
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            '0'..='7' if c == '0' || is_octal(self.peek()) => {
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
                    self.at += 1;
                    code = code * 8 + digit;
                }
                Some(code)
            }
            'x' => self.hexadecimal()?,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c as u32),
            _ => None,
        };
        code.and_then(char::from_u32).ok_or_else(|| fault("invalid escape sequence", self.since(start)))
    }

    fn hexadecimal(&mut self) -> Result<Option<u32>, String> {
        let digit =
            |parser: &mut Self| -> Result<Option<u32>, String> { Ok(parser.next()?.and_then(|c| c.to_digit(16))) };
        if self.peek() != Some('{') {
            if self.peek().is_none() {
                return Ok(None);
            }
            let high = digit(self)?;
            let low = digit(self)?;
            return Ok(high.zip(low).map(|(high, low)| high * 16 + low));
        }
        self.at += 1;
        let (mut code, mut digits) = (0, 0);
        loop {
            match self.next()? {
                Some('}') => return Ok((digits > 0).then_some(code)),
                Some(c) => match c.to_digit(16) {
                    Some(value) => code = code * 16 + value,
                    None => return Ok(None),
                },
                None => return Ok(None),
            }
            if code > char::MAX as u32 {
                return Ok(None);
            }
            digits += 1;
        }
    }

    /// `[…]`
    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest();
        self.at += 1;
        self.out.push('[');
        if self.peek() == Some('^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        while first || self.peek() != Some(']') {
            first = false;
            if self.rest().starts_with("[:")
                && let Some(length) = self.rest().get(2..).and_then(|rest| rest.find(":]"))
            {
                let name = self.rest().get(..length + 4).unwrap_or("");
                let inner = name.get(2..length + 2).unwrap_or("");
                if !POSIX.contains(&inner.strip_prefix('^').unwrap_or(inner)) {
                    return Err(fault("invalid character class range", name));
                }
                self.out.push_str(name);
                self.at += name.len();
                continue;
            }
            if let Some(class) = self.named_class()? {
                self.out.push_str(&class);
                continue;
            }
            let start = self.at;
            let low = self.member(whole)?;
            push_literal(&mut self.out, low);
            let after = self.rest();
            if after.starts_with('-') && after.len() > 1 && !after.starts_with("-]") {
                self.at += 1;
                let high = self.member(whole)?;
                if high < low {
                    return Err(fault("invalid character class range", self.since(start)));
                }
                self.out.push('-');
                push_literal(&mut self.out, high);
            }
        }
        self.at += 1;
        self.out.push(']');
        self.atom(1);
        Ok(())
    }

    fn member(&mut self, whole: &str) -> Result<char, String> {
        if self.peek() == Some('\\') {
            return self.escape();
        }
        self.next()?.ok_or_else(|| fault("missing closing ]", whole))
    }
}

/// Writes a character so that it means itself, in a class or not.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_punctuation() || c.is_control() {
        let _ = write!(out, "\\x{{{:x}}}", c as u32);
    } else {
        out.push(c);
    }
}

/// A category or script, if there is one of that name.
fn unicode_class(name: &str) -> Option<String> {
    if name == "Any" {
        return Some("\\x{0}-\\x{10ffff}".to_owned());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // The crate also knows scripts by codes of four letters, and an `Is` before any name.
    let is_code = name.len() == 4 && !SHORT_SCRIPTS.contains(&name);
    if name.is_empty() || !name.chars().all(is_plain) || name.starts_with("Is") || is_code {
        return None;
    }
    let candidates = [format!("\\p{{gc={name}}}"), format!("\\p{{sc={name}}}")];
    candidates.into_iter().find(|class| regex::Regex::new(class).is_ok())
}

/// The counts of a repetition such as `{2,5}` at the start of `text`, and its length.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let body = text.get(1..end)?;
    let number = |digits: &str| -> Option<u32> {
        let valid = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            // A leading zero makes it no number.
            && (digits.len() == 1 || !digits.starts_with('0'));
        valid.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (low, high) = match body.split_once(',') {
        None => (number(body)?, Some(number(body)?)),
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
    };
    Some((low, high, end + 1))
}
