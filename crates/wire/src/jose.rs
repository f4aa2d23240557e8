//! JSON Web Signatures, keys and key sets (RFC 7515, 7517, 7518, 7638), as strict as they come.
//!
//! Owns the one reader of signed tokens. What a token says about its own verification counts for
//! little: `alg` must be that of the key the caller chose, `typ` must be that of the class the
//! caller expects, and a key in the header is looked at in DPoP proofs alone (RFC 9449), where it
//! is the thing to be proven. There is no `none`, no MAC, no encryption, no compression, no
//! extension. Nothing here signs: [`Unsigned`] gives the bytes, and whoever may sign them does.
//!
//! Tokens have no `Debug`, and no problem quotes one.

mod base64url;
mod class;
mod date;
mod header;
mod jwk;
mod jwk_set;
mod jws;
mod private_jwk;
mod unsigned;

use thiserror::Error;

pub use class::TokenClass;
pub use date::NumericDate;
pub use jwk::{BadJwk, Jwk};
pub use jwk_set::{BadJwkSet, JwkSet, KEYS_MAX};
pub use jws::{Unverified, Verified};
pub use private_jwk::{BadPrivateJwk, PrivateJwk};
pub use unsigned::{Token, Unsigned};

pub use crate::json::BadJson;
pub(crate) use base64url::{decode, decode_array, encode};

/// Why a token is refused. Names what is wrong with it, never what it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadJose {
    /// Longer than any token of its class.
    #[error("the token is longer than {0} bytes")]
    TooLong(usize),
    /// Not three parts: encrypted, unsecured, detached, in JSON, or no token at all.
    #[error("the token is not three parts with two dots between them")]
    Parts,
    /// Padding, spaces, another alphabet, or bits that no encoder leaves.
    #[error("a part of the token is not base64url without padding, in its one spelling")]
    Encoding,
    /// The header is not strict JSON.
    #[error("the header of the token is refused: {0}")]
    Header(BadJson),
    /// `none`, a MAC, an algorithm without a key of ours, or one that the class does not have.
    #[error("the `alg` of the token is none that is accepted here")]
    Algorithm,
    /// A token of one class where another is expected.
    #[error("the `typ` of the token is not that of {0}")]
    Type(TokenClass),
    /// `crit`, `b64`, `zip`, `enc`: it asks for another reading than ours.
    #[error("the header of the token asks for an extension or encryption with `{0}`")]
    Extension(&'static str),
    /// `jwk`, `jku`, `x5c`, `x5u` where no token brings its own key.
    #[error("the token names its own key with `{0}`")]
    OwnKey(&'static str),
    /// The key in the header of a proof is none.
    #[error("the `jwk` of the token is refused: {0}")]
    Jwk(BadJwk),
    /// The key is of another algorithm than the token says.
    #[error("the `alg` of the token is not that of the key")]
    OtherKey,
    /// The signature is not the key's over these bytes.
    #[error("the signature of the token does not verify")]
    Signature,
    /// The claims are not strict JSON.
    #[error("the claims of the token are refused: {0}")]
    Claims(BadJson),
}

#[cfg(test)]
mod tests;
