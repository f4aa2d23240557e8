//! Public keys as tools outside of OAuth write them: SubjectPublicKeyInfo (RFC 5280 section 4.1).
//!
//! A reader of the three shapes that are used here (RFC 5480, RFC 8017 A.1, RFC 8410) in DER, and
//! of nothing else: what is not exactly one of them is no key.

use crate::error::CryptoError;
use crate::public_key::{KeyMembers, PublicKey};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// `id-ecPublicKey` with `prime256v1`.
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07,
];
/// `rsaEncryption` with its null.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// `id-Ed25519`.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// The key of a SubjectPublicKeyInfo in DER.
///
/// # Errors
/// [`CryptoError::BadKey`] for another type or curve, for a weak key, and for what is no key.
pub fn read(der: &[u8]) -> Result<PublicKey, CryptoError> {
    let bad = || CryptoError::BadKey("public key for ES256, RS256 or Ed25519");
    let (info, after) = element(der, SEQUENCE).ok_or_else(bad)?;
    let (algorithm, rest) = element(info, SEQUENCE).ok_or_else(bad)?;
    let (bits, more) = element(rest, BIT_STRING).ok_or_else(bad)?;
    let key = bits.strip_prefix(&[0]).filter(|_| after.is_empty() && more.is_empty());
    let key = key.ok_or_else(bad)?;
    let members = match algorithm {
        P256 => {
            let (x, y) =
                key.strip_prefix(&[4]).and_then(|key| key.split_at_checked(32)).ok_or_else(bad)?;
            let x = x.try_into().map_err(|_| bad())?;
            KeyMembers::P256 { x, y: y.try_into().map_err(|_| bad())? }
        }
        RSA => rsa(key).ok_or_else(bad)?,
        ED25519 => KeyMembers::Ed25519 { x: key.try_into().map_err(|_| bad())? },
        _ => return Err(bad()),
    };
    PublicKey::new(members)
}

fn rsa(key: &[u8]) -> Option<KeyMembers> {
    let (numbers, after) = element(key, SEQUENCE)?;
    let (n, rest) = element(numbers, INTEGER)?;
    let (e, more) = element(rest, INTEGER)?;
    let is_whole = after.is_empty() && more.is_empty();
    // A zero keeps a number whose first bit is set from being negative.
    let number = |bytes: &[u8]| bytes.strip_prefix(&[0]).unwrap_or(bytes).to_vec();
    is_whole.then(|| KeyMembers::Rsa { n: number(n), e: number(e) })
}

/// The content of the element of that tag, and what is behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (len, rest) = rest.split_first()?;
            (usize::from(*len), rest)
        }
        0x82 => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::{ED25519, P256, RSA, read};
    use crate::proof_key::ProofKey;
    use crate::public_key::{Algorithm, KeyMembers, PublicKey};
    use crate::token_key::{TokenAlgorithm, TokenKey};

    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        let len = match len {
            [0, short @ 0..=0x7f] => vec![short],
            [0, one] => vec![0x81, one],
            two => [&[0x82][..], &two].concat(),
        };
        [&[tag][..], &len, content].concat()
    }

    fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
        let bits = tagged(0x03, &[&[0], key].concat());
        tagged(0x30, &[tagged(0x30, algorithm), bits].concat())
    }

    fn of(key: &PublicKey) -> Vec<u8> {
        match key.members() {
            KeyMembers::P256 { x, y } => info(P256, &[&[4][..], x, y].concat()),
            KeyMembers::Ed25519 { x } => info(ED25519, x),
            KeyMembers::Rsa { n, e } => {
                let n = tagged(0x02, &[&[0][..], n].concat());
                info(RSA, &tagged(0x30, &[n, tagged(0x02, e)].concat()))
            }
        }
    }

    #[test]
    fn each_type_of_key_is_read_and_nothing_beside_it() {
        let p256 = ProofKey::generate().unwrap();
        let rsa = TokenKey::generate(TokenAlgorithm::Rs256).unwrap();
        for key in [p256.public(), rsa.public().key()] {
            let der = of(key);
            assert_eq!(read(&der).unwrap().members(), key.members());
            for cut in 0..der.len() {
                assert!(read(der.get(..cut).unwrap()).is_err(), "{cut} bytes of it");
            }
            assert!(read(&[der, vec![0]].concat()).is_err());
        }
        // RFC 8410 section 10.1.
        let ed25519 = [
            0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc,
            0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6, 0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad,
            0x70, 0x31, 0x66, 0xe1,
        ];
        assert_eq!(read(&info(ED25519, &ed25519)).unwrap().algorithm(), Algorithm::Ed25519);
        assert!(read(&info(ED25519, &[0; 32])).is_err(), "weak keys are refused as elsewhere");
        assert!(read(&info(&[0x06, 0x03, 0x2b, 0x65, 0x71], &ed25519)).is_err(), "Ed448");
    }
}
