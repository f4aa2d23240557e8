//! Both guards of HTTP/1.1: the same verdict however a stream is cut, and no framing but the one
//! that hyper's own reader finds in the same bytes.

use http::Method;
use httparse::Status;
use marque_wire::http1::{Guard, HEAD_MAX_FIELDS, RequestGuard, ResponseGuard};

use crate::pieces::pieces;

/// What the responses of the other half answer.
const ASKED: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::CONNECT];

pub(super) fn check(data: &[u8]) {
    let [mode, seed, bytes @ ..] = data else { return };
    if mode & 1 == 0 {
        let guard = RequestGuard::new;
        if same_verdict(guard, bytes, *seed) {
            let mut messages = Messages { rest: bytes, asked: None };
            messages.follow(guarded(guard, bytes).is_between_messages());
        }
    } else {
        let guard = || {
            let mut guard = ResponseGuard::new();
            for method in &ASKED {
                guard.expect_response(method).unwrap();
            }
            guard
        };
        if same_verdict(guard, bytes, *seed) {
            let mut messages = Messages { rest: bytes, asked: Some(0) };
            messages.follow(guarded(guard, bytes).is_between_messages());
        }
    }
}

/// Whether the whole is admitted, which must not depend on the cuts; a refusal stays.
pub(super) fn same_verdict<G: Guard>(guard: impl Fn() -> G, bytes: &[u8], seed: u8) -> bool {
    let mut whole = guard();
    let verdict = whole.admit(bytes);
    let mut cut = guard();
    let verdicts = pieces(bytes, seed).into_iter().try_for_each(|piece| cut.admit(piece));
    assert_eq!(verdict, verdicts, "the verdict depends on the cuts");
    if verdict.is_ok() {
        assert_eq!(whole.is_between_messages(), cut.is_between_messages());
    } else {
        assert_eq!(whole.admit(b"GET / HTTP/1.1\r\n"), verdict, "a refusal did not stay");
    }
    verdict.is_ok()
}

fn guarded<G: Guard>(guard: impl Fn() -> G, bytes: &[u8]) -> G {
    let mut guard = guard();
    guard.admit(bytes).unwrap();
    guard
}

/// The messages of an admitted stream as another reader finds them.
struct Messages<'a> {
    rest: &'a [u8],
    /// In a stream of responses, how many final ones came.
    asked: Option<usize>,
}

/// What follows a head, by RFC 9112 §6.3.
enum Body {
    Length(u64),
    Chunked,
    UntilClose,
    /// Another protocol, perhaps, once the other side has answered.
    Tunnel,
}

