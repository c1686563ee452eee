//! Go's `strconv.FormatFloat`.

/// Formats as Go does for the verbs `e`, `E`, `f`, `g` and `G`; without a precision, with the fewest digits that read
/// back as the same number.
pub(crate) fn format_float(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.to_owned();
    }
    match verb {
        'e' | 'E' => {
            let text = match precision {
                Some(p) => scientific(value, p),
                None => format!("{value:e}"),
            };
            exponent_form(&text, verb)
        }
        'f' | 'F' => match precision {
            Some(p) => fixed(value, p),
            None => format!("{value}"),
        },
        _ => general(value, verb, precision),
    }
}

/// More places than any float has; all that follow are zeros. Rust formats no more than 65,535, and Go does.
const PLACES: usize = 1_200;

fn fixed(value: f64, precision: usize) -> String {
    let places = precision.min(PLACES);
    let mut text = format!("{value:.places$}");
    text.extend(std::iter::repeat_n('0', precision - places));
    text
}

/// As Rust writes it: `1.5e6`.
fn scientific(value: f64, precision: usize) -> String {
    let places = precision.min(PLACES);
    let mut text = format!("{value:.places$e}");
    if precision > places
        && let Some(at) = text.find('e')
    {
        text.insert_str(at, &"0".repeat(precision - places));
    }
    text
}

/// Text with zeros before it up to a width.
pub(super) fn zero_padded(text: &str, width: usize) -> String {
    let zeros = width.saturating_sub(text.chars().count());
    let mut out = String::with_capacity(zeros + text.len());
    out.extend(std::iter::repeat_n('0', zeros));
    out.push_str(text);
    out
}

/// Rust writes `1e6`; Go writes `1e+06`.
fn exponent_form(text: &str, verb: char) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}{}{sign}{digits:0>2}", if verb.is_uppercase() { 'E' } else { 'e' })
}

fn general(value: f64, verb: char, precision: Option<usize>) -> String {
    let verb_e = if verb == 'G' { 'E' } else { 'e' };
    let shortest = precision.is_none();
    let whole = match precision {
        // Zeros at the end are dropped.
        Some(p) => scientific(value, (p.max(1) - 1).min(PLACES)),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = whole.split_once('e').unwrap_or((&whole, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut limit = precision.map_or(6, |p| i32::try_from(p.max(1)).unwrap_or(i32::MAX));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let count = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
    if !shortest && limit > count && count > exponent {
        limit = count;
    }
    if exponent < -4 || exponent >= limit {
        return exponent_form(&format!("{mantissa}e{exponent}"), verb_e);
    }
    if shortest {
        return format!("{value}");
    }
    let places = (count - 1 - exponent).max(0) as usize;
    fixed(value, places)
}

/// A finite, positive float as mantissa and power of two: decimal under `b`, hexadecimal under `x` and `X`.
pub(crate) fn hex_float(value: f64, verb: char, precision: Option<usize>) -> String {
    const MANTISSA_BITS: u32 = 52;
    const BIAS: i32 = 1023;
    let bits = value.to_bits();
    let mut mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    let mut exponent = (bits >> MANTISSA_BITS) as i32 - BIAS;
    if exponent == -BIAS {
        exponent += 1;
    } else {
        mantissa |= 1 << MANTISSA_BITS;
    }
    if verb == 'b' {
        return format!("{mantissa}p{:+}", exponent - MANTISSA_BITS as i32);
    }
    if mantissa == 0 {
        exponent = 0;
    }
    // The leading one goes before the point.
    while mantissa != 0 && mantissa >> MANTISSA_BITS == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    let fraction_digits = MANTISSA_BITS as usize / 4;
    if let Some(precision) = precision.filter(|precision| *precision < fraction_digits) {
        let dropped = (fraction_digits - precision) as u32 * 4;
        let (kept, rest, half) = (mantissa >> dropped, mantissa & ((1 << dropped) - 1), 1 << (dropped - 1));
        let rounded = kept + u64::from(rest > half || (rest == half && kept & 1 == 1));
        mantissa = rounded << dropped;
        if mantissa >> (MANTISSA_BITS + 1) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << MANTISSA_BITS) - 1));
    let fraction = match precision {
        Some(precision) => {
            let kept = digits.get(..precision).unwrap_or(&digits);
            kept.chars().chain(std::iter::repeat_n('0', precision - kept.len())).collect()
        }
        None => digits.trim_end_matches('0').to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> MANTISSA_BITS, exponent.unsigned_abs());
    if verb == 'X' { text.to_uppercase() } else { text }
}

/// A float as `encoding/json` writes it.
pub(crate) fn json_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format_float(value, 'e', None);
        // JSON drops the zero that pads a one-digit negative exponent.
        return text.replace("e-0", "e-");
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_form_uses_an_exponent_from_a_million_on() {
        for (value, want) in [(1.5, "1.5"), (100_000.0, "100000"), (1e6, "1e+06"), (12_345_678.0, "1.2345678e+07")] {
            assert_eq!(format_float(value, 'g', None), want);
        }
        assert_eq!(format_float(0.000_01, 'g', None), "1e-05");
        assert_eq!(format_float(123_456.0, 'g', Some(3)), "1.23e+05");
        assert_eq!(format_float(1.5, 'e', Some(6)), "1.500000e+00");
    }

    #[test]
    fn precisions_beyond_what_rust_formats() {
        for verb in ['e', 'f'] {
            let text = format_float(1.5, verb, Some(100_000));
            assert!(text.starts_with("1.5000") && text.len() >= 100_002, "{verb}");
            assert_eq!(text.ends_with("e+00"), verb == 'e');
        }
        assert_eq!(format_float(1.5, 'g', Some(100_000)), "1.5");
        assert_eq!(hex_float(1.5, 'x', Some(70_000)).len(), "0x1.p+00".len() + 70_000);
        assert_eq!(zero_padded("7", 70_000).len(), 70_000);
    }

    #[test]
    fn json_uses_an_exponent_from_1e21_on() {
        for (value, want) in [(12_345_678.0, "12345678"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.1, "0.1")] {
            assert_eq!(json_float(value), want);
        }
    }
}
