#![expect(clippy::disallowed_methods, reason = "here is where signing itself is tested")]

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{LogKey, LogPublicKey, TokenKey, TokenPublicKey};
use crate::key_file::{KeyMaterial, Purpose};
use crate::{CryptoError, Secret, SystemRandom};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn a_log_key_signs_as_rfc_8032_section_7_1_test_2_says() {
    let seed = hex::<32>("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = hex::<64>(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let key = LogKey::from_pair(Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()).unwrap();
    assert_eq!(key.public().as_bytes(), &public);
    assert_eq!(key.sign(&[0x72]), signature);
    LogPublicKey::from_bytes(&public).unwrap().verify(&[0x72], &signature).unwrap();
}

#[test]
fn a_log_signature_of_another_message_key_or_length_does_not_verify() {
    let key = LogKey::generate(&SystemRandom).unwrap();
    let signature = key.sign(b"tree head");
    let bad = |verified: Result<(), CryptoError>| {
        assert!(matches!(verified, Err(CryptoError::BadSignature)));
    };
    bad(key.public().verify(b"tree heads", &signature));
    bad(LogKey::generate(&SystemRandom).unwrap().public().verify(b"tree head", &signature));
    bad(key.public().verify(b"tree head", signature.split_last().unwrap().1));
    bad(key.public().verify(b"tree head", &[]));
}

#[test]
fn a_token_signature_of_another_message_key_or_encoding_does_not_verify() {
    let key = TokenKey::generate().unwrap();
    let signature = key.sign(b"header.claims").unwrap();
    let bad = |verified: Result<(), CryptoError>| {
        assert!(matches!(verified, Err(CryptoError::BadSignature)));
    };
    key.public().verify(b"header.claims", &signature).unwrap();
    bad(key.public().verify(b"header.claimz", &signature));
    bad(TokenKey::generate().unwrap().public().verify(b"header.claims", &signature));
    bad(key.public().verify(b"header.claims", &[0; 64]));
    bad(key.public().verify(b"header.claims", &[]));
    bad(key.public().verify(b"header.claims", &[signature.as_slice(), &[0]].concat()));
}

#[test]
fn keys_come_back_from_pkcs_8_and_only_as_what_they_are() {
    let log = LogKey::generate(&SystemRandom).unwrap();
    let token = TokenKey::generate().unwrap();
    let (log_pkcs8, token_pkcs8) = (log.to_pkcs8().unwrap(), token.to_pkcs8().unwrap());
    let restored = LogKey::from_pkcs8(&log_pkcs8).unwrap();
    assert_eq!(restored.public().as_bytes(), log.public().as_bytes());
    let restored = TokenKey::from_pkcs8(&token_pkcs8).unwrap();
    assert_eq!(restored.public().kid(), token.public().kid());
    assert!(LogKey::from_pkcs8(&token_pkcs8).is_err());
    assert!(TokenKey::from_pkcs8(&log_pkcs8).is_err());
    assert!(TokenKey::from_pkcs8(&Secret::from_vec(vec![0; 32])).is_err());
}

#[test]
fn a_log_key_comes_from_material_for_the_log_and_no_other() {
    let material = KeyMaterial::generate(Purpose::LogSigning, &SystemRandom);
    let (one, other) = (LogKey::from_material(&material), LogKey::from_material(&material));
    assert_eq!(one.unwrap().public().as_bytes(), other.unwrap().public().as_bytes());
    let material = KeyMaterial::generate(Purpose::KeyEncryption, &SystemRandom);
    assert!(matches!(LogKey::from_material(&material), Err(CryptoError::WrongPurpose { .. })));
}

#[test]
fn the_key_id_is_the_thumbprint_of_rfc_7638() {
    // The key of RFC 9449 section 4.1 and its thumbprint from section 6.1.
    let coordinate = |text: &str| <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(text).unwrap());
    let x = coordinate("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs").unwrap();
    let y = coordinate("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA").unwrap();
    let key = TokenPublicKey::from_coordinates(&x, &y).unwrap();
    assert_eq!(key.kid(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!((key.x(), key.y()), (&x, &y));
}

#[test]
fn a_point_off_the_curve_is_no_token_key() {
    assert!(TokenPublicKey::from_coordinates(&[1; 32], &[1; 32]).is_err());
    assert!(TokenPublicKey::from_coordinates(&[0; 32], &[0; 32]).is_err());
}

#[test]
fn the_subject_public_key_info_is_the_one_the_library_prints() {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::KeyPair;

    let key = TokenKey::generate().unwrap();
    let expected: PublicKeyX509Der<'_> = key.pair.public_key().as_der().unwrap();
    assert_eq!(key.public().spki_der(), expected.as_ref());
}
