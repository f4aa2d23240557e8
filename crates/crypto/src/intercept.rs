//! Keys and certificates for intercepting the TLS of one run, and for a server that has none of
//! others. They leave memory only sealed: where several servers serve one plane, and on the disk of
//! a server.
//!
//! Types of their own: nothing here can sign a token or a checkpoint. Keys and serial numbers come
//! from the library's generator; times come from the caller.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marque_domain::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm, SigningKey, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, DnsName, PrivatePkcs8KeyDer};
use zeroize::{Zeroize, Zeroizing};

use crate::error::CryptoError;
use crate::random::{self, SystemRandom};
use crate::secret::Secret;

/// Longest life of a leaf certificate.
pub const MAX_LEAF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How far back certificates start, for clocks that run behind.
const BACKDATE_MILLIS: u64 = 5 * 60 * 1000;
const MAX_LABEL_LEN: usize = 48;
/// What an authority of a server is called. With its spaces it is no label of a run's.
const SERVER_LABEL: &str = "Marque server CA";

/// A certificate authority for one run, whose key dies with the run, or for one server.
pub struct InterceptAuthority {
    label: Box<str>,
    // In PKCS#8, for the library's own form takes more; it is read for each leaf anew.
    key: Secret,
    // Made with the first leaf: a run that intercepts nothing needs none.
    leaf_key: OnceLock<CertificateKey>,
    certificate: CertificateDer<'static>,
    starts: Timestamp,
    ends: Timestamp,
}

impl InterceptAuthority {
    /// A new authority named `CN=Marque run CA <label>`, valid from five minutes before `now` until
    /// `lifetime` after it. A label is 1 to 48 letters, digits, `-` or `_`: the run's id, usually.
    pub fn create(label: &str, now: Timestamp, lifetime: Duration) -> Result<Self, CryptoError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() || label.len() > MAX_LABEL_LEN || !label.bytes().all(plain) {
            return Err(CryptoError::BadLabel(shortened(label)));
        }
        Self::make(label, now, lifetime)
    }

    /// A new authority of a server, named `CN=Marque server CA`, valid as one of a run is.
    pub fn create_for_server(now: Timestamp, lifetime: Duration) -> Result<Self, CryptoError> {
        Self::make(SERVER_LABEL, now, lifetime)
    }

    fn make(label: &str, now: Timestamp, lifetime: Duration) -> Result<Self, CryptoError> {
        let (starts, ends) = (backdated(now), now.plus(lifetime));
        let params = authority_params(label, starts, ends);
        let key = CertificateKey::generate()?;
        let certificate = params.self_signed(&key);
        let certificate = certificate.map_err(|_| CryptoError::Library("making an authority"))?;
        Ok(Self {
            label: label.into(),
            key: key.to_secret()?,
            leaf_key: OnceLock::new(),
            certificate: certificate.der().clone(),
            starts,
            ends,
        })
    }

    /// All of it, for another server of the same plane: six lines, keys in Base64. Whoever calls
    /// this seals it before it goes anywhere.
    pub fn expose(&self) -> Result<Secret, CryptoError> {
        let encoded = |key: &Secret| Zeroizing::new(STANDARD.encode(key.expose()));
        let (key, leaf_key) = (encoded(&self.key), encoded(&self.leaf_key()?.to_secret()?));
        Ok(Secret::from_string(format!(
            "{}\n{}\n{}\n{}\n{}\n{}",
            self.label,
            self.starts.as_millis(),
            self.ends.as_millis(),
            STANDARD.encode(&self.certificate),
            *key,
            *leaf_key
        )))
    }

    /// The authority that [`InterceptAuthority::expose`] wrote.
    pub fn restore(exposed: &Secret) -> Result<Self, CryptoError> {
        let unreadable = || CryptoError::Library("reading an authority");
        let text = std::str::from_utf8(exposed.expose()).map_err(|_| unreadable())?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or_else(unreadable);
        let label = line()?.into();
        let mut moment = || -> Result<Timestamp, CryptoError> {
            line()?.parse().map(Timestamp::from_millis).map_err(|_| unreadable())
        };
        let (starts, ends) = (moment()?, moment()?);
        let mut bytes = || -> Result<Zeroizing<Vec<u8>>, CryptoError> {
            STANDARD.decode(line()?).map(Zeroizing::new).map_err(|_| unreadable())
        };
        let certificate = CertificateDer::from(bytes()?.to_vec());
        let key = CertificateKey::from_pkcs8(&bytes()?)?.to_secret()?;
        let leaf_key = OnceLock::from(CertificateKey::from_pkcs8(&bytes()?)?);
        Ok(Self { label, key, leaf_key, certificate, starts, ends })
    }

    /// The authority's certificate in PEM, for the run's trust bundle.
    pub fn ca_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate).to_string()
    }

    /// The authority's certificate in DER.
    pub fn ca_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The moment from which it is no longer valid, and nothing it signed is.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// A server certificate for `host`: a DNS name, or an IP address without brackets.
    ///
    /// Lives at most [`MAX_LEAF_LIFETIME`] and never beyond the authority. All leaves of one
    /// authority share one key, since making keys is the costly part.
    pub fn leaf(&self, host: &str, now: Timestamp) -> Result<Leaf, CryptoError> {
        if now >= self.ends {
            return Err(CryptoError::AuthorityExpired { ended: self.ends });
        }
        let starts = backdated(now).max(self.starts);
        let ends = now.plus(MAX_LEAF_LIFETIME).min(self.ends);
        let name = if self.is_of_server() { "Marque server" } else { "Marque run leaf" };
        let mut params = params(name, starts, ends);
        params.subject_alt_names = vec![alternative_name(host)?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let authority = authority_params(&self.label, self.starts, self.ends);
        let issuer = Issuer::new(authority, CertificateKey::from_pkcs8(self.key.expose())?);
        let leaf_key = self.leaf_key()?;
        let certificate = params.signed_by(leaf_key, &issuer);
        let certificate = certificate.map_err(|_| CryptoError::Library("making a leaf"))?;
        Ok(Leaf { chain: vec![certificate.der().clone()], key: leaf_key.to_pkcs8()?, ends })
    }

    fn is_of_server(&self) -> bool {
        &*self.label == SERVER_LABEL
    }

    fn leaf_key(&self) -> Result<&CertificateKey, CryptoError> {
        if let Some(key) = self.leaf_key.get() {
            return Ok(key);
        }
        // Of two that are made at once the first stays.
        let key = CertificateKey::generate()?;
        Ok(self.leaf_key.get_or_init(|| key))
    }
}

