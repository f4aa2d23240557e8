//! Properties over streams that are put together from whole messages, parts and dirt.

use http::Method;
use proptest::prelude::*;

use super::*;

const REQUEST_PARTS: [&str; 20] = [
    "GET /v1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.0\r\nContent-Length: 12\r\n\r\n\r\n\r\n0\r\n\r\nGET",
    "PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\r\n0\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n",
    "PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\n",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 3, 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "X: y\r\n",
    "\r\n",
    "\r",
    "\n",
    " ",
    "3\r\nabc\r\n",
    "0\r\n",
    "Digest: x\r\n",
    "\0",
];

const RESPONSE_PARTS: [&str; 12] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\r\n",
    "\n",
    "0\r\n",
];

fn stream_of(parts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(parts), 0..8)
        .prop_map(|parts| parts.concat().into_bytes())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..40usize, 1..8)
}

fn responses() -> ResponseGuard {
    let mut guard = ResponseGuard::new();
    for method in [Method::GET, Method::HEAD, Method::POST, Method::CONNECT] {
        guard.expect_response(&method).unwrap();
    }
    guard
}

/// Feeds `stream` in slices of these sizes, over and over, until it ends or is refused.
fn admit_cut(
    guard: &mut impl Guard,
    stream: &[u8],
    sizes: &[usize],
) -> (Result<(), Malformed>, bool) {
    let mut rest = stream;
    let verdict = sizes.iter().cycle().take(stream.len()).try_for_each(|&size| {
        let (slice, tail) = rest.split_at(size.min(rest.len()));
        rest = tail;
        guard.admit(slice)
    });
    (verdict, guard.is_between_messages())
}

/// The offsets at which requests end, by a plain reading of the whole stream.
fn request_ends(stream: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(end) = stream[at..].find("\r\n\r\n").and_then(|head| {
        let body = at + head + 4;
        let head = stream[at..body].to_ascii_lowercase();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let end = match length {
            Some(length) => body + length.parse::<usize>().unwrap(),
            None if head.contains("transfer-encoding") => body + chunked_length(&stream[body..])?,
            None => body,
        };
        (end <= stream.len()).then_some(end)
    }) {
        ends.push(end);
        at = end;
    }
    ends
}

fn chunked_length(body: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = body[at..].split_once("\r\n")?.0;
        at += line.len() + 2;
        let size = usize::from_str_radix(line.split(';').next()?, 16).unwrap();
        if size == 0 {
            break;
        }
        at += size + 2;
        body.get(at..)?;
    }
    loop {
        let line = body[at..].split_once("\r\n")?.0;
        at += line.len() + 2;
        if line.is_empty() {
            return Some(at);
        }
    }
}

proptest! {
    #[test]
    fn the_verdict_on_requests_does_not_depend_on_how_they_are_cut(
        stream in stream_of(&REQUEST_PARTS),
        sizes in cuts(),
    ) {
        let whole = admit_cut(&mut RequestGuard::new(), &stream, &[stream.len().max(1)]);
        let cut = admit_cut(&mut RequestGuard::new(), &stream, &sizes);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn the_verdict_on_responses_does_not_depend_on_how_they_are_cut(
        stream in stream_of(&RESPONSE_PARTS),
        sizes in cuts(),
    ) {
        let whole = admit_cut(&mut responses(), &stream, &[stream.len().max(1)]);
        let cut = admit_cut(&mut responses(), &stream, &sizes);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_bytes_at_all_get_a_verdict(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        sizes in cuts(),
    ) {
        let whole = admit_cut(&mut RequestGuard::new(), &stream, &[stream.len().max(1)]);
        let cut = admit_cut(&mut RequestGuard::new(), &stream, &sizes);
        prop_assert_eq!(whole, cut);
        let whole = admit_cut(&mut responses(), &stream, &[stream.len().max(1)]);
        let cut = admit_cut(&mut responses(), &stream, &sizes);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn threat_72_admitted_requests_end_where_a_plain_reading_ends_them(
        parts in prop::collection::vec(prop::sample::select(&REQUEST_PARTS[..7]), 0..8),
    ) {
        let stream = parts.concat();
        let mut guard = RequestGuard::new();
        let mut ends = Vec::new();
        let mut admitted = 0;
        for byte in stream.bytes() {
            if guard.admit(&[byte]).is_err() {
                break;
            }
            admitted += 1;
            ends.extend(guard.is_between_messages().then_some(admitted));
        }
        prop_assert_eq!(ends, request_ends(&stream[..admitted]));
    }
}
