//! Public keys from files: PEM, a JWK, or a JWK set. Whoever gives a private one is told to keep
//! it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use marque_crypto::{CryptoError, Secret, spki};
use marque_wire::jose::{BadJwk, BadJwkSet, Jwk, JwkSet};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

use crate::exit::{Exit, Failure};

/// Most bytes of a file with keys or certificates.
const MAX_BYTES: u64 = 256 * 1024;

/// The public keys in a file, as a JWK set.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    let text = text(file)?;
    let set = parse(text.expose()).map_err(|failure| within(file, failure))?;
    Ok(set.to_json().to_string())
}

/// A file that others made, whole, with nothing private in it.
pub(crate) fn text(file: &Path) -> Result<Secret, Failure> {
    let failed =
        |why: &str| Failure::new(Exit::Failed, format!("cannot read `{}`: {why}", file.display()));
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    // What turns out to be private is wiped.
    let text = Secret::from_vec(bytes);
    read.map_err(|error| failed(&error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed("it is longer than 256 KiB"));
    }
    let marks = b"PRIVATE KEY-----";
    if text.expose().windows(marks.len()).any(|window| window == marks) {
        return Err(within(file, private()));
    }
    Ok(text)
}

fn parse(text: &[u8]) -> Result<JwkSet, Failure> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return pem(text);
    }
    let trimmed = text.trim_ascii();
    match JwkSet::parse(trimmed) {
        Ok(set) => must_have_one(set),
        Err(BadJwkSet::Key(BadJwk::Private(_))) => Err(private()),
        // A key on its own has no member `keys`.
        Err(of_set) => match Jwk::parse(trimmed) {
            Ok(jwk) => JwkSet::new(vec![jwk]).map_err(|error| refused(&error.to_string())),
            Err(BadJwk::Private(_)) => Err(private()),
            Err(of_key) if is_single(trimmed) => Err(refused(&of_key.to_string())),
            Err(_) => Err(refused(&of_set.to_string())),
        },
    }
}

/// Whether that is meant to be a key on its own.
fn is_single(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|value| value.get("kty").is_some())
}

fn pem(text: &[u8]) -> Result<JwkSet, Failure> {
    let mut keys = Vec::new();
    for found in SubjectPublicKeyInfoDer::pem_slice_iter(text) {
        let der = found.map_err(|error| refused(&format!("it is no PEM: {error:?}")))?;
        let key = spki::read(&der).map_err(|error: CryptoError| refused(&error.to_string()))?;
        keys.push(Jwk { key, key_id: None });
    }
    must_have_one(JwkSet::new(keys).map_err(|error| refused(&error.to_string()))?)
}

fn must_have_one(set: JwkSet) -> Result<JwkSet, Failure> {
    if set.keys().is_empty() {
        return Err(refused("it has no public key that verifies ES256, RS256 or Ed25519"));
    }
    Ok(set)
}

fn refused(why: &str) -> Failure {
    Failure::new(Exit::Failed, why).hint(
        "give a public key: PEM (`-----BEGIN PUBLIC KEY-----`), a JWK, or a JWK set; \
         `openssl pkey -in KEY -pubout` prints that of a private key",
    )
}

fn private() -> Failure {
    Failure::new(Exit::Failed, "it is a private key, and that is its owner's alone").hint(
        "nothing was sent; give the public half: `openssl pkey -in KEY -pubout -out KEY.pub`. If \
         the file was copied here to be given away, take a new key",
    )
}

fn within(file: &Path, failure: Failure) -> Failure {
    let message = format!("cannot take `{}`: {}", file.display(), failure.message);
    Failure { message, ..failure }
}

#[cfg(test)]
mod tests {
    use marque_crypto::proof_key::ProofKey;
    use marque_wire::jose::{Jwk, JwkSet};

    use super::{parse, read, text};

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n\
        6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n\
        -----END PUBLIC KEY-----\n";
    const JWK: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    #[test]
    fn one_key_is_the_same_in_each_of_its_three_forms() {
        let set = format!("{{\"keys\":[{JWK}]}}\n");
        let all = [PEM, JWK, &set].map(|text| parse(text.as_bytes()).ok().unwrap());
        assert_eq!(all[0].keys()[0].key, all[1].keys()[0].key);
        assert_eq!(all[1], all[2]);
        let two = parse(format!("{PEM}{PEM}").as_bytes()).ok().unwrap();
        assert_eq!(two.keys().len(), 2);
    }

    // threat 22
    #[test]
    fn a_private_key_is_refused_before_anything_is_made_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let jwk = Jwk { key: ProofKey::generate().unwrap().public().clone(), key_id: None };
        let public = jwk.to_json().to_string();
        let private = public.replacen('{', "{\"d\":\"AAAA\",", 1);
        let set = format!("{{\"keys\":[{private}]}}");
        for text in ["EC PRIVATE", "PRIVATE", "RSA PRIVATE", "ENCRYPTED PRIVATE", "OPENSSH PRIVATE"]
        {
            let pem = format!("-----BEGIN {text} KEY-----\nAAAA\n-----END {text} KEY-----\n{PEM}");
            std::fs::write(&file, pem).unwrap();
            let told = read(&file).unwrap_err();
            assert!(told.message.contains("private key"), "{text}: {}", told.message);
        }
        for text in [private, set] {
            std::fs::write(&file, text).unwrap();
            let told = read(&file).unwrap_err();
            assert!(told.message.contains("private key"), "{}", told.message);
            assert!(told.hint.unwrap().contains("-pubout"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_one_is() {
        for text in ["", "hello", "{}", "{\"keys\":[]}", "{\"kty\":\"oct\"}", "ssh-ed25519 AAAA"] {
            let told = parse(text.as_bytes()).unwrap_err();
            assert!(told.hint.unwrap().contains("BEGIN PUBLIC KEY"), "`{text}`");
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("long");
        std::fs::write(&file, vec![b' '; 257 * 1024]).unwrap();
        assert!(text(&file).err().unwrap().message.contains("256 KiB"));
        assert!(JwkSet::parse(b"{}").is_err());
    }
}
