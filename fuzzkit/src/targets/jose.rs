//! Signed tokens and keys: nothing verifies that was not signed, what verifies another reader reads
//! the same, and keys print as they were read.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_crypto::proof_key::ProofKey;
use marque_wire::jose::{Jwk, JwkSet, TokenClass, Unsigned, Unverified};
use marque_wire::oauth::AccessTokenClaims;
use serde_json::Value;

static KEY: LazyLock<ProofKey> = LazyLock::new(|| ProofKey::generate().unwrap());

pub(super) fn check(data: &[u8]) {
    keys(data);
    for class in TokenClass::ALL {
        if let Ok(token) = Unverified::parse(class, data) {
            let _ = token.claimed_issuer();
            assert!(token.verify(KEY.public()).is_err(), "it verifies, and nobody signed it");
        }
    }
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let token = signed(header, claims);
    for class in TokenClass::ALL {
        let verified =
            Unverified::parse(class, &token).and_then(|token| token.verify(KEY.public()));
        if let Ok(verified) = verified {
            same_for_a_lenient_reader(header, claims);
            if class == TokenClass::AccessToken
                && let Ok(read) = AccessTokenClaims::read(verified)
            {
                written_again(&read);
            }
        }
    }
    changed(data);
}

fn keys(data: &[u8]) {
    if let Ok(key) = Jwk::parse(data) {
        let printed = key.to_json().to_string();
        assert_eq!(Jwk::parse(printed.as_bytes()), Ok(key), "a key prints otherwise");
    }
    if let Ok(set) = JwkSet::parse(data) {
        let printed = set.to_json().to_string();
        assert_eq!(JwkSet::parse(printed.as_bytes()), Ok(set), "a set prints otherwise");
    }
}

/// Both parts with a signature that holds.
fn signed(header: &[u8], claims: &[u8]) -> Vec<u8> {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(KEY.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}").into_bytes()
}

/// Another reader keeps the last of two members, and reads no more of the header than `alg`.
fn same_for_a_lenient_reader(header: &[u8], claims: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("what was read is JSON");
    assert_eq!(header["alg"], "ES256", "it verifies with another algorithm");
    for name in ["crit", "b64", "zip", "enc", "jku", "x5u", "x5c"] {
        assert!(header.get(name).is_none(), "it verifies with `{name}`");
    }
    let claims: Value = serde_json::from_slice(claims).expect("what was read is JSON");
    assert!(claims.is_object(), "claims are no object");
}

fn written_again(read: &AccessTokenClaims) {
    let claims = Value::Object(read.to_json()).to_string();
    let token = signed(br#"{"alg":"ES256","typ":"at+jwt"}"#, claims.as_bytes());
    // Numbers may be spelt longer than they came: `1e15`.
    if token.len() <= TokenClass::AccessToken.max_bytes() {
        let again = Unverified::parse(TokenClass::AccessToken, &token).unwrap();
        let again = AccessTokenClaims::read(again.verify(KEY.public()).unwrap());
        assert_eq!(again.as_ref(), Ok(read), "an access token prints otherwise");
    }
}

/// A token with `data` in place of as many bytes, from the place that its length says.
fn changed(data: &[u8]) {
    let class = TokenClass::AccessToken;
    let unsigned = Unsigned::new(class, KEY.public().algorithm(), "k", &serde_json::Map::new());
    let signature = KEY.sign(unsigned.signing_input()).unwrap();
    let token = unsigned.finish(&signature).unwrap().expose().to_vec();
    let mut changed = token.clone();
    let at = data.len() * 7 % changed.len();
    let until = changed.len().min(at + data.len());
    changed.splice(at..until, data.iter().copied());
    if changed != token
        && let Ok(changed) = Unverified::parse(class, &changed)
    {
        assert!(changed.verify(KEY.public()).is_err(), "a changed token verifies");
    }
}
