//! Certificates that clients show (RFC 8705): whether one is of an authority that a human named.
//!
//! That the client holds its key was proven by TLS. Signed by the authority itself, for client
//! authentication, good now, and with exactly the one name: nothing else counts.

use std::time::Duration;

use marque_domain::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::error::CryptoError;

/// Longest name, in bytes.
const NAME_MAX_BYTES: usize = 512;

/// Whether `certificate`, in DER, was issued by the authority to that subject: a DNS name or a URI
/// among its subject alternative names.
pub fn is_of(certificate: &[u8], (authority_pem, subject): (&str, &str), now: Timestamp) -> bool {
    let der = CertificateDer::from(certificate);
    let Ok(leaf) = EndEntityCert::try_from(&der) else { return false };
    let Ok(authority) = CertificateDer::from_pem_slice(authority_pem.as_bytes()) else {
        return false;
    };
    let Ok(anchor) = anchor_from_trusted_cert(&authority) else { return false };
    let anchors = [anchor];
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
    let is_issued = leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &[],
        now,
        KeyUsage::client_auth(),
        None,
        None,
    );
    is_issued.is_ok() && is_named(&leaf, subject)
}

fn is_named(leaf: &EndEntityCert<'_>, subject: &str) -> bool {
    if subject.contains("://") {
        return leaf.valid_uri_names().any(|name| name == subject);
    }
    // By the list itself: a wildcard in it is no name of this client.
    leaf.valid_dns_names().any(|name| name == subject)
        && DnsName::try_from(subject).is_ok_and(|name| {
            leaf.verify_is_valid_for_subject_name(&ServerName::DnsName(name)).is_ok()
        })
}

/// Fails unless that is an authority and a name to be compared.
pub fn must_be_usable(authority_pem: &str, subject: &str) -> Result<(), CryptoError> {
    let bad = || CryptoError::BadKey("certificate authority in PEM");
    let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(|_| bad())?;
    anchor_from_trusted_cert(&authority).map_err(|_| bad())?;
    let is_plain = subject.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
    if subject.is_empty() || subject.len() > NAME_MAX_BYTES || !is_plain {
        return Err(CryptoError::BadKey("name of a client: a DNS name or a URI"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "client_certificate_tests.rs"]
mod tests;
