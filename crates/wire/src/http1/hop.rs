//! Fields that never cross the gateway.
//!
//! Owns the list of request fields that are stripped and the hop-by-hop fields of both
//! directions. Strip first, inject afterwards: what is stripped includes the slot a credential
//! goes into.

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName};

/// Meaningful between two neighbours only (RFC 9110 §7.6.1, RFC 9113 §8.2.2). `expect` is
/// here because the gateway has answered it, `trailer` because trailers are announced anew.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Credentials of the client: a run has none of its own, and a borrowed one must not pass
/// (threat 88).
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "cookie2", "authentication-info"];

/// What upstreams may believe about who called, through whom, or for which host and path
/// (threats 64 and 84).
const PROVENANCE: [&str; 16] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "remote-user",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
];

/// Families of the above; `marque-` is ours and only we may say it.
const PREFIXES: [&str; 5] = ["marque-", "x-marque-", "x-forwarded-", "x-ssl-", "ssl-client-"];

/// Fields that frame or route a message. They are written anew and only their underscore
/// spelling is stripped.
const FRAMING: [&str; 2] = ["content-length", "host"];

/// Trailer fields that are passed on: digests, timings and gRPC status. None of them can frame,
/// route, authenticate or change the meaning of a message (threat 74).
pub(super) const SAFE_TRAILERS: [&str; 7] = [
    "content-digest",
    "digest",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "repr-digest",
    "server-timing",
];

/// Fields of answers that do not reach a run unless its connection passes them (threat 80): they
/// carry what belongs to the credential's owner, ask for credentials that the client does not have,
/// or lead it past the gateway.
pub const HELD_BACK: [&str; 9] = [
    "alt-svc",
    "authentication-info",
    "authorization",
    "clear-site-data",
    "cookie",
    "refresh",
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
];

/// Whether a request field with this lower-case `name` is stripped before anything is sent on.
///
/// The guard has refused requests whose `Connection` names anything but hop-by-hop fields, so
/// nothing named there needs to be dropped as well (threat 89).
///
/// Some servers read `_` as `-`, so the underscore spelling of a stripped field is stripped too
/// (threat 65).
pub fn is_stripped(name: &str) -> bool {
    if name.contains('_') {
        let folded = name.replace('_', "-");
        return is_unwanted(&folded) || FRAMING.contains(&folded.as_str());
    }
    is_unwanted(name)
}

/// Whether a field with this lower-case `name` belongs to one connection only, in either
/// direction.
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Whether a trailer field with this lower-case `name` is passed on.
pub fn is_safe_trailer(name: &str) -> bool {
    SAFE_TRAILERS.contains(&name)
}

/// Strips an upstream's response of hop-by-hop fields and of those its `Connection` names.
pub fn strip_response(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|option| option.trim().to_ascii_lowercase())
        .collect();
    let is_dropped = |name: &HeaderName| {
        is_hop_by_hop(name.as_str()) || named.iter().any(|named| named == name.as_str())
    };
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_dropped(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

fn is_unwanted(name: &str) -> bool {
    is_hop_by_hop(name)
        || CREDENTIALS.contains(&name)
        || PROVENANCE.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
