//! Numbers, booleans and text under a verb, padded. Each gives nothing if the verb is not for its type.

use super::float::zero_padded;
use super::format::Flags;
use super::{can_backquote, format_float, hex_float, is_printable, quote, quote_ascii, quote_rune};

pub(super) fn pad(out: &mut Vec<u8>, flags: &Flags, text: &[u8]) {
    // Zeros go only to the left.
    pad_with(out, flags, text, if flags.zero && !flags.minus { b'0' } else { b' ' });
}

fn pad_with(out: &mut Vec<u8>, flags: &Flags, text: &[u8], fill: u8) {
    let padding = match flags.width {
        Some(width) => width.saturating_sub(count(text)),
        None => 0,
    };
    if flags.minus {
        out.extend_from_slice(text);
        out.resize(out.len() + padding, fill);
    } else {
        out.resize(out.len() + padding, fill);
        out.extend_from_slice(text);
    }
}

/// The number of characters; a byte that is not UTF-8 is one.
fn count(text: &[u8]) -> usize {
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

pub(super) fn boolean(out: &mut Vec<u8>, flags: &Flags, verb: char, value: bool) -> Option<()> {
    matches!(verb, 't' | 'v').then(|| pad(out, flags, if value { b"true" } else { b"false" }))
}

fn sign(flags: &Flags, negative: bool) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

/// A number without any flags: charts print whole files as lists of them.
fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

pub(super) fn integer(out: &mut Vec<u8>, flags: &Flags, verb: char, value: i128, signed: bool) -> Option<()> {
    let magnitude = value.unsigned_abs();
    if matches!(verb, 'd' | 'v')
        && flags.is_plain()
        && let Ok(magnitude) = u64::try_from(magnitude)
    {
        if value < 0 {
            out.push(b'-');
        }
        decimal(out, magnitude);
        return Some(());
    }
    let (digits, prefix) = match verb {
        // Go syntax has unsigned numbers in hexadecimal.
        'v' if flags.go_syntax && !signed => (format!("{magnitude:x}"), "0x"),
        'd' | 'v' => (magnitude.to_string(), ""),
        'b' => (format!("{magnitude:b}"), if flags.sharp { "0b" } else { "" }),
        'o' => (format!("{magnitude:o}"), if flags.sharp { "0" } else { "" }),
        'O' => (format!("{magnitude:o}"), "0o"),
        'x' => (format!("{magnitude:x}"), if flags.sharp { "0x" } else { "" }),
        'X' => (format!("{magnitude:X}"), if flags.sharp { "0X" } else { "" }),
        'c' | 'q' => {
            let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            let text = if verb == 'c' { c.to_string() } else { quote_rune(c, flags.plus) };
            pad(out, flags, text.as_bytes());
            return Some(());
        }
        'U' => {
            let code = value as u64;
            let digits = zero_padded(&format!("{code:X}"), flags.precision.unwrap_or(4).max(4));
            let mut text = format!("U+{digits}");
            let c = u32::try_from(code).ok().and_then(char::from_u32);
            if let Some(c) = c.filter(|c| flags.sharp && is_printable(*c)) {
                text += &format!(" '{c}'");
            }
            pad_with(out, flags, text.as_bytes(), b' ');
            return Some(());
        }
        _ => return None,
    };
    if flags.precision == Some(0) && value == 0 {
        pad_with(out, flags, b"", b' ');
        return Some(());
    }
    let sign = sign(flags, value < 0);
    let wanted = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero && !flags.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let digits = zero_padded(&digits, wanted);
    // The zero of an octal number may be there already.
    let prefix = if verb == 'o' && digits.starts_with('0') { "" } else { prefix };
    pad_with(out, flags, format!("{sign}{prefix}{digits}").as_bytes(), b' ');
    Some(())
}

pub(super) fn float(out: &mut Vec<u8>, flags: &Flags, verb: char, value: f64) -> Option<()> {
    let (form, precision) = match verb {
        'v' => ('g', flags.precision),
        'b' | 'g' | 'G' | 'x' | 'X' => (verb, flags.precision),
        'e' | 'E' => (verb, Some(flags.precision.unwrap_or(6))),
        'f' | 'F' => ('f', Some(flags.precision.unwrap_or(6))),
        _ => return None,
    };
    let negative = value.is_sign_negative() && !value.is_nan();
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Inf" };
        let sign = match sign(flags, negative) {
            "" if value.is_infinite() => "+",
            sign => sign,
        };
        pad_with(out, flags, format!("{sign}{name}").as_bytes(), b' ');
        return Some(());
    }
    let mut text = match form {
        'b' | 'x' | 'X' => hex_float(value.abs(), form, precision),
        _ => format_float(value.abs(), form, precision),
    };
    if flags.sharp && form != 'b' {
        text = with_point(&text, form, precision);
    }
    let sign = sign(flags, negative);
    match flags.width {
        Some(width) if flags.zero && !flags.minus => {
            let width = width.saturating_sub(sign.len());
            out.extend_from_slice(sign.as_bytes());
            out.extend_from_slice(zero_padded(&text, width).as_bytes());
        }
        _ => pad(out, flags, format!("{sign}{text}").as_bytes()),
    }
    Some(())
}

