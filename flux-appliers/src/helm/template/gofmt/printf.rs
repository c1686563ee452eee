//! `fmt.Sprintf`: every verb and flag, for the types templates have, and Go's complaints inside the text.

use super::print::{write_at, write_value};
use super::{format_float, quote, quote_ascii, quote_rune};
use crate::helm::template::value::Value;

/// Widths and precisions beyond this are refused, as Go refuses them beyond a million; a thousandth of that is enough
/// for a chart and keeps the output bounded.
const MAX_WIDTH: i64 = 1_000_000;

/// Go's `fmt.Sprintf`.
pub(crate) fn sprintf(format: &[u8], args: &[Value]) -> Vec<u8> {
    let mut printer = Printer { format, at: 0, args, arg: 0, reordered: false, good_index: true, out: Vec::new() };
    printer.run();
    printer.out
}

#[derive(Debug, Default, Clone)]
pub(super) struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    arg: usize,
    reordered: bool,
    good_index: bool,
    out: Vec<u8>,
}

impl Printer<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn run(&mut self) {
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte != b'%' {
                self.out.push(byte);
                continue;
            }
            self.directive();
        }
        if !self.reordered && self.arg < self.args.len() {
            self.out.extend_from_slice(b"%!(EXTRA ");
            for (i, arg) in self.args.iter().skip(self.arg).enumerate() {
                if i > 0 {
                    self.out.extend_from_slice(b", ");
                }
                self.out.extend_from_slice(arg.type_name().as_bytes());
                if !arg.is_nothing() {
                    self.out.push(b'=');
                    write_value(&mut self.out, arg);
                }
            }
            self.out.push(b')');
        }
    }

    fn directive(&mut self) {
        let mut flags = Flags::default();
        self.good_index = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        let mut after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) => {
                    flags.minus |= width < 0;
                    flags.width = Some(width.unsigned_abs() as usize);
                }
                None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            flags.width = self.number();
            if after_index && flags.width.is_some() {
                self.good_index = false;
            }
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                match self.star() {
                    Some(precision) if precision >= 0 => flags.precision = Some(precision as usize),
                    Some(_) => {}
                    None => self.out.extend_from_slice(b"%!(BADPREC)"),
                }
                after_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        flags.zero &= !flags.minus;
        let Some(verb) = self.verb() else {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return;
        };
        if verb == '%' {
            self.out.push(b'%');
        } else if !self.good_index {
            self.complain(verb, b"(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.arg) {
            self.arg += 1;
            // With `%v` a plus asks for field names, not for signs.
            flags.plus &= verb != 'v';
            flags.print(&mut self.out, verb, arg);
        } else {
            self.complain(verb, b"(MISSING)");
        }
    }

    fn complain(&mut self, verb: char, what: &[u8]) {
        self.out.extend_from_slice(format!("%!{verb}").as_bytes());
        self.out.extend_from_slice(what);
    }

    fn verb(&mut self) -> Option<char> {
        let rest = self.format.get(self.at..)?;
        let chunk = rest.utf8_chunks().next()?;
        let c = chunk.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        self.at += if chunk.valid().is_empty() { 1 } else { c.len_utf8() };
        Some(c)
    }

    fn number(&mut self) -> Option<usize> {
        let mut value = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            self.at += 1;
            let next = value.unwrap_or(0) * 10 + i64::from(digit - b'0');
            value = Some(next.min(MAX_WIDTH));
        }
        value.map(|v| v as usize)
    }

    /// A width or precision taken from the arguments.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        i64::try_from(arg.as_integer()?).ok().filter(|n| n.abs() <= MAX_WIDTH)
    }

    /// An explicit argument index, `[3]`.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.format.get(self.at + 1..).unwrap_or(&[]);
        let Some(end) = rest.iter().position(|b| *b == b']') else {
            self.good_index = false;
            self.at += 1;
            return false;
        };
        let number = rest.get(..end).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.parse::<usize>().ok());
        self.at += end + 2;
        match number {
            Some(n) if n >= 1 && n <= self.args.len() => self.arg = n - 1,
            _ => self.good_index = false,
        }
        true
    }
}

impl Flags {
    fn print(&self, out: &mut Vec<u8>, verb: char, value: &Value) {
        match verb {
            'T' => return self.pad(out, self.cut(value.type_name()).as_bytes()),
            'v' if self.sharp => return self.pad(out, &go_syntax(value)),
            _ => {}
        }
        if value.is_nothing() {
            match verb {
                'v' => self.pad(out, b"<nil>"),
                _ => out.extend_from_slice(format!("%!{verb}(<nil>)").as_bytes()),
            }
            return;
        }
        self.nested(out, verb, value);
    }

