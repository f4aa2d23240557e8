//! One rule for both versions: an HTTP/2 request head is judged as the HTTP/1.1 head it would be.
//!
//! Owns the translation (RFC 9113 §8.3.1) and nothing of the judgement, which is the HTTP/1.1
//! guard's. What passes here means the same on either side of the gateway.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri, Version};

use crate::http1::{Fault, Guard, Malformed, RequestGuard};

/// Turns the head of an HTTP/2 request into that of an HTTP/1.1 request in origin form, `Host`
/// included, once it has passed the guard for such heads.
///
/// # Errors
/// What is wrong with it; the stream is answered 400.
pub fn as_http1(head: &mut Parts) -> Result<(), Malformed> {
    let refused = |fault| Malformed::Head(fault);
    let target = head.uri.path_and_query().map(PathAndQuery::as_str);
    // RFC 9113 §8.3.1: `:path` is never empty, and `*` only for OPTIONS.
    let target = target.filter(|target| !target.is_empty()).ok_or(refused(Fault::BadTarget))?;
    let authority = host_of(head).map_err(refused)?;
    let mut text = Vec::with_capacity(256);
    for part in [head.method.as_str().as_bytes(), b" ", target.as_bytes()] {
        text.extend_from_slice(part);
    }
    text.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    text.extend_from_slice(authority.as_bytes());
    text.extend_from_slice(b"\r\n");
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != HOST) {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    RequestGuard::new().admit(&text).map_err(|malformed| refused(malformed.fault().clone()))?;
    let uri = target.parse::<Uri>().map_err(|_| refused(Fault::BadTarget))?;
    head.headers.insert(HOST, authority);
    (head.uri, head.version) = (uri, Version::HTTP_11);
    Ok(())
}

// RFC 9113 §8.3.1: `Host` may repeat `:authority` and must not contradict it (threat 75).
fn host_of(head: &Parts) -> Result<HeaderValue, Fault> {
    let mut fields = head.headers.get_all(HOST).iter();
    let (field, None) = (fields.next(), fields.next()) else {
        return Err(Fault::RepeatedField { name: "host" });
    };
    let pseudo = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (pseudo, field) {
        (Some(pseudo), Some(field)) if !pseudo.eq_ignore_ascii_case(field.as_bytes()) => {
            Err(Fault::HostMismatch)
        }
        (Some(pseudo), _) => HeaderValue::from_bytes(pseudo).map_err(|_| Fault::HostMismatch),
        (None, Some(field)) => Ok(field.clone()),
        (None, None) => Err(Fault::MissingHost),
    }
}
