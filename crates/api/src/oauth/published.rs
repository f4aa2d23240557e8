//! What anybody may read and keep for a while: keys, metadata, schemas.

use std::hash::{DefaultHasher, Hasher as _};

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use marque_plane::oauth::PUBLISHED_SECS;

/// A document that may be kept for as long as a key set may.
pub(super) fn document(headers: &HeaderMap, kind: &'static str, body: String) -> Response {
    kept_for(PUBLISHED_SECS, headers, kind, body)
}

/// A document that may be kept for so many seconds.
pub(super) fn kept_for(
    max_age_secs: u64,
    headers: &HeaderMap,
    kind: &'static str,
    body: String,
) -> Response {
    let tag = tag(&body);
    let is_known = headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_known = is_known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(body) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let fields = [(CACHE_CONTROL, format!("public, max-age={max_age_secs}")), (ETAG, tag)];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

// Tells one version from another; nobody gains by making two that are alike.
fn tag(body: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body.as_bytes());
    format!("\"{:016x}\"", hasher.finish())
}
