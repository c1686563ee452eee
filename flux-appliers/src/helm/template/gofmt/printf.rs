//! `fmt.Sprintf`: directives, widths, precisions, argument indices, and Go's complaints inside the text.

use super::format::{Flags, print_arg};
use crate::helm::template::value::Value;

/// Widths and precisions from arguments beyond this are refused; so is a number in the format once its digits so far
/// are beyond it.
const MAX_WIDTH: i64 = 1_000_000;

/// More output than was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Go's `fmt.Sprintf`, which stops once there are more than `limit` bytes: one directive can ask for ten million.
pub(crate) fn sprintf(format: &[u8], args: &[Value], limit: usize) -> Result<Vec<u8>, TooLong> {
    let mut printer = Printer { format, at: 0, args, arg: 0, reordered: false, good_index: true, out: Vec::new() };
    printer.run(limit)?;
    Ok(printer.out)
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

    fn run(&mut self, limit: usize) -> Result<(), TooLong> {
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'%' {
                self.directive();
            } else {
                self.out.push(byte);
            }
            if self.out.len() > limit {
                return Err(TooLong);
            }
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
                    print_arg(&mut self.out, &Flags::default(), 'v', arg);
                }
            }
            self.out.push(b')');
        }
        Ok(())
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
        // A dot that ends the format is taken for the verb.
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                flags.precision = self.star().and_then(|precision| usize::try_from(precision).ok());
                if flags.precision.is_none() {
                    self.out.extend_from_slice(b"%!(BADPREC)");
                }
                after_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        let Some(verb) = self.verb() else {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return;
        };
        if verb == '%' {
            self.out.push(b'%');
        } else if !self.good_index {
            self.complain(verb, "(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.arg) {
            self.arg += 1;
            if verb == 'v' {
                // Here the two ask for Go syntax and for the names of fields.
                flags.go_syntax = std::mem::take(&mut flags.sharp);
                flags.field_names = std::mem::take(&mut flags.plus);
            }
            print_arg(&mut self.out, &flags, verb, arg);
        } else {
            self.complain(verb, "(MISSING)");
        }
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.out.extend_from_slice(format!("%!{verb}{what}").as_bytes());
    }

    fn verb(&mut self) -> Option<char> {
        let rest = self.format.get(self.at..)?;
        let chunk = rest.utf8_chunks().next()?;
        let c = chunk.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        self.at += if chunk.valid().is_empty() { 1 } else { c.len_utf8() };
        Some(c)
    }

    /// A width or precision in the format; one that is too long swallows the rest of it.
    fn number(&mut self) -> Option<usize> {
        let mut value = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if value.is_some_and(|value| value > MAX_WIDTH) {
                self.at = self.format.len();
                return None;
            }
            self.at += 1;
            value = Some(value.unwrap_or(0) * 10 + i64::from(digit - b'0'));
        }
        value.map(|value| value as usize)
    }

    /// A width or precision taken from the arguments.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        i64::try_from(arg.as_integer()?).ok().filter(|number| number.abs() <= MAX_WIDTH)
    }

    /// An explicit argument index, `[3]`.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.format.get(self.at + 1..).unwrap_or(&[]);
        let Some(end) = rest.iter().position(|b| *b == b']').filter(|_| rest.len() > 1) else {
            self.good_index = false;
            self.at += 1;
            return false;
        };
        let digits = rest.get(..end).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("");
        let number = digits.parse::<usize>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        self.at += end + 2;
        match number {
            Some(n) if n >= 1 && n <= self.args.len() => {
                self.arg = n - 1;
                true
            }
            other => {
                self.good_index = false;
                other.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(format: &str, args: &[Value]) -> String {
        String::from_utf8(sprintf(format.as_bytes(), args, 1 << 20).unwrap()).unwrap()
    }

    #[test]
    fn complaints_are_part_of_the_text() {
        assert_eq!(f("%d %s", &[Value::Int(1)]), "1 %!s(MISSING)");
        assert_eq!(f("%d", &[Value::text("x")]), "%!d(string=x)");
        assert_eq!(f("%d", &[Value::Int(1), Value::Int(2)]), "1%!(EXTRA int=2)");
        assert_eq!(f("%[2]d %[1]d", &[Value::Int(1), Value::Int(2)]), "2 1");
        assert_eq!(f("%", &[]), "%!(NOVERB)");
    }

    #[test]
    fn h20_widths_cannot_grow_without_bound() {
        assert_eq!(sprintf("%1000000d".repeat(100).as_bytes(), &vec![Value::Int(1); 100], 1 << 20), Err(TooLong));
        assert_eq!(f("%99999999999999999999d", &[Value::Int(1)]), "%!(NOVERB)%!(EXTRA int=1)");
    }
}