/// A server certificate and its private key, ready for a TLS library.
pub struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    ends: Timestamp,
}

impl Leaf {
    /// The certificates to send: the leaf alone, as its issuer is the client's trust anchor
    /// (RFC 8446 section 4.4.2).
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key. Whoever calls this answers for where it goes.
    pub fn expose_key(&self) -> PrivatePkcs8KeyDer<'static> {
        self.key.clone_key()
    }

    /// The moment from which the certificate is no longer valid.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// The certificates in PEM.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate).to_string()).collect()
    }

    /// The private key in PEM, for a server that reads it from a file.
    pub fn expose_key_pem(&self) -> Zeroizing<String> {
        pem("PRIVATE KEY", self.key.secret_pkcs8_der())
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

fn authority_params(label: &str, starts: Timestamp, ends: Timestamp) -> CertificateParams {
    let name = if label == SERVER_LABEL {
        SERVER_LABEL.to_owned()
    } else {
        format!("Marque run CA {label}")
    };
    let mut params = params(&name, starts, ends);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Never rcgen's defaults: those are valid from 1975 to 4096 and repeat the serial for each key.
fn params(common_name: &str, starts: Timestamp, ends: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    let moment = |at: Timestamp| date_time_ymd(1970, 1, 1) + Duration::from_millis(at.as_millis());
    params.not_before = moment(starts);
    params.not_after = moment(ends);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // RFC 5280 section 4.1.2.2: positive and at most 20 bytes.
    let mut serial = random::bytes::<16>(&SystemRandom);
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

/// A P-256 key inside the library, which wipes it; rcgen's own would keep it in plain memory as
/// well.
struct CertificateKey(EcdsaKeyPair);

impl CertificateKey {
    fn generate() -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
        pair.map(Self).map_err(|_| CryptoError::Library("P-256 key generation"))
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der);
        pair.map(Self).map_err(|_| CryptoError::Library("P-256 import"))
    }

    fn to_secret(&self) -> Result<Secret, CryptoError> {
        let document = self.0.to_pkcs8v1();
        let document = document.map_err(|_| CryptoError::Library("P-256 export"))?;
        Ok(Secret::from_vec(document.as_ref().to_vec()))
    }

    fn to_pkcs8(&self) -> Result<PrivatePkcs8KeyDer<'static>, CryptoError> {
        Ok(PrivatePkcs8KeyDer::from(self.to_secret()?.expose().to_vec()))
    }
}

impl PublicKeyData for CertificateKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for CertificateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.0.sign(&rand::SystemRandom::new(), message);
        let signature = signature.map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_ref().to_vec())
    }
}

fn alternative_name(host: &str) -> Result<SanType, CryptoError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || CryptoError::BadHost(shortened(host));
    let name = DnsName::try_from(host).map_err(|_| bad())?;
    // RFC 6125: a name in a certificate has no trailing dot.
    if name.as_ref().ends_with('.') {
        return Err(bad());
    }
    let name = name.as_ref().to_ascii_lowercase().try_into().map_err(|_| bad())?;
    Ok(SanType::DnsName(name))
}

fn backdated(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(BACKDATE_MILLIS))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// RFC 7468 textual encoding. Room for all of it from the start, and every buffer wiped, since it
/// may be a private key.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(encoded.len() * 2 + 128));
    text.extend(["-----BEGIN ", label, "-----"]);
    for (index, character) in encoded.chars().enumerate() {
        if index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.extend(["\n-----END ", label, "-----\n"]);
    text
}

#[cfg(test)]
#[path = "intercept_tests.rs"]
mod tests;