impl Messages<'_> {
    /// `is_between` is what the guard says at the end of the stream.
    fn follow(&mut self, is_between: bool) {
        while !self.rest.is_empty() {
            // What hyper refuses goes no further either.
            let Ok(body) = self.head() else { return };
            let Some(body) = body else {
                assert!(!is_between, "the guard takes half a head for a whole one");
                return;
            };
            let is_whole = match body {
                Body::Length(length) => self.skip(length),
                Body::Chunked => match self.chunks() {
                    Ok(is_whole) => is_whole,
                    Err(_) => return,
                },
                Body::UntilClose => return,
                Body::Tunnel => {
                    let is_request = self.asked.is_none();
                    assert!(!is_request || self.rest.is_empty(), "bytes passed before the answer");
                    return;
                }
            };
            if !is_whole {
                assert!(!is_between, "the guard takes half a body for a whole one");
                return;
            }
        }
        assert!(is_between, "the guard waits for more of a message that is whole");
    }

    fn head(&mut self) -> Result<Option<Body>, httparse::Error> {
        // Of half a line nothing is judged yet.
        if !has(self.rest, b"\r\n\r\n") {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; HEAD_MAX_FIELDS];
        let body = match self.asked {
            None => {
                let mut request = httparse::Request::new(&mut fields);
                let Status::Complete(length) = request.parse(self.rest)? else { return Ok(None) };
                let body = of_request(request.method.unwrap(), request.headers);
                self.rest = &self.rest[length..];
                body
            }
            Some(place) => {
                let mut response = httparse::Response::new(&mut fields);
                let Status::Complete(length) = response.parse(self.rest)? else { return Ok(None) };
                let code = response.code.unwrap();
                let is_interim = (100..200).contains(&code);
                let body = of_response(code, &ASKED[place], response.headers);
                self.rest = &self.rest[length..];
                self.asked = Some(place + usize::from(!is_interim));
                body
            }
        };
        Ok(Some(body))
    }

    fn skip(&mut self, length: u64) -> bool {
        let taken = usize::try_from(length).unwrap_or(usize::MAX).min(self.rest.len());
        self.rest = &self.rest[taken..];
        taken as u64 == length
    }

    /// Whether the whole of a chunked body is there.
    fn chunks(&mut self) -> Result<bool, httparse::Error> {
        loop {
            if !has(self.rest, b"\r\n") {
                return Ok(false);
            }
            let read = httparse::parse_chunk_size(self.rest);
            let read = read.expect("hyper's reader knows the size of an admitted chunk");
            let Status::Complete((length, size)) = read else { return Ok(false) };
            self.rest = &self.rest[length..];
            if size == 0 {
                return self.trailers();
            }
            if !self.skip(size + 2) {
                return Ok(false);
            }
        }
    }

    fn trailers(&mut self) -> Result<bool, httparse::Error> {
        if !self.rest.starts_with(b"\r\n") && !has(self.rest, b"\r\n\r\n") {
            return Ok(false);
        }
        let mut fields = [httparse::EMPTY_HEADER; HEAD_MAX_FIELDS];
        match httparse::parse_headers(self.rest, &mut fields)? {
            Status::Partial => Ok(false),
            Status::Complete((length, _)) => {
                self.rest = &self.rest[length..];
                Ok(true)
            }
        }
    }
}

fn has(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|at| at == mark)
}

fn of_request(method: &str, fields: &[httparse::Header<'_>]) -> Body {
    let length = announced(fields);
    let asks_upgrade = fields.iter().any(|field| field.name.eq_ignore_ascii_case("upgrade"));
    match length {
        Announced::Nothing | Announced::Length(0) if method == "CONNECT" || asks_upgrade => {
            Body::Tunnel
        }
        Announced::Nothing => Body::Length(0),
        Announced::Length(length) => Body::Length(length),
        Announced::Chunked => Body::Chunked,
    }
}

fn of_response(code: u16, asked: &Method, fields: &[httparse::Header<'_>]) -> Body {
    let is_success = (200..300).contains(&code);
    match announced(fields) {
        _ if *asked == Method::CONNECT && is_success => Body::Tunnel,
        _ if code < 200 || code == 204 || code == 304 || *asked == Method::HEAD => Body::Length(0),
        Announced::Nothing => Body::UntilClose,
        Announced::Length(length) => Body::Length(length),
        Announced::Chunked => Body::Chunked,
    }
}

enum Announced {
    Nothing,
    Length(u64),
    Chunked,
}

/// What the fields say of the body, which must be one thing.
fn announced(fields: &[httparse::Header<'_>]) -> Announced {
    let of = |name: &str| {
        let mut found = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let first = found.next().map(|field| field.value.trim_ascii());
        assert!(found.next().is_none(), "`{name}` passed twice");
        first
    };
    match (of("content-length"), of("transfer-encoding")) {
        (None, None) => Announced::Nothing,
        (Some(length), None) => {
            let length = std::str::from_utf8(length).unwrap();
            Announced::Length(length.parse().expect("an admitted length is a number"))
        }
        (None, Some(coding)) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked"), "another coding passed");
            Announced::Chunked
        }
        (Some(_), Some(_)) => unreachable!("two lengths passed"),
    }
}
