//! What can be wrong with a configuration.

use marque_crypto::CryptoError;
use marque_wire::jose::BadPrivateJwk;
use marque_wire::oauth::{BadDetails, BadScope, BadUri};
use thiserror::Error;

/// Why nothing can be built so. Told once, at the start; names what to mend.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The issuer is none.
    #[error("`{url}` is no issuer: {problem}")]
    Issuer {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: BadUri,
    },
    /// The audience, resource, origin or metadata URL is none.
    #[error("`{url}` is no resource: {problem}")]
    Resource {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: BadUri,
    },
    /// A certificate authority cannot be used.
    #[error("no authority to verify the issuer with: {0}")]
    Authority(String),
    /// A variable of the environment that must be there.
    #[error("`{0}` is not set; `marque run` sets it, or name the value in the builder")]
    Environment(&'static str),
    /// The key file cannot be read.
    #[error("the key file `{path}` cannot be read: {problem}")]
    KeyFile {
        /// Where it lies.
        path: String,
        /// What the system says.
        problem: String,
    },
    /// The key is no private key on P-256 in PKCS#8.
    #[error("the key is refused: {0}; give a P-256 key in PKCS#8 PEM, or as a private JWK")]
    Key(#[from] CryptoError),
    /// The key is no private JWK on P-256.
    #[error("{0}; give a P-256 key in PKCS#8 PEM, or as a private JWK")]
    Jwk(#[from] BadPrivateJwk),
    /// A scope is none.
    #[error(transparent)]
    Scope(#[from] BadScope),
    /// Details are none.
    #[error(transparent)]
    Details(#[from] BadDetails),
    /// A client id that nobody could send.
    #[error("the client id is empty or not visible ASCII")]
    ClientId,
    /// A SPIFFE ID or trust domain is none.
    #[error("`{0}` is no SPIFFE ID or trust domain")]
    Spiffe(String),
    /// A bound of zero, or above what is held here.
    #[error("`{0}` is out of its bounds")]
    Bound(&'static str),
}
