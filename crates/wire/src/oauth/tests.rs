//! OAuth on the wire: the examples of the standards, and what attackers make of them.

mod answers;
mod assertions;
mod claims;
mod clients;
mod proofs;
mod properties;
mod received;
mod requests;
mod status;
mod words;

use std::sync::LazyLock;

use marque_crypto::proof_key::ProofKey;
use serde_json::{Map, Value};

use super::*;
use crate::jose::{NumericDate, Token, TokenClass, Unsigned, Unverified, Verified};

/// Signs whatever is to be read.
static KEY: LazyLock<ProofKey> = LazyLock::new(|| ProofKey::generate().unwrap());

fn at(seconds: u64) -> NumericDate {
    NumericDate::from_seconds(seconds).unwrap()
}

fn finish(unsigned: Unsigned) -> Token {
    let signature = KEY.sign(unsigned.signing_input()).unwrap();
    unsigned.finish(&signature).unwrap()
}

/// A token of this class with these claims, whose signature was verified.
fn verified(class: TokenClass, claims: &Map<String, Value>) -> Verified {
    let token = finish(Unsigned::new(class, KEY.public().algorithm(), "k", claims));
    Unverified::parse(class, token.expose()).unwrap().verify(KEY.public()).unwrap()
}

/// An object in JSON, with some of its members set otherwise, or removed where that is `null`.
fn changed(object: &str, members: &[(&str, Value)]) -> Map<String, Value> {
    let mut object: Map<String, Value> = serde_json::from_str(object).unwrap();
    for (name, value) in members {
        if value.is_null() {
            object.remove(*name);
        } else {
            object.insert((*name).to_owned(), value.clone());
        }
    }
    object
}
