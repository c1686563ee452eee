//! Faults as a tree, and how Helm's validator prints them.

use crate::helm::template::gofmt::{format_float, quote};

/// Something that does not fit, and why.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    at: Vec<String>,
    message: String,
    causes: Vec<Fault>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A keyword that failed.
    Keyword,
    /// Several keywords of one schema.
    Group,
    /// A schema that was referred to; not shown above a single fault.
    Reference,
}

const GROUP: &str = "validation failed";

impl Fault {
    pub(super) fn new(at: Vec<String>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), causes: Vec::new(), kind: Kind::Keyword }
    }

    pub(super) fn because(mut self, causes: Vec<Self>) -> Self {
        self.causes = causes;
        self
    }

    /// One fault for all of those of a schema, if there are any.
    pub(super) fn group(at: Vec<String>, mut faults: Vec<Self>) -> Option<Self> {
        match faults.len() {
            0 => None,
            1 => faults.pop(),
            _ => Some(Self { at, message: GROUP.to_owned(), causes: faults, kind: Kind::Group }),
        }
    }

    /// The fault of a reference to the schema that this is the fault of.
    pub(super) fn referred(self, at: Vec<String>) -> Self {
        Self { at, message: GROUP.to_owned(), causes: self.top(), kind: Kind::Reference }
    }

    /// The faults of a group, or this one.
    pub(super) fn top(self) -> Vec<Self> {
        if self.kind == Kind::Group { self.causes } else { vec![self] }
    }

    fn print(&self, indent: usize, out: &mut Vec<String>) {
        let is_shown = !(self.kind == Kind::Reference && self.causes.len() == 1);
        if is_shown {
            let path: String =
                self.at.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1"))).collect();
            out.push(format!("{}- at {}: {}", "  ".repeat(indent), quoted(&path), self.message));
        }
        self.causes.iter().for_each(|cause| cause.print(indent + usize::from(is_shown), out));
    }
}

/// The faults, a line each.
pub(super) fn display(faults: Vec<Fault>) -> String {
    let mut lines = Vec::new();
    faults.iter().for_each(|fault| fault.print(0, &mut lines));
    lines.join("\n")
}

/// A text between single quotes.
pub(super) fn quoted(text: &str) -> String {
    let quoted = quote(text.as_bytes());
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    format!("'{}'", inner.replace("\\\"", "\"").replace('\'', "\\'"))
}

pub(super) fn all_quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A number in English: digits in groups of three, and powers of ten.
pub(super) fn english(number: f64) -> String {
    let text = format_float(number, 'g', None);
    let (mantissa, exponent) = text.split_once('e').map_or((text.as_str(), None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let mut out = grouped(whole);
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        out.push_str("×10");
        out.extend(exponent.chars().filter_map(|c| match c {
            '-' => Some('⁻'),
            digit => "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize),
        }));
    }
    out
}

/// A whole number in English.
pub(super) fn count(number: usize) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
