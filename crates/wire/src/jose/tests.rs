//! Signed tokens: the examples of the standards, and what attackers make of them.
#![expect(clippy::disallowed_methods, reason = "tokens are signed here to be refused")]

mod headers;
mod hygiene;
mod keys;
mod mutations;
mod vectors;

use marque_crypto::proof_key::ProofKey;
use marque_crypto::public_key::PublicKey;

use super::*;

/// The parts, in base64url, with a signature by `key`.
fn signed(header: &str, claims: &str, key: &ProofKey) -> Vec<u8> {
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", encode(&signature)).into_bytes()
}

fn read(class: TokenClass, token: &[u8], key: &PublicKey) -> Result<(), BadJose> {
    Unverified::parse(class, token)?.verify(key).map(|_| ())
}