/// The sharp flag: a decimal point always, and with `g` the zeros that it would drop.
fn with_point(text: &str, form: char, precision: Option<usize>) -> String {
    let mut missing = match form {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let exponent: &[char] = if matches!(form, 'x' | 'X') { &['p', 'P'] } else { &['e', 'E'] };
    let (body, tail) = text.split_at(text.find(exponent).unwrap_or(text.len()));
    let mut significant = false;
    for c in body.chars().filter(|c| *c != '.') {
        significant |= c != '0';
        if significant {
            missing = missing.saturating_sub(1);
        }
    }
    let mut out = body.to_owned();
    if !body.contains('.') {
        // A single zero counts as a digit.
        if body == "0" {
            missing = missing.saturating_sub(1);
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', missing));
    out + tail
}

/// The first characters, as many as the precision says.
fn cut<'a>(flags: &Flags, bytes: &'a [u8]) -> &'a [u8] {
    let Some(mut left) = flags.precision else { return bytes };
    let mut end = 0;
    for chunk in bytes.utf8_chunks() {
        for width in chunk.valid().chars().map(char::len_utf8).chain(chunk.invalid().iter().map(|_| 1)) {
            if left == 0 {
                return bytes.get(..end).unwrap_or(bytes);
            }
            left -= 1;
            end += width;
        }
    }
    bytes
}

pub(super) fn text(out: &mut Vec<u8>, flags: &Flags, verb: char, bytes: &[u8]) -> Option<()> {
    match verb {
        'v' if flags.go_syntax => quoted(out, flags, bytes),
        'v' | 's' => pad(out, flags, cut(flags, bytes)),
        'q' => quoted(out, flags, bytes),
        'x' | 'X' => hexadecimal(out, flags, verb, bytes),
        _ => return None,
    }
    Some(())
}

fn quoted(out: &mut Vec<u8>, flags: &Flags, bytes: &[u8]) {
    let cut = cut(flags, bytes);
    let text = if flags.sharp && can_backquote(cut) {
        format!("`{}`", String::from_utf8_lossy(cut))
    } else if flags.plus {
        quote_ascii(cut)
    } else {
        quote(cut)
    };
    pad(out, flags, text.as_bytes());
}

fn hexadecimal(out: &mut Vec<u8>, flags: &Flags, verb: char, bytes: &[u8]) {
    let bytes = flags.precision.and_then(|precision| bytes.get(..precision)).unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len() * 2);
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 && flags.space {
            text.push(' ');
        }
        if flags.sharp && (i == 0 || flags.space) {
            text.push_str(if verb == 'x' { "0x" } else { "0X" });
        }
        text += &if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
    }
    pad(out, flags, text.as_bytes());
}

/// Every byte as a number and a space, and how long that is.
const NUMBERS: [([u8; 4], u8); 256] = {
    let mut all = [([b' '; 4], 0); 256];
    let mut value = 0;
    while value < 256 {
        let (hundreds, tens, ones) =
            (b'0' + (value / 100) as u8, b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8);
        all[value] = match value {
            0..10 => ([ones, b' ', b' ', b' '], 2),
            10..100 => ([tens, ones, b' ', b' '], 3),
            _ => ([hundreds, tens, ones, b' '], 4),
        };
        value += 1;
    }
    all
};

/// Bytes as a list of numbers. Charts print all their files so, again and again, where they take the context for a name.
fn numbers(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len().saturating_mul(4) + 2);
    out.push(b'[');
    for chunk in bytes.chunks(16) {
        let (mut text, mut end) = ([0; 64], 0);
        for byte in chunk {
            let (number, length) = NUMBERS[usize::from(*byte)];
            // Room for all four, always.
            if let Some(place) = text.get_mut(end..end + 4) {
                place.copy_from_slice(&number);
            }
            end += usize::from(length);
        }
        out.extend_from_slice(&text[..end.min(64)]);
    }
    // The last space.
    if !bytes.is_empty() {
        out.pop();
    }
    out.push(b']');
}

/// A `[]byte`: a list of numbers, or text.
pub(super) fn bytes(out: &mut Vec<u8>, flags: &Flags, verb: char, bytes: &[u8]) -> Option<()> {
    if !matches!(verb, 'v' | 'd') {
        return text(out, flags, verb, bytes);
    }
    if flags.is_plain() {
        numbers(out, bytes);
        return Some(());
    }
    let (open, between, close) = if flags.go_syntax { ("[]byte{", ", ", "}") } else { ("[", " ", "]") };
    out.extend_from_slice(open.as_bytes());
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(between.as_bytes());
        }
        integer(out, flags, 'v', i128::from(*byte), false);
    }
    out.extend_from_slice(close.as_bytes());
    Some(())
}
