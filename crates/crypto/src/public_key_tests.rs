use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Algorithm, KeyMembers, PublicKey, SMALL_ORDER};

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn coordinate(text: &str) -> [u8; 32] {
    bytes(text).try_into().unwrap()
}

/// The modulus of RFC 7638 section 3.1.
const MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7\
    aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h\
    4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08q\
    NLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKn\
    qDKgw";

fn rsa(n: &[u8], e: &[u8]) -> Option<PublicKey> {
    PublicKey::new(KeyMembers::Rsa { n: n.to_vec(), e: e.to_vec() }).ok()
}

#[test]
fn the_thumbprint_is_that_of_the_standards() {
    let key = rsa(&bytes(MODULUS), &[1, 0, 1]).unwrap();
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "RFC 7638 §3.1");
    assert_eq!(key.algorithm(), Algorithm::Rs256);

    let x = coordinate("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs");
    let y = coordinate("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
    let key = PublicKey::new(KeyMembers::P256 { x, y }).unwrap();
    assert_eq!(key.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "RFC 9449 §6.1");
    assert_eq!((key.members(), key.algorithm()), (&KeyMembers::P256 { x, y }, Algorithm::Es256));

    let x = coordinate("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let key = PublicKey::new(KeyMembers::Ed25519 { x }).unwrap();
    assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037 A.3");
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
}

#[test]
fn a_point_off_the_curve_is_no_key() {
    for (x, y) in [([1; 32], [1; 32]), ([0; 32], [0; 32]), ([0xff; 32], [0xff; 32])] {
        assert!(PublicKey::new(KeyMembers::P256 { x, y }).is_err());
    }
}

// threat 22
#[test]
fn threat_22_a_weak_rsa_key_is_no_key() {
    let n = bytes(MODULUS);
    let e = [1, 0, 1];
    assert!(rsa(&n[..128], &e).is_none(), "1024 bits");
    assert!(rsa(&[&[0], n.as_slice()].concat(), &e).is_none(), "a leading zero");
    assert!(rsa(&[&[0x7f], &n[1..]].concat(), &e).is_none(), "2047 bits");
    assert!(rsa(&[n.as_slice(), &n, &[1]].concat(), &e).is_none(), "4104 bits");
    assert!(rsa(&[&n[..255], &[0]].concat(), &e).is_none(), "an even modulus");
    assert!(rsa(&[], &e).is_none());
    for e in [&[][..], &[1], &[3], &[0xff, 0xff], &[1, 0, 0], &[1, 0, 2], &[0, 1, 0, 1]] {
        assert!(rsa(&n, e).is_none(), "exponent {e:?}");
    }
    assert!(rsa(&n, &[1, 0, 0, 0, 1]).is_none(), "an exponent beyond 32 bits");
    assert!(rsa(&n, &[1, 0, 0, 1]).is_some());
}

// threat 21: under a key of small order, a signature that nobody made verifies.
#[test]
fn threat_21_a_point_of_small_order_is_no_key() {
    let mut forged = [0; 64];
    forged[0] = 1;
    let mut verified = 0;
    for encoding in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut x = encoding;
            x[31] |= sign;
            assert!(PublicKey::new(KeyMembers::Ed25519 { x }).is_err(), "{x:x?}");
            // The library takes some of them, and then verifies what nobody signed: that is why.
            let Ok(parsed) = ParsedPublicKey::new(&ED25519, x) else { continue };
            let any = (0_u8..64).any(|message| parsed.verify_sig(&[message], &forged).is_ok());
            verified += u32::from(any);
        }
    }
    assert!(verified >= 4, "only {verified} of these keys verify the forged signature");
}
