//! Keys and certificates made by openssl(1), and tokens signed by the TLS library.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::Signer;
use serde_json::{Value, json};

use super::clock::timed;
use super::places::Places;

/// The names the upstreams are reached by end in it.
pub(super) const DOMAIN: &str = "bench.test";
/// Bytes of each half of a signature.
const HALF: usize = 32;
/// How tokens are signed.
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
/// Signatures that are made, or checked, to say how long one takes.
const SIGNATURES: u32 = 2000;

const AUTHORITY: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
     -keyout authority.key -out authority.pem -subj /CN=Bench -days 2 \
     -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign";
const REQUEST: &str = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
     -keyout upstream.key -out upstream.csr -subj /CN=upstream";
const CERTIFICATE: &str = "x509 -req -in upstream.csr -CA authority.pem -CAkey authority.key \
     -CAcreateserial -out upstream.pem -days 2 -extfile upstream.ext";

/// A key on P-256 that signs tokens: ES256 (RFC 7518 section 3.4).
pub(super) struct Key {
    signer: Box<dyn Signer>,
    /// The public point, uncompressed (SEC 1 section 2.3.3).
    point: Vec<u8>,
    /// Its public half (RFC 7517).
    pub(super) jwk: Value,
}

/// Writes an authority and a server's certificate into `papers`.
pub(super) fn write(places: &Places) -> anyhow::Result<()> {
    fs::create_dir(places.at("papers"))?;
    let names = format!("subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN},IP:127.0.0.1\n");
    fs::write(places.at("papers/upstream.ext"), names)?;
    [AUTHORITY, REQUEST, CERTIFICATE].iter().try_for_each(|words| openssl(places, words))
}

fn openssl(places: &Places, words: &str) -> anyhow::Result<()> {
    let mut command: Command = places.command("openssl");
    command.args(words.split_ascii_whitespace()).current_dir(places.at("papers"));
    let output = command.output().context("`openssl` cannot be run")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`openssl {words}` failed: {error}");
    Ok(())
}

impl Key {
    /// Makes one, as `papers/NAME.key` and `papers/NAME.pub`.
    pub(super) fn make(places: &Places, name: &str) -> anyhow::Result<Self> {
        let curve = "ec_paramgen_curve:P-256";
        openssl(places, &format!("genpkey -algorithm EC -pkeyopt {curve} -out {name}.key"))?;
        openssl(places, &format!("pkey -in {name}.key -pubout -out {name}.pub"))?;
        let key = PrivateKeyDer::from_pem_file(places.at(&format!("papers/{name}.key")))?;
        let key = default_provider().key_provider.load_private_key(key)?;
        let signer = key.choose_scheme(&[SCHEME]);
        let signer = signer.context("the key does not sign with P-256")?;
        let public = places.at(&format!("papers/{name}.pub"));
        let public = SubjectPublicKeyInfoDer::from_pem_file(public)?;
        // RFC 5480: the point comes last, its two numbers at its end.
        let (_, point) = public.split_last_chunk::<{ 2 * HALF }>().context("a point")?;
        let [x, y] = [&point[..HALF], &point[HALF..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let point = [&[4], &point[..]].concat();
        Ok(Self { signer, point, jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }) })
    }

    /// A signed token.
    pub(super) fn token(&self, head: &Value, claims: &Value) -> anyhow::Result<String> {
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{head}.{claims}");
        let signed = self.signer.sign(text.as_bytes())?;
        let signature = halves(&signed).context("a signature in ASN.1")?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Microseconds until one signature is checked.
    pub(super) fn verify_micros(&self) -> anyhow::Result<f64> {
        let text = b"as long as it is short";
        let signed = self.signer.sign(text)?;
        let known = default_provider().signature_verification_algorithms.mapping;
        let known = known.iter().find(|(scheme, _)| *scheme == SCHEME);
        let algorithm = known.and_then(|(_, algorithms)| algorithms.first());
        let algorithm = algorithm.context("nothing checks signatures with P-256")?;
        let (checked, seconds) = timed(|| {
            (0..SIGNATURES).all(|_| algorithm.verify_signature(&self.point, text, &signed).is_ok())
        });
        ensure!(checked, "a signature of ours does not hold");
        Ok(seconds * 1e6 / f64::from(SIGNATURES))
    }

    /// Microseconds of one signature.
    pub(super) fn micros(&self) -> anyhow::Result<f64> {
        let (signed, seconds) = timed(|| {
            (0..SIGNATURES).try_for_each(|_| self.signer.sign(b"as long as it is short").map(drop))
        });
        signed?;
        Ok(seconds * 1e6 / f64::from(SIGNATURES))
    }
}

/// Both numbers of an ECDSA signature in ASN.1, in 32 bytes each: a sequence of two integers, each
/// with a zero before it where it would look negative.
fn halves(asn1: &[u8]) -> Option<Vec<u8>> {
    let mut rest = asn1.get(2..)?;
    let mut halves = Vec::new();
    for _ in 0..2 {
        let length = usize::from(*rest.get(1)?);
        let number = rest.get(2..2 + length)?;
        let number = number.get(length.saturating_sub(HALF)..)?;
        halves.extend(vec![0; HALF - number.len()]);
        halves.extend_from_slice(number);
        rest = rest.get(2 + length..)?;
    }
    Some(halves)
}

#[cfg(test)]
mod tests {
    use super::halves;

    #[test]
    fn halves_are_padded_or_lose_their_zero() {
        let mut asn1 = vec![0x30, 4 + 33 + 2, 2, 33, 0];
        asn1.extend([0xff; 32]);
        asn1.extend([2, 2, 1, 2]);
        let both = halves(&asn1).unwrap();
        assert_eq!(both[..32], [0xff; 32]);
        assert_eq!(both[32..62], [0; 30]);
        assert_eq!(both[62..], [1, 2]);
        assert_eq!(halves(&[0x30, 3, 2, 9]), None);
    }
}
