//! What is made of a head: one of HTTP/2 as HTTP/1.1, the credentials for the proxy, the opening
//! of a WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Version};
use marque_wire::http1::{Guard as _, RequestGuard, hop};
use marque_wire::http2::as_http1;
use marque_wire::proxy_auth::ProxyCredentials;
use marque_wire::websocket::Opening;

use crate::fields::fields;

/// The first line is a target, the second a method; the rest are fields.
pub(super) fn check(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (target, method) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let headers = fields(lines.next().unwrap_or_default());
    credentials(target);
    let _read = ProxyCredentials::from_headers(&headers);
    let Ok(method) = Method::from_bytes(method) else { return };
    translated(target, &method, &headers);
    opened(&method, &headers);
    stripped(headers);
}

fn translated(target: &[u8], method: &Method, headers: &HeaderMap) {
    let request = Request::builder().method(method).uri(target).version(Version::HTTP_2);
    let Ok(request) = request.body(()) else { return };
    let (mut head, ()) = request.into_parts();
    head.headers = headers.clone();
    if as_http1(&mut head).is_err() {
        return;
    }
    assert_eq!(head.version, Version::HTTP_11);
    assert_eq!(head.headers.get_all(HOST).iter().count(), 1, "not one host");
    assert_eq!(head.uri.authority(), None, "the target kept its authority");
    // What stands for it on the other side is admitted as it is.
    let mut text = format!("{} {} HTTP/1.1\r\n", head.method, head.uri).into_bytes();
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    assert_eq!(RequestGuard::new().admit(&text), Ok(()));
    let before = (head.uri.clone(), head.headers.clone());
    assert_eq!(as_http1(&mut head), Ok(()), "it is refused the second time");
    assert_eq!((head.uri, head.headers), before, "it is another the second time");
}

fn credentials(value: &[u8]) {
    let Ok(read) = ProxyCredentials::parse(value) else { return };
    assert!(!read.user.is_empty() && !read.user.contains(':'));
    let pair = [read.user.as_bytes(), b":", read.password.expose()].concat();
    let again = ProxyCredentials::parse(format!("Basic {}", STANDARD.encode(pair)).as_bytes());
    let again = again.unwrap_or_else(|bad| unreachable!("printed, it is refused: {bad}"));
    assert_eq!((again.user, again.password.expose()), (read.user, read.password.expose()));
}

fn opened(method: &Method, headers: &HeaderMap) {
    let Ok(opening) = Opening::read(method, headers, false) else { return };
    let mut sent = headers.clone();
    opening.strip(&mut sent);
    let asked = opening.ask([7; 16], &mut sent);
    let again = Opening::read(&Method::GET, &sent, false).expect("what is sent on is an opening");
    let mut answer = HeaderMap::new();
    again.answer(&mut answer);
    assert_eq!(asked.check(&answer), Ok(()), "the answer to what was sent on");
    let mut other = headers.clone();
    opening.strip(&mut other);
    let other = opening.ask([8; 16], &mut other);
    assert!(other.check(&answer).is_err(), "the answer to another key passed");
}

fn stripped(mut headers: HeaderMap) {
    hop::strip_response(&mut headers);
    let once = headers.clone();
    hop::strip_response(&mut headers);
    assert_eq!(once, headers, "stripping twice takes more than once");
}