    fn nested(&self, out: &mut Vec<u8>, verb: char, value: &Value) {
        // Byte strings are one operand for the string verbs, a list otherwise.
        write_at(out, value, 0, &|out, scalar, depth| self.scalar(out, verb, scalar, depth));
    }

    fn scalar(&self, out: &mut Vec<u8>, verb: char, value: &Value, depth: usize) {
        match value {
            Value::Invalid | Value::Nil if verb == 'v' || depth > 0 => {
                if verb == 'v' {
                    self.pad(out, b"<nil>");
                } else {
                    out.extend_from_slice(format!("%!{verb}(<nil>)").as_bytes());
                }
            }
            Value::Bool(b) if matches!(verb, 't' | 'v') => self.pad(out, b.to_string().as_bytes()),
            Value::Float(f) if matches!(verb, 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => self.float(out, verb, *f),
            Value::Str(s) => self.text(out, verb, s.as_bytes(), value),
            Value::Bytes(bytes) => match verb {
                's' | 'q' | 'x' | 'X' => self.text(out, verb, bytes.as_bytes(), value),
                'v' | 'd' => self.byte_list(out, bytes.as_bytes()),
                _ => bad_verb(out, verb, value),
            },
            Value::Native(native) if native.text().is_some() && matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') => {
                self.text(out, verb, native.text().unwrap_or_default().as_bytes(), value);
            }
            Value::Native(native) => match native.underlying() {
                Some(inner) => self.nested(out, verb, &inner),
                None => bad_verb(out, verb, value),
            },
            _ => match value.as_integer() {
                Some(i) => self.integer(out, verb, i, value),
                None => bad_verb(out, verb, value),
            },
        }
    }

    pub(super) fn byte_list(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        out.push(b'[');
        for (i, byte) in bytes.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(byte.to_string().as_bytes());
        }
        out.push(b']');
    }

    fn text(&self, out: &mut Vec<u8>, verb: char, bytes: &[u8], value: &Value) {
        match verb {
            'v' | 's' => match self.precision {
                Some(_) => self.pad(out, self.cut(&String::from_utf8_lossy(bytes)).as_bytes()),
                None => self.pad(out, bytes),
            },
            'q' => {
                let cut = match self.precision {
                    Some(_) => self.cut(&String::from_utf8_lossy(bytes)).into_bytes(),
                    None => bytes.to_vec(),
                };
                let quoted = match (self.sharp, self.plus) {
                    (true, _) if can_backquote(&cut) => format!("`{}`", String::from_utf8_lossy(&cut)),
                    (_, true) => quote_ascii(&cut),
                    _ => quote(&cut),
                };
                self.pad(out, quoted.as_bytes());
            }
            'x' | 'X' => {
                let bytes = self.precision.and_then(|p| bytes.get(..p)).unwrap_or(bytes);
                let mut text = String::new();
                for (i, byte) in bytes.iter().enumerate() {
                    if i > 0 && self.space {
                        text.push(' ');
                    }
                    if self.sharp && (i == 0 || self.space) {
                        text.push_str(if verb == 'x' { "0x" } else { "0X" });
                    }
                    text += &if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
                }
                self.pad(out, text.as_bytes());
            }
            _ => bad_verb(out, verb, value),
        }
    }

    fn integer(&self, out: &mut Vec<u8>, verb: char, value: i128, original: &Value) {
        let magnitude = value.unsigned_abs();
        let (digits, prefix) = match verb {
            'd' | 'v' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), if self.sharp { "0b" } else { "" }),
            'o' => (format!("{magnitude:o}"), if self.sharp { "0" } else { "" }),
            'O' => (format!("{magnitude:o}"), "0o"),
            'x' => (format!("{magnitude:x}"), if self.sharp { "0x" } else { "" }),
            'X' => (format!("{magnitude:X}"), if self.sharp { "0X" } else { "" }),
            'c' | 'q' | 'U' => {
                let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                let text = match verb {
                    'c' => c.to_string(),
                    'q' => quote_rune(c),
                    _ if self.sharp => format!("U+{magnitude:04X} '{c}'"),
                    _ => format!("U+{magnitude:04X}"),
                };
                return self.pad(out, text.as_bytes());
            }
            _ => return bad_verb(out, verb, original),
        };
        if self.precision == Some(0) && value == 0 {
            return self.pad(out, b"");
        }
        let sign = self.sign(value < 0);
        let wanted = match (self.precision, self.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero => width.saturating_sub(sign.len()),
            _ => 0,
        };
        self.pad_spaces(out, format!("{sign}{prefix}{digits:0>wanted$}").as_bytes());
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn float(&self, out: &mut Vec<u8>, verb: char, value: f64) {
        let precision = match verb {
            'v' | 'g' | 'G' => self.precision,
            _ => Some(self.precision.unwrap_or(6)),
        };
        let verb = if verb == 'v' { 'g' } else { verb };
        let text = format_float(value.abs(), verb, precision);
        let sign = self.sign(value.is_sign_negative() && !value.is_nan());
        let text = text.strip_prefix('+').unwrap_or(&text);
        let sign = if value.is_infinite() && sign.is_empty() { "+" } else { sign };
        match self.width {
            Some(width) if self.zero && value.is_finite() => {
                let width = width.saturating_sub(sign.len());
                out.extend_from_slice(format!("{sign}{text:0>width$}").as_bytes());
            }
            _ => self.pad_spaces(out, format!("{sign}{text}").as_bytes()),
        }
    }

    /// The first characters of `text`, as many as the precision says.
    fn cut(&self, text: &str) -> String {
        self.precision.map_or_else(|| text.to_owned(), |precision| text.chars().take(precision).collect())
    }

    fn pad(&self, out: &mut Vec<u8>, text: &[u8]) {
        self.pad_with(out, text, if self.zero { b'0' } else { b' ' });
    }

    fn pad_spaces(&self, out: &mut Vec<u8>, text: &[u8]) {
        self.pad_with(out, text, b' ');
    }

    fn pad_with(&self, out: &mut Vec<u8>, text: &[u8], fill: u8) {
        let length = String::from_utf8_lossy(text).chars().count();
        let padding = self.width.unwrap_or(0).saturating_sub(length);
        if self.minus {
            out.extend_from_slice(text);
            out.resize(out.len() + padding, b' ');
        } else {
            out.resize(out.len() + padding, fill);
            out.extend_from_slice(text);
        }
    }
}

