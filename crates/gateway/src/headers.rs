//! Which fields cross the gateway, and which of them identify the effect of a request.
//!
//! Strip first, recognise what is left, inject last: what was decided is what is sent. The lists
//! of hop-by-hop and provenance fields belong to `marque_wire`.

use std::collections::BTreeMap;

use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Uri};
use marque_crypto::hash::sha256;
use marque_domain::{Endpoint, Slot};
use marque_plane::Injection;
use marque_wire::http1::hop;

/// Longest value that is shown to a human as it is; a longer one is shown as its digest.
const SHOWN_MAX_BYTES: usize = 512;

/// Fields that are sent on but do not identify the effect: they name the client's software or
/// how bytes are packed on the way. Clients vary them between two sends of one request.
const VOLATILE: [HeaderName; 3] =
    [http::header::USER_AGENT, http::header::ACCEPT_ENCODING, CONTENT_LENGTH];

/// Words in the name of a field whose value may be a secret.
const SECRETIVE: [&str; 8] =
    ["auth", "credential", "key", "password", "secret", "session", "signature", "token"];

/// Whether the client asks for another protocol (threat 90).
pub(crate) fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}

/// Strips a request of everything that must not cross, and of what the client put into the slots
/// of the connections that may serve it (threats 64, 88 and 89).
pub(crate) fn strip<'a>(headers: &mut HeaderMap, slots: impl Iterator<Item = &'a Slot>) {
    hop::strip(headers);
    for slot in slots {
        if let Slot::Header { name } = slot {
            headers.remove(name.as_str());
        }
    }
    headers.remove(HOST);
}

/// The parameters of an operation for the fields that will be sent on (threat 127).
///
/// A value goes in as it is; one that may be secret, is long, or is not printable goes in as its
/// digest, under another word, so that no text can pass for the digest of another.
pub(crate) fn parameters(headers: &HeaderMap) -> BTreeMap<String, String> {
    let names = headers.keys().filter(|name| !VOLATILE.contains(name));
    names
        .map(|name| {
            let values: Vec<&[u8]> =
                headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            // No field value holds a line break, so the join is unambiguous.
            let joined = values.join(b"\n".as_slice());
            match shown(name.as_str(), &joined) {
                Some(text) => (format!("header.{name}"), text.to_owned()),
                None => (format!("header-digest.{name}"), sha256(&joined).to_string()),
            }
        })
        .collect()
}

fn shown<'a>(name: &str, value: &'a [u8]) -> Option<&'a str> {
    let may_be_secret = SECRETIVE.iter().any(|word| name.contains(word));
    let text = std::str::from_utf8(value).ok()?;
    (!may_be_secret && value.len() <= SHOWN_MAX_BYTES && text.is_ascii()).then_some(text)
}

/// Writes the fields that frame and route a request anew, and sets the credential.
///
/// Returns `None` where the credential cannot stand in a header.
pub(crate) fn address(
    headers: &mut HeaderMap,
    scheme: &str,
    endpoint: &Endpoint,
    injection: Option<Injection>,
) -> Option<()> {
    // The body's own size frames the request anew.
    headers.remove(CONTENT_LENGTH);
    headers.insert(HOST, HeaderValue::from_str(&authority(scheme, endpoint)).ok()?);
    if let Some(Injection { header, value }) = injection {
        let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
        let mut value = HeaderValue::from_bytes(value.expose()).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(())
}

/// Strips an upstream's answer of what belongs to its connection, and of what only we may say.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    hop::strip_response(headers);
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("marque-")).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// The path and query as a request target in origin form; `None` where the bytes would change.
pub(crate) fn origin_form(path: &str) -> Option<Uri> {
    let uri: Uri = path.parse().ok()?;
    (uri.path_and_query()?.as_str() == path && uri.authority().is_none()).then_some(uri)
}

fn authority(scheme: &str, endpoint: &Endpoint) -> String {
    match (scheme, endpoint.port) {
        ("https", 443) | ("http", 80) => endpoint.host.clone(),
        _ => endpoint.to_string(),
    }
}

#[cfg(test)]
mod tests;
