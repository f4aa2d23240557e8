//! ECDSA signatures on P-256 as JOSE writes them (RFC 7518 section 3.4): `r || s`, 32 bytes each.
//!
//! Owns their one canonical form. With every signature `(r, s)`, `(r, n - s)` verifies as well, so
//! that a token would have two spellings; ours have the one with the smaller `s`. A signature is
//! public, so nothing here needs constant time.

/// The order of the group (FIPS 186-4, D.1.2.3), big endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Half of it, rounded down.
const HALF: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// Whether a signature is the canonical one of its two spellings.
pub(crate) fn is_canonical(signature: &[u8]) -> bool {
    signature.split_at_checked(32).is_some_and(|(_, s)| s <= HALF.as_slice())
}

/// The canonical one of the two spellings.
pub(crate) fn canonical(signature: [u8; 64]) -> [u8; 64] {
    if is_canonical(&signature) { signature } else { twin(signature) }
}

/// The other spelling: `(r, n - s)`.
pub(crate) fn twin(mut signature: [u8; 64]) -> [u8; 64] {
    let mut borrow = false;
    let (_, s) = signature.split_at_mut(32);
    for (digit, of_order) in s.iter_mut().zip(ORDER).rev() {
        let (difference, over) = of_order.overflowing_sub(*digit);
        let (difference, over_by_borrow) = difference.overflowing_sub(u8::from(borrow));
        *digit = difference;
        borrow = over || over_by_borrow;
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::{HALF, ORDER, canonical, is_canonical, twin};

    fn with(s: [u8; 32]) -> [u8; 64] {
        [[7; 32], s].concat().try_into().unwrap()
    }

    #[test]
    fn of_two_spellings_one_is_canonical() {
        let one = {
            let mut s = [0; 32];
            s[31] = 1;
            s
        };
        let less_than_order = {
            let mut s = ORDER;
            s[31] -= 1;
            s
        };
        let more_than_half = {
            let mut s = HALF;
            s[31] += 1;
            s
        };
        for (low, high) in [(one, less_than_order), (HALF, more_than_half)] {
            assert!(is_canonical(&with(low)) && !is_canonical(&with(high)));
            assert_eq!(twin(with(low)), with(high));
            assert_eq!(canonical(with(high)), with(low));
            assert_eq!(canonical(with(low)), with(low));
        }
        assert!(!is_canonical(&[]));
    }
}