fn bad_verb(out: &mut Vec<u8>, verb: char, value: &Value) {
    out.extend_from_slice(format!("%!{verb}({}=", value.type_name()).as_bytes());
    write_value(out, value);
    out.push(b')');
}

fn can_backquote(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.contains('`') && text.chars().all(|c| c == '\t' || !c.is_control()))
}

/// `%#v`: Go source for the value.
fn go_syntax(value: &Value) -> Vec<u8> {
    match value {
        Value::Str(s) => quote(s.as_bytes()).into_bytes(),
        Value::Invalid | Value::Nil => b"interface {}(nil)".to_vec(),
        Value::List(list) if list.is_nil() => format!("{}(nil)", value.type_name()).into_bytes(),
        Value::List(list) => {
            let items: Vec<_> = list.items().iter().map(go_syntax).collect();
            braced(value.type_name(), &items)
        }
        Value::Map(map) => {
            let items: Vec<_> = map
                .entries()
                .iter()
                .map(|(key, item)| [quote(key.as_bytes()).as_bytes(), b":", &go_syntax(item)].concat())
                .collect();
            braced(value.type_name(), &items)
        }
        _ => {
            let mut out = Vec::new();
            write_value(&mut out, value);
            out
        }
    }
}

fn braced(type_name: &str, items: &[Vec<u8>]) -> Vec<u8> {
    [type_name.as_bytes(), b"{", &items.join(&b", "[..]), b"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(format: &str, args: &[Value]) -> String {
        String::from_utf8(sprintf(format.as_bytes(), args)).unwrap()
    }

    #[test]
    fn widths_precisions_and_flags() {
        assert_eq!(
            f(
                "%05d|%-5d|%+d|% d|%5s|%-5s|%.2s",
                &[
                    Value::Int(42),
                    Value::Int(7),
                    Value::Int(3),
                    Value::Int(3),
                    Value::text("ab"),
                    Value::text("cd"),
                    Value::text("xyz"),
                ]
            ),
            "00042|7    |+3| 3|   ab|cd   |xy"
        );
        assert_eq!(
            f("%6.1f|%06.2f|%#x|%x", &[Value::Float(1.55), Value::Float(-1.5), Value::Int(255), Value::text("hi"),]),
            "   1.6|-01.50|0xff|6869"
        );
    }

    #[test]
    fn complaints_are_part_of_the_text() {
        assert_eq!(f("%d %s", &[Value::Int(1)]), "1 %!s(MISSING)");
        assert_eq!(f("%d", &[Value::text("x")]), "%!d(string=x)");
        assert_eq!(f("%d", &[Value::Int(1), Value::Int(2)]), "1%!(EXTRA int=2)");
        assert_eq!(f("%s", &[Value::Nil]), "%!s(<nil>)");
        assert_eq!(f("%[2]d %[1]d", &[Value::Int(1), Value::Int(2)]), "2 1");
        assert_eq!(f("%", &[]), "%!(NOVERB)");
    }
}
