//! Which fields cross the gateway, and which of them identify the effect of a request.
//!
//! Strip first, recognise what is left, inject last: what was decided is what is sent. The lists
//! of hop-by-hop and provenance fields belong to `marque_wire`.

use std::collections::BTreeMap;

use http::header::{
    ACCEPT_ENCODING, HOST, HeaderName, HeaderValue, RANGE, TE, TRAILER, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, Uri};
use marque_crypto::hash::sha256;
use marque_domain::{Endpoint, Slot};
use marque_plane::Injection;
use marque_wire::http1::hop;

/// Longest value that is shown to a human as it is; a longer one is shown as its digest.
const SHOWN_MAX_BYTES: usize = 512;

/// Fields that are sent on but do not identify the effect: they name the client's software or
/// how bytes are packed on the way. Clients vary them between two sends of one request.
const VOLATILE: [HeaderName; 3] = [USER_AGENT, ACCEPT_ENCODING, TE];

/// Content codings that an answer can be freed of.
const CODINGS: [&str; 6] = ["br", "deflate", "gzip", "identity", "x-gzip", "zstd"];

/// Words in the name of a field whose value may be a secret.
const SECRETIVE: [&str; 8] =
    ["auth", "credential", "key", "password", "secret", "session", "signature", "token"];

/// Whether the client asks for another protocol (threat 90).
pub(crate) fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}

/// Strips a request of everything that must not cross, of what frames and routes it, which
/// [`address`] writes anew, and of what the client put into the slots of the connections that may
/// serve it, in whatever spelling (threats 64, 65, 88 and 89).
pub(crate) fn strip<'a>(headers: &mut HeaderMap, slots: impl Iterator<Item = &'a Slot>) {
    let slots: Vec<String> = slots
        .filter_map(|slot| match slot {
            Slot::Header { name } => Some(folded(name)),
            // `authorization`, which is stripped of every request.
            Slot::Bearer {} | Slot::Basic { .. } => None,
        })
        .collect();
    let wants_trailers = wants_trailers(headers);
    remove_folded(headers, |name| hop::is_stripped(name) || slots.iter().any(|slot| slot == name));
    headers.remove(HOST);
    limit_codings(headers);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

// Only what can be unpacked is asked for, so that every answer can be searched; a part of what is
// packed cannot, so a range is asked for as it is (threat 92).
fn limit_codings(headers: &mut HeaderMap) {
    if !headers.contains_key(ACCEPT_ENCODING) && !headers.contains_key(RANGE) {
        return;
    }
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let members = accepted.flat_map(|value| value.split(',')).map(str::trim);
    let is_known = |member: &&str| {
        let name = member.split(';').next().unwrap_or_default().trim();
        CODINGS.iter().any(|coding| name.eq_ignore_ascii_case(coding))
    };
    let known: Vec<&str> = members.filter(is_known).collect();
    let is_whole = !headers.contains_key(RANGE);
    let joined = (!known.is_empty() && is_whole).then(|| known.join(", "));
    let limited = joined.and_then(|joined| HeaderValue::from_str(&joined).ok());
    headers.insert(ACCEPT_ENCODING, limited.unwrap_or(HeaderValue::from_static("identity")));
}

/// Leaves only the fields that a service knows; those that frame a message are not its affair.
pub(crate) fn keep_known(headers: &mut HeaderMap, is_known: impl Fn(&str) -> bool) {
    remove_where(headers, |name| !is_known(name));
}

/// RFC 9110 §10.1.4: the one member of `TE` that means the same to every hop.
fn wants_trailers(headers: &HeaderMap) -> bool {
    let members = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    members.flat_map(|value| value.split(',')).any(|member| member.trim() == "trailers")
}

/// A name as servers that read fields from the environment see it (RFC 3875 §4.1.18): there a
/// hyphen, and to some of them any other mark, is `_`, so names of several spellings are one.
fn folded(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    fold(name, &mut folded);
    folded
}

fn fold(name: &str, folded: &mut String) {
    folded.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
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
    headers.insert(HOST, HeaderValue::from_str(&authority(scheme, endpoint)).ok()?);
    if let Some(Injection { header, value, .. }) = injection {
        let name = HeaderName::from_bytes(header.as_bytes()).ok()?;
        let mut value = HeaderValue::from_bytes(value.expose()).ok()?;
        value.set_sensitive(true);
        // The connection may have been registered after the request was stripped.
        let slot = folded(name.as_str());
        remove_folded(headers, |name| name == slot);
        headers.insert(name, value);
    }
    Some(())
}

/// Strips an upstream's answer of what belongs to its connection, and of what only we may say.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    let announced = announced_trailers(headers);
    hop::strip_response(headers);
    remove_folded(headers, |name| name.starts_with("marque_"));
    if let Some(announced) = announced {
        headers.insert(TRAILER, announced);
    }
}

/// Leaves of an answer's trailers what may be passed on (threat 74).
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    remove_where(trailers, |name| !hop::is_safe_trailer(name));
}

// An HTTP/1.1 client gets only the trailers that were announced (RFC 9110 §6.6.2).
fn announced_trailers(headers: &HeaderMap) -> Option<HeaderValue> {
    let announced = headers.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
    let names = announced.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase());
    let passed: Vec<String> = names.filter(|name| hop::is_safe_trailer(name)).collect();
    if passed.is_empty() { None } else { HeaderValue::from_str(&passed.join(", ")).ok() }
}

// By their folded names.
fn remove_folded(headers: &mut HeaderMap, is_dropped: impl Fn(&str) -> bool) {
    let mut folded = String::with_capacity(64);
    remove_where(headers, |name| {
        folded.clear();
        fold(name, &mut folded);
        is_dropped(&folded)
    });
}

fn remove_where(headers: &mut HeaderMap, mut is_dropped: impl FnMut(&str) -> bool) {
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_dropped(name.as_str())).cloned().collect();
    for name in dropped {
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
