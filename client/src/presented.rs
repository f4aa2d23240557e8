//! The token of a request, where exactly one is presented in one way (RFC 6750 section 2.1, RFC
//! 9449 section 7.1).

use http::header::AUTHORIZATION;
use http::request::Parts;
use marque_crypto::hash::sha256;
use marque_wire::oauth::{Scheme, Thumbprint};

use crate::refusal::Reason;

/// The certificate that a client proved to hold in the handshake of TLS.
///
/// Whoever ends TLS puts it into the extensions of each request of the connection; a field of the
/// request is never believed. It need not be of an authority: the token names it (RFC 8705).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientCertificate(pub(crate) Thumbprint);

impl ClientCertificate {
    /// The certificate in DER, the first that `rustls::CommonState::peer_certificates` gives.
    pub fn of_der(der: &[u8]) -> Self {
        Self(Thumbprint::from_bytes(*sha256(der).as_bytes()))
    }
}

/// A token and how it came.
pub(crate) struct Presented<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) token: &'a [u8],
}

impl<'a> Presented<'a> {
    /// The one token of a request.
    pub(crate) fn read(parts: &'a Parts) -> Result<Self, Reason> {
        // RFC 6750 section 2.3 is not served: addresses are kept in logs (threat 37).
        let query = parts.uri.query().unwrap_or_default();
        if query.split('&').any(|pair| pair.split('=').next() == Some("access_token")) {
            return Err(Reason::Malformed("an access token in its query, where others see it"));
        }
        let mut fields = parts.headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Err(Reason::NoToken) };
        if fields.next().is_some() {
            return Err(Reason::Malformed("more than one `Authorization` field"));
        }
        let field = field.as_bytes();
        let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        let (scheme, rest) = field.split_at(end);
        // RFC 9110 section 11.1: the case of a scheme does not count.
        let scheme = match scheme {
            scheme if scheme.eq_ignore_ascii_case(b"DPoP") => Scheme::Dpop,
            scheme if scheme.eq_ignore_ascii_case(b"Bearer") => Scheme::Bearer,
            _ => return Err(Reason::NoToken),
        };
        match rest.strip_prefix(b" ") {
            Some(token) if !token.is_empty() => Ok(Self { scheme, token }),
            _ => Err(Reason::Malformed("an `Authorization` field without a token")),
        }
    }
}
