//! The private key of a client or a run: read, made, and what it signs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use marque_crypto::proof_key::ProofKey;
use marque_crypto::random::{SystemRandom, bytes};
use marque_crypto::{CryptoError, Secret};
use marque_wire::jose::{Jwk, JwkSet, NumericDate, Token, TokenClass, Unsigned};
use marque_wire::oauth::{ClientAssertion, Issuer, ProofDraft};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::exit::{Exit, Failure};
use crate::passphrase::secret_from;

/// How long a client's assertion is good, in seconds.
const ASSERTION_SECS: u64 = 60;
/// Characters of a line of PEM (RFC 7468 section 2).
const LINE: usize = 64;

/// A private key on P-256. No `Debug`.
pub(crate) struct Key(ProofKey);

impl Key {
    /// A fresh one.
    pub(crate) fn make() -> Result<Self, Failure> {
        Ok(Self(ProofKey::generate().map_err(|error| cannot(&error))?))
    }

    /// The one in a private file, PKCS#8 in PEM.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let text = secret_from(file, "key")?;
        let bad = || {
            let message = format!("`{}` holds no private key on P-256", file.display());
            Failure::new(Exit::Failed, message).hint(
                "it is PKCS#8 in PEM (`-----BEGIN PRIVATE KEY-----`), as `openssl genpkey \
                 -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes it",
            )
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.expose()).map_err(|_| bad())?;
        let der = Secret::from_vec(der.secret_pkcs8_der().to_vec());
        Ok(Self(ProofKey::from_pkcs8(&der).map_err(|_| bad())?))
    }

    /// PKCS#8 in PEM, as libraries read it.
    pub(crate) fn to_pem(&self) -> Result<Secret, Failure> {
        let der = self.0.to_pkcs8().map_err(|error| cannot(&error))?;
        let text = Secret::from_string(STANDARD.encode(der.expose()));
        let mut pem = Vec::with_capacity(text.len() * 2 + 128);
        pem.extend_from_slice(b"-----BEGIN PRIVATE KEY-----\n");
        for line in text.expose().chunks(LINE) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END PRIVATE KEY-----\n");
        Ok(Secret::from_vec(pem))
    }

    /// The public half as a JWK set.
    pub(crate) fn public_set(&self) -> Result<String, Failure> {
        let jwk = Jwk { key: self.0.public().clone(), key_id: Some(self.thumbprint().to_owned()) };
        let set = JwkSet::new(vec![jwk]);
        let set = set.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(set.to_json().to_string())
    }

    /// What tokens that are bound to it call it.
    pub(super) fn thumbprint(&self) -> &str {
        self.0.public().thumbprint()
    }

    /// Puts it into a file that only its owner can read and that was not there before: where.
    pub(super) fn keep(&self) -> Result<PathBuf, Failure> {
        let kept = || -> std::io::Result<PathBuf> {
            // 0600 and a name that nobody can guess.
            let mut file =
                tempfile::Builder::new().prefix("marque-token-").suffix(".key").tempfile()?;
            file.write_all(self.to_pem().map_err(std::io::Error::other)?.expose())?;
            Ok(file.keep()?.1)
        };
        kept().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot keep a key for the token: {error}"))
                .hint("name a key of yours with `--confirm-key FILE`")
        })
    }

    /// A proof of possession for one request.
    pub(super) fn proof(&self, draft: &ProofDraft<'_>) -> Result<HeaderValue, Failure> {
        let token = self.sign(draft.unsigned(self.0.public()))?;
        let value = HeaderValue::from_bytes(token.expose());
        let mut value = value.map_err(|_| Failure::new(Exit::Failed, "no proof can be made"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A client's assertion about itself, to the issuer alone (RFC 10070).
    pub(super) fn assertion(
        &self,
        client_id: &str,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Token, Failure> {
        let exp = now.plus_seconds(ASSERTION_SECS);
        let claims = ClientAssertion { client_id: client_id.to_owned(), jti: fresh_name(), exp };
        let claims = claims.to_json(issuer, now);
        let algorithm = self.0.public().algorithm();
        let class = TokenClass::ClientAssertion;
        self.sign(Unsigned::new(class, algorithm, self.thumbprint(), &claims))
    }

    fn sign(&self, unsigned: Unsigned) -> Result<Token, Failure> {
        let signature = self.0.sign(unsigned.signing_input()).map_err(|error| cannot(&error))?;
        unsigned.finish(&signature).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
    }
}

/// A name that nobody has used: 128 random bits.
pub(super) fn fresh_name() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>(&SystemRandom))
}

fn cannot(error: &CryptoError) -> Failure {
    Failure::new(Exit::Failed, format!("no key can be made or used: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Key;

    // threat 158
    #[test]
    fn a_key_is_kept_for_its_owner_alone_and_is_the_same_when_it_is_read() {
        let key = Key::make().unwrap();
        let file = key.keep().unwrap();
        let read = Key::read(&file).unwrap();
        assert_eq!(read.thumbprint(), key.thumbprint());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Key::read(&file).is_err(), "others may read it");
        std::fs::remove_file(&file).unwrap();
    }
}
