//! Nothing that was changed verifies, and what was written is read.

use std::sync::LazyLock;

use marque_crypto::token_key::{TokenAlgorithm, TokenKey};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

static KEY: LazyLock<TokenKey> =
    LazyLock::new(|| TokenKey::generate(TokenAlgorithm::Es256).unwrap());
static RSA_KEY: LazyLock<TokenKey> =
    LazyLock::new(|| TokenKey::generate(TokenAlgorithm::Rs256).unwrap());

fn issue(key: &TokenKey, claims: &Map<String, Value>) -> Token {
    let algorithm = key.algorithm().algorithm();
    let class = TokenClass::AccessToken;
    let unsigned = Unsigned::new(class, algorithm, key.public().kid(), claims);
    let signature = key.sign(unsigned.signing_input()).unwrap();
    unsigned.finish(&signature).unwrap()
}

fn verify(key: &TokenKey, token: &[u8]) -> Result<Verified, BadJose> {
    Unverified::parse(TokenClass::AccessToken, token)?.verify_ours(key.public())
}

fn some_claims() -> Map<String, Value> {
    Map::from_iter([
        ("iss".to_owned(), "https://id.acme.example".into()),
        ("n".to_owned(), 7.into()),
    ])
}

#[test]
fn a_token_with_any_byte_changed_is_refused() {
    for key in [&*KEY, &*RSA_KEY] {
        let token = issue(key, &some_claims()).expose().to_vec();
        verify(key, &token).unwrap();
        for at in 0..token.len() {
            for other in [token[at] ^ 1, token[at] ^ 0x20, token[at].wrapping_add(1), b'.', b'A'] {
                let mut changed = token.clone();
                changed[at] = other;
                assert_eq!(verify(key, &changed).is_ok(), changed == token, "byte {at}");
            }
            assert!(verify(key, &token[..at]).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn a_token_of_another_key_is_refused() {
    let token = issue(&KEY, &some_claims());
    let other = TokenKey::generate(TokenAlgorithm::Es256).unwrap();
    assert_eq!(verify(&other, token.expose()).err(), Some(BadJose::Signature));
    assert_eq!(verify(&RSA_KEY, token.expose()).err(), Some(BadJose::OtherKey));
}

#[test]
fn a_token_that_no_reader_would_take_is_not_written() {
    let long = Map::from_iter([("a".to_owned(), "x".repeat(16 * 1024).into())]);
    let unsigned =
        Unsigned::new(TokenClass::AccessToken, KEY.public().key().algorithm(), "k", &long);
    assert_eq!(unsigned.finish(&[0; 64]).err(), Some(BadJose::TooLong(16 * 1024)));
}

proptest! {
    #[test]
    fn a_token_with_bytes_changed_inserted_or_removed_is_refused(
        at in any::<prop::sample::Index>(),
        removed in 0_usize..3,
        inserted in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let token = issue(&KEY, &some_claims()).expose().to_vec();
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.splice(at..token.len().min(at + removed), inserted);
        prop_assert_eq!(verify(&KEY, &changed).is_ok(), changed == token);
    }

    #[test]
    fn what_is_written_is_read(
        claims in prop::collection::btree_map("[a-z]{1,8}", "\\PC{1,20}", 0..8),
    ) {
        let object: Map<String, Value> =
            claims.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        let token = issue(&KEY, &object);
        let verified = verify(&KEY, token.expose()).unwrap();
        let claims = verified.into_claims(&[TokenClass::AccessToken]).unwrap();
        prop_assert_eq!(claims.rest(), object);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Jwk::parse(&bytes);
        let _ = JwkSet::parse(&bytes);
        prop_assert!(Unverified::parse(TokenClass::AccessToken, &bytes).is_err());
    }
}
