#![expect(clippy::disallowed_methods, reason = "here is where signing itself is tested")]

use std::sync::Arc;
use std::time::Duration;

use marque_domain::Timestamp;

use super::{TokenAlgorithm, TokenKey, TokenPublicKey};
use crate::ecdsa;
use crate::error::CryptoError;
use crate::key_file::{KeyMaterial, Purpose};
use crate::key_ring::KeyRing;
use crate::public_key::{Algorithm, KeyMembers, PublicKey};
use crate::random::SystemRandom;
use crate::seal::{Binding, FileKeyManager, seal};
use crate::secret::Secret;

const BOTH: [TokenAlgorithm; 2] = [TokenAlgorithm::Es256, TokenAlgorithm::Rs256];

fn bad(verified: Result<(), CryptoError>) {
    assert!(matches!(verified, Err(CryptoError::BadSignature)));
}

#[test]
fn a_signature_of_another_message_key_or_encoding_does_not_verify() {
    for algorithm in BOTH {
        let key = TokenKey::generate(algorithm).unwrap();
        let signature = key.sign(b"header.claims").unwrap();
        key.public().verify(b"header.claims", &signature).unwrap();
        bad(key.public().verify(b"header.claimz", &signature));
        let other = TokenKey::generate(algorithm).unwrap();
        bad(other.public().verify(b"header.claims", &signature));
        bad(key.public().verify(b"header.claims", &vec![0; signature.len()]));
        bad(key.public().verify(b"header.claims", &[]));
        bad(key.public().verify(b"header.claims", &[signature.as_slice(), &[0]].concat()));
    }
}

// threat 21: a thief of a token cannot give it a second spelling.
#[test]
fn threat_21_a_token_of_ours_has_one_signature() {
    let key = TokenKey::generate(TokenAlgorithm::Es256).unwrap();
    for round in 0_u8..32 {
        let signature: [u8; 64] = key.sign(&[round]).unwrap().try_into().unwrap();
        assert!(ecdsa::is_canonical(&signature));
        key.public().verify(&[round], &signature).unwrap();
        let twin = ecdsa::twin(signature);
        bad(key.public().verify(&[round], &twin));
        // It is a signature all the same: verifiers elsewhere take it, and must go by the `jti`.
        key.public().key().verify(&[round], &twin).unwrap();
    }
}

#[test]
fn a_key_comes_back_from_pkcs_8_and_only_as_what_it_is() {
    for (algorithm, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let key = TokenKey::generate(algorithm).unwrap();
        let pkcs8 = key.to_pkcs8().unwrap();
        let restored = TokenKey::from_pkcs8(algorithm, &pkcs8).unwrap();
        assert_eq!(restored.public(), key.public());
        assert_eq!(restored.algorithm(), algorithm);
        assert_eq!(restored.public().key().algorithm(), algorithm.algorithm());
        assert!(TokenKey::from_pkcs8(other, &pkcs8).is_err());
        assert!(TokenKey::from_pkcs8(algorithm, &Secret::from_vec(vec![0; 32])).is_err());
        assert_eq!(algorithm.to_string().parse::<TokenAlgorithm>().unwrap(), algorithm);
    }
    for name in ["", "es256", "none", "HS256", "ES384", "Ed25519"] {
        assert!(name.parse::<TokenAlgorithm>().is_err(), "{name}");
    }
}

#[test]
fn a_key_for_tokens_is_of_an_algorithm_that_is_issued() {
    let x = crate::git_key::GitKey::generate(&SystemRandom).unwrap();
    let key = PublicKey::new(KeyMembers::Ed25519 { x: *x.public().as_bytes() }).unwrap();
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
    assert!(TokenPublicKey::new(key).is_err());
}

// A key's whole life: made, sealed, opened, prepared, active, retired.
#[test]
fn a_sealed_key_goes_through_a_ring() {
    let material = KeyMaterial::generate(Purpose::KeyEncryption, &SystemRandom);
    let manager = FileKeyManager::new(&material, Arc::new(SystemRandom)).unwrap();
    let place = Binding { table: "token_key", row: "key", revision: 1 };
    let now = Timestamp::from_millis(1_000_000);
    let day = Duration::from_secs(86_400);
    let restored = |algorithm| {
        let key = TokenKey::generate(algorithm).unwrap();
        let sealed = seal(&manager, &SystemRandom, &place, &key.to_pkcs8().unwrap()).unwrap();
        let opened = crate::seal::open(&manager, &place, &sealed).unwrap();
        let again = TokenKey::from_pkcs8(algorithm, &opened).unwrap();
        assert_eq!(again.public(), key.public());
        Arc::new(again)
    };
    let (first, next) = (restored(TokenAlgorithm::Es256), restored(TokenAlgorithm::Rs256));
    let ring = KeyRing::new(first.clone(), day, now).prepare(next.clone(), now).unwrap();
    let ring = ring.rotate(now.plus(day)).unwrap();
    assert_eq!(ring.signer().public(), next.public());
    let signature = first.sign(b"yesterday").unwrap();
    let published: Vec<_> = ring.published(now.plus(day)).collect();
    assert_eq!(published.len(), 2);
    assert!(published.iter().any(|key| key.public().verify(b"yesterday", &signature).is_ok()));
}
