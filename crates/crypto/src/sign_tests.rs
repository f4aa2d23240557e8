use aws_lc_rs::signature::Ed25519KeyPair;

use super::{LogKey, LogPublicKey};
use crate::key_file::{KeyMaterial, Purpose};
use crate::token_key::{TokenAlgorithm, TokenKey};
use crate::{CryptoError, SystemRandom};

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
fn a_key_comes_back_from_pkcs_8_and_only_as_what_it_is() {
    let log = LogKey::generate(&SystemRandom).unwrap();
    let restored = LogKey::from_pkcs8(&log.to_pkcs8().unwrap()).unwrap();
    assert_eq!(restored.public().as_bytes(), log.public().as_bytes());
    let token = TokenKey::generate(TokenAlgorithm::Es256).unwrap();
    assert!(LogKey::from_pkcs8(&token.to_pkcs8().unwrap()).is_err());
    assert!(TokenKey::from_pkcs8(TokenAlgorithm::Es256, &log.to_pkcs8().unwrap()).is_err());
}

#[test]
fn a_log_key_comes_from_material_for_the_log_and_no_other() {
    let material = KeyMaterial::generate(Purpose::LogSigning, &SystemRandom);
    let (one, other) = (LogKey::from_material(&material), LogKey::from_material(&material));
    assert_eq!(one.unwrap().public().as_bytes(), other.unwrap().public().as_bytes());
    let material = KeyMaterial::generate(Purpose::KeyEncryption, &SystemRandom);
    assert!(matches!(LogKey::from_material(&material), Err(CryptoError::WrongPurpose { .. })));
}
