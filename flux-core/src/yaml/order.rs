use std::cmp::Ordering;

/// The order in which Go's YAML packages write the keys of a map: numbers inside keys count as numbers, and letters
/// come after everything else.
pub fn key_order(a: &str, b: &str) -> Ordering {
    let equal = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let at = (0..=equal).rev().find(|at| a.is_char_boundary(*at)).unwrap_or(0);
    let (Some(left), Some(right)) = (a[at..].chars().next(), b[at..].chars().next()) else {
        return a.len().cmp(&b.len());
    };
    let after_digit = a[..at].ends_with(|c: char| c.is_ascii_digit());
    match (left.is_alphabetic(), right.is_alphabetic()) {
        (true, true) => left.cmp(&right),
        (true, false) if after_digit => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if after_digit => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => number_order(&a[..at], &a[at..], &b[at..]).then(left.cmp(&right)),
    }
}

/// The order of the numbers that two keys go on with after what they have in common.
fn number_order(before: &str, left: &str, right: &str) -> Ordering {
    // A zero that follows other digits of a number counts; a leading one does not.
    let inside = (left.starts_with('0') || right.starts_with('0'))
        && before.bytes().rev().take_while(u8::is_ascii_digit).any(|digit| digit != b'0');
    let read = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).map(|digit| u64::from(digit - b'0'));
        digits.fold((u64::from(inside), 0usize), |(n, count), d| (n.wrapping_mul(10).wrapping_add(d), count + 1))
    };
    read(left).cmp(&read(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_keys_count_as_numbers() {
        let mut keys = ["a10", "a2", "b", "_", "10", "9", "M", "a"];
        keys.sort_by(|a, b| key_order(a, b));
        assert_eq!(keys, ["_", "9", "10", "M", "a", "a2", "a10", "b"]);
        assert_eq!(key_order("é", "è"), Ordering::Greater);
        assert_eq!(key_order("é1", "é"), Ordering::Greater);
    }
}
