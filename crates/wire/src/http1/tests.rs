mod bodies;
mod requests;
mod responses;
mod splits;

use super::{Fault, Guard, Malformed, RequestGuard, ResponseGuard};

/// What a fresh guard says to a stream of requests.
fn request(stream: &[u8]) -> Result<(), Malformed> {
    RequestGuard::new().admit(stream)
}

/// What a fresh guard says to the response to one request.
fn response(method: http::Method, stream: &[u8]) -> Result<(), Malformed> {
    let mut guard = ResponseGuard::new();
    guard.expect_response(&method)?;
    guard.admit(stream)
}

/// A GET with these extra field lines, each ended.
fn get_with(fields: &str) -> Vec<u8> {
    format!("GET /v1 HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n").into_bytes()
}

/// The reason for which a request head with these field lines is answered 400.
fn refused_fields(fields: &str) -> Option<Fault> {
    let malformed = request(&get_with(fields)).err()?;
    malformed.at_head().then(|| malformed.fault().clone())
}
