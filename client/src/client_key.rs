//! The private key of a client: it signs client assertions (RFC 7523) and proofs (RFC 9449).

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use marque_crypto::proof_key::ProofKey;
use marque_crypto::random::{SystemRandom, bytes};
use marque_crypto::{CryptoError, Secret};
use marque_wire::jose::{NumericDate, PrivateJwk, Token, TokenClass, Unsigned};
use marque_wire::oauth::{ClientAssertion, Issuer, ProofDraft};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::build::BuildError;

/// How long a client assertion is good, in seconds.
const ASSERTION_SECS: u64 = 60;
const FILE_MAX_BYTES: u64 = 16 * 1024;

/// A private key on P-256. No `Debug`; wiped when dropped.
pub struct ClientKey {
    key: ProofKey,
    key_id: String,
}

impl ClientKey {
    /// A fresh key, which nobody else knows.
    ///
    /// # Errors
    /// [`BuildError::Key`] where the library cannot make one.
    pub fn generate() -> Result<Self, BuildError> {
        Ok(Self::new(ProofKey::generate()?, None))
    }

    /// Reads a key: a private JWK, where it begins like one, else PKCS#8 in PEM (RFC 7468). A key
    /// without a `kid` is named by its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// [`BuildError`] for all but a private key on P-256.
    pub fn parse(text: &[u8]) -> Result<Self, BuildError> {
        if text.trim_ascii_start().starts_with(b"{") {
            let PrivateJwk { key, key_id } = PrivateJwk::parse(&Secret::from_vec(text.to_vec()))?;
            return Ok(Self::new(key, key_id));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(text);
        let der = der.map_err(|_| CryptoError::BadKey("key in PKCS#8 PEM"))?;
        let der = Secret::from_vec(der.secret_pkcs8_der().to_vec());
        Ok(Self::new(ProofKey::from_pkcs8(&der)?, None))
    }

    /// Reads a key from a file, as [`ClientKey::parse`] does.
    ///
    /// # Errors
    /// [`BuildError`] where there is no such file, or it holds no such key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        let path = path.as_ref();
        let unreadable = |error: std::io::Error| BuildError::KeyFile {
            path: path.display().to_string(),
            problem: error.to_string(),
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let room = usize::try_from(FILE_MAX_BYTES).unwrap_or_default();
        // Room from the start: growing would leave a copy of the key behind.
        let mut text = Vec::with_capacity(room);
        let read = file.take(FILE_MAX_BYTES).read_to_end(&mut text);
        let text = Secret::from_vec(text);
        read.map_err(unreadable)?;
        Self::parse(text.expose())
    }

    /// The name of the key: what the server knows its public half by.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public half as a JWK (RFC 7517), to be registered with the server.
    pub fn public_jwk(&self) -> String {
        let key = self.key.public().clone();
        let jwk = marque_wire::jose::Jwk { key, key_id: Some(self.key_id.clone()) };
        jwk.to_json().to_string()
    }

    fn new(key: ProofKey, key_id: Option<String>) -> Self {
        let key_id = key_id.unwrap_or_else(|| key.public().thumbprint().to_owned());
        Self { key, key_id }
    }

    /// A proof as a header field, which no log shows.
    pub(crate) fn proof(&self, draft: &ProofDraft<'_>) -> Result<HeaderValue, CryptoError> {
        let token = self.finish(draft.unsigned(self.key.public()))?;
        let value = HeaderValue::from_bytes(token.expose());
        let mut value = value.map_err(|_| CryptoError::Library("a header field"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A client's assertion about itself, to `issuer` alone (RFC 10070).
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Token, CryptoError> {
        let exp = now.plus_seconds(ASSERTION_SECS);
        let claims = ClientAssertion { client_id: client_id.to_owned(), jti: fresh_name(), exp };
        let claims = claims.to_json(issuer, now);
        let algorithm = self.key.public().algorithm();
        self.finish(Unsigned::new(TokenClass::ClientAssertion, algorithm, &self.key_id, &claims))
    }

    fn finish(&self, unsigned: Unsigned) -> Result<Token, CryptoError> {
        let signature = self.key.sign(unsigned.signing_input())?;
        unsigned.finish(&signature).map_err(|_| CryptoError::Library("a short token"))
    }
}

/// A name that nobody has used: 128 random bits.
pub(crate) fn fresh_name() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>(&SystemRandom))
}
