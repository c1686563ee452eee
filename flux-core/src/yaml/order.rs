use std::cmp::Ordering;

/// The order in which Go's YAML packages write the keys of a map: numbers inside keys count as numbers, and letters
/// come after everything else.
pub fn key_order(a: &str, b: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut after_digit = false;
    for (i, (&l, &r)) in left.iter().zip(&right).enumerate() {
        if l == r {
            after_digit = l.is_ascii_digit();
            continue;
        }
        return match (l.is_alphabetic(), r.is_alphabetic()) {
            (true, true) => l.cmp(&r),
            (true, false) if after_digit => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if after_digit => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => number_order(&left, &right, i),
        };
    }
    left.len().cmp(&right.len())
}

fn number_order(left: &[char], right: &[char], at: usize) -> Ordering {
    // A zero that follows other digits of a number counts; a leading one does not.
    let inside = (left[at] == '0' || right[at] == '0')
        && left[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let read = |chars: &[char]| {
        let start = u64::from(inside);
        let digits = chars[at..].iter().map_while(|c| c.to_digit(10));
        digits.fold((start, 0usize), |(n, count), d| (n.wrapping_mul(10).wrapping_add(u64::from(d)), count + 1))
    };
    let ((a, a_count), (b, b_count)) = (read(left), read(right));
    a.cmp(&b).then(a_count.cmp(&b_count)).then(left[at].cmp(&right[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_keys_count_as_numbers() {
        let mut keys = ["a10", "a2", "b", "_", "10", "9", "M", "a"];
        keys.sort_by(|a, b| key_order(a, b));
        assert_eq!(keys, ["_", "9", "10", "M", "a", "a2", "a10", "b"]);
    }
}
