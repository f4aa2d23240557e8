//! Writing a token: the bytes to be signed, then the token.

use marque_crypto::Secret;
use marque_crypto::public_key::{Algorithm, PublicKey};
use serde_json::{Map, Value, json};

use super::header::print_algorithm;
use super::jwk::public_members;
use super::{BadJose, TokenClass, encode};

/// A token that lacks its signature. No `Debug`.
pub struct Unsigned {
    class: TokenClass,
    text: String,
}

/// A signed token. No `Debug`, `Display` or `Serialize`: whoever has it can present it.
pub struct Token(Secret);

impl Unsigned {
    /// A token of `class` with these claims, to be signed by the key called `key_id`.
    pub fn new(
        class: TokenClass,
        algorithm: Algorithm,
        key_id: &str,
        claims: &Map<String, Value>,
    ) -> Self {
        let alg = print_algorithm(algorithm);
        let header = json!({ "alg": alg, "typ": class.typ(), "kid": key_id });
        Self::from_parts(class, &header, claims)
    }

    /// A DPoP proof with these claims, to be signed by the private half of `key`.
    pub fn proof(key: &PublicKey, claims: &Map<String, Value>) -> Self {
        let class = TokenClass::DpopProof;
        let alg = print_algorithm(key.algorithm());
        let jwk = Value::Object(public_members(key));
        let header = json!({ "alg": alg, "typ": class.typ(), "jwk": jwk });
        Self::from_parts(class, &header, claims)
    }

    fn from_parts(class: TokenClass, header: &Value, claims: &Map<String, Value>) -> Self {
        let header = encode(header.to_string().as_bytes());
        let claims = serde_json::to_vec(claims);
        let claims = claims.expect("INVARIANT: values of JSON have a form in JSON");
        Self { class, text: format!("{header}.{}", encode(&claims)) }
    }

    /// What is to be signed (RFC 7515 section 5.1).
    pub fn signing_input(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The token, with a signature over [`Unsigned::signing_input`].
    ///
    /// # Errors
    /// [`BadJose::TooLong`] where no reader would take it.
    pub fn finish(self, signature: &[u8]) -> Result<Token, BadJose> {
        let token = format!("{}.{}", self.text, encode(signature));
        if token.len() > self.class.max_bytes() {
            return Err(BadJose::TooLong(self.class.max_bytes()));
        }
        Ok(Token(Secret::from_string(token)))
    }
}

impl Token {
    /// The token as it is presented, in ASCII. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}
