//! Shamir's secret sharing over GF(2⁸), with the shares of Vault: the values of the polynomials, then the point.

use zeroize::Zeroizing;

/// The secret that enough shares make; `None` if they do not fit each other.
pub(super) fn combine(shares: &[Zeroizing<Vec<u8>>]) -> Option<Zeroizing<Vec<u8>>> {
    let length = shares.first()?.len();
    if length < 2 || shares.len() < 2 || shares.iter().any(|share| share.len() != length) {
        return None;
    }
    let points: Vec<u8> = shares.iter().map(|share| share[length - 1]).collect();
    let distinct = points.iter().enumerate().all(|(i, point)| *point != 0 && !points[..i].contains(point));
    if !distinct {
        return None;
    }
    let mut secret = Zeroizing::new(vec![0; length - 1]);
    for (at, byte) in secret.iter_mut().enumerate() {
        // The polynomial through all points, at zero.
        for (i, share) in shares.iter().enumerate() {
            let others = points.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, point)| *point);
            let basis = others.fold(1, |basis, point| multiply(basis, divide(point, point ^ points[i])));
            *byte ^= multiply(share[at], basis);
        }
    }
    Some(secret)
}

fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        // Without branches, so that the time does not tell the values.
        product ^= a & 0_u8.wrapping_sub(b & 1);
        let carry = 0_u8.wrapping_sub(a >> 7);
        a = (a << 1) ^ (0x1b & carry);
        b >>= 1;
    }
    product
}

fn divide(a: u8, b: u8) -> u8 {
    // The inverse of b is its 254th power.
    let mut inverse = b;
    for _ in 0..6 {
        inverse = multiply(multiply(inverse, inverse), b);
    }
    multiply(a, multiply(inverse, inverse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_points_of_a_line_give_its_start() {
        // A line through the secret with slope 7.
        let share = |x: u8| Zeroizing::new(vec![multiply(7, x) ^ 0xa5, x]);
        for (a, b) in [(1, 2), (9, 200), (255, 3)] {
            assert_eq!(combine(&[share(a), share(b)]).unwrap().as_slice(), [0xa5]);
        }
        assert!(combine(&[share(1), share(1)]).is_none());
        assert!(combine(&[share(1)]).is_none());
    }

    #[test]
    fn division_undoes_multiplication() {
        for a in 0..=255 {
            for b in 1..=255 {
                assert_eq!(divide(multiply(a, b), b), a);
            }
        }
    }
}
