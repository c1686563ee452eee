//! How Go writes floats.

use serde_json::Number;

/// The number that Go's JSON encoder writes for a float and a JSON reader then sees: an integer where the text has
/// neither point nor exponent. `None` for infinities and NaN.
pub(super) fn json_number(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 1e21 {
        // Rust, like Go's 'f' format, gives the shortest digits that read back, then zeros.
        let text = value.to_string();
        if let Ok(int) = text.parse::<i64>() {
            return Some(int.into());
        }
        if let Ok(int) = text.parse::<u64>() {
            return Some(int.into());
        }
    }
    Number::from_f64(value)
}

/// Go's `%g` with the shortest digits: an exponent below 1e-4 and from 1e6 (1e21 for integers is JSON's rule, not
/// this one).
pub(super) fn go_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go_writes_them() {
        for (value, text) in [
            (1e6, "1e+06"),
            (100_000.5, "100000.5"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (12_345_678.9, "1.23456789e+07"),
        ] {
            assert_eq!(go_float(value), text);
        }
    }

    #[test]
    fn integral_floats_become_integers() {
        assert_eq!(json_number(1e3).unwrap().as_i64(), Some(1000));
        assert_eq!(json_number((1u64 << 60) as f64).unwrap().as_i64(), Some(1_152_921_504_606_847_000));
        assert!(json_number(1e21).unwrap().is_f64());
        assert!(json_number(f64::NAN).is_none());
    }
}
