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
                Some(p) => format!("{value:.p$e}"),
                None => format!("{value:e}"),
            };
            exponent_form(&text, verb)
        }
        'f' | 'F' => match precision {
            Some(p) => format!("{value:.p$}"),
            None => format!("{value}"),
        },
        _ => general(value, verb, precision),
    }
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
    let digits = precision.map(|p| p.max(1) - 1);
    let scientific = match digits {
        Some(p) => format!("{value:.p$e}"),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut limit = precision.map_or(6, |p| p.max(1) as i32);
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
    format!("{value:.places$}")
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
        Some(precision) => format!("{digits:0<precision$}").get(..precision).unwrap_or("").to_owned(),
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
    fn json_uses_an_exponent_from_1e21_on() {
        for (value, want) in [(12_345_678.0, "12345678"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.1, "0.1")] {
            assert_eq!(json_float(value), want);
        }
    }
}
