//! Heads that mean one thing to one reader and another to the next (threat 91).

use super::super::world::World;
use super::{
    BAD_REQUEST, END_HEAD, GET, HEADERS, HOST, OK, WHOLE, Word, answered, but, fields, frame,
    request, still_serves,
};

#[tokio::test]
async fn a_head_that_is_not_beyond_doubt_is_refused() {
    let world = World::new().await;
    for (what, head) in [
        ("a line break in a path", but(":path", Some("/v1/a\r\nx: y"))),
        ("a line break in a host", but(":authority", Some("modern.test\r\nx: y"))),
        ("a line break in a method", but(":method", Some("GET\r\n"))),
        ("a blank in a path", but(":path", Some("/v1/a HTTP/1.1"))),
        ("a line break in a value", request(1, &[("x-a", "b\r\nx-c: d")])),
        ("a bare line feed in a value", request(1, &[("x-a", "b\nx-c: d")])),
        ("a NUL in a value", request(1, &[("x-a", "b\0c")])),
        ("a line break in a name", request(1, &[("x-a\r\n", "b")])),
        ("a colon in a name", request(1, &[("x-a:b", "c")])),
        ("a second host", request(1, &[(":authority", HOST)])),
        ("a second path", request(1, &[(":path", "/v1/b")])),
        ("a second method", request(1, &[(":method", "DELETE")])),
        ("an unknown pseudo-header", request(1, &[(":x", "y")])),
        ("the status of an answer", request(1, &[(":status", "200")])),
        ("a path without a slash", but(":path", Some("v1/a"))),
        ("an empty path", but(":path", Some(""))),
        ("an asterisk", but(":path", Some("*"))),
        ("a whole URL as path", but(":path", Some("https://modern.test/v1/a"))),
        ("no path", but(":path", None)),
        ("no method", but(":method", None)),
        ("no scheme", but(":scheme", None)),
        ("an empty host", but(":authority", Some(""))),
        ("no host", but(":authority", None)),
        ("a user in a host", but(":authority", Some("user@modern.test"))),
        ("another host", request(1, &[("host", "private.test")])),
        ("two hosts", request(1, &[("host", HOST), ("host", HOST)])),
        ("upper case in a name", request(1, &[("X-A", "b")])),
        ("a field of one connection", request(1, &[("connection", "x-a")])),
        ("keep-alive", request(1, &[("keep-alive", "timeout=5")])),
        ("a transfer coding", request(1, &[("transfer-encoding", "chunked")])),
        ("an upgrade", request(1, &[("upgrade", "websocket")])),
        ("another te", request(1, &[("te", "gzip")])),
        ("an override", request(1, &[("x-http-method-override", "DELETE")])),
        ("an unknown method", but(":method", Some("PROPFIND"))),
        ("a method in lower case", but(":method", Some("get"))),
        ("TRACE", but(":method", Some("TRACE"))),
        ("the table's end", frame(HEADERS, WHOLE, 1, &[fields(&GET), vec![0xff, 0x7f]].concat())),
        ("half a string", frame(HEADERS, WHOLE, 1, &[fields(&GET), vec![0, 50, b'x']].concat())),
    ] {
        let word = answered(&world, &head).await;
        let is_refused = matches!(
            word,
            Word::StreamError | Word::ConnectionError | Word::Answer(BAD_REQUEST) | Word::Closed
        );
        assert!(is_refused, "{what}: {word:?}");
        assert_eq!(world.upstream_saw(), [""; 0], "{what}");
    }
    still_serves(&world).await;
}

#[tokio::test]
async fn a_fragment_never_reaches_an_upstream() {
    let world = World::new().await;
    let head = but(":path", Some("/v1/a#/../../v2"));
    assert_eq!(answered(&world, &head).await, Word::Answer(OK));
    assert!(world.upstream_saw().concat().starts_with("GET /v1/a HTTP/"));
}

#[tokio::test]
async fn no_tunnel_is_opened_inside_a_tunnel() {
    let world = World::new().await;
    let connect = |more: &[(&str, &str)]| {
        let head = [fields(&[(":method", "CONNECT")]), fields(more)].concat();
        frame(HEADERS, END_HEAD, 1, &head)
    };
    let extended = [(":scheme", "https"), (":path", "/v1/a"), (":authority", HOST)];
    for (what, head) in [
        ("plain", connect(&[(":authority", "modern.test:443")])),
        ("elsewhere", connect(&[(":authority", "169.254.169.254:80")])),
        ("websocket", connect(&[&[(":protocol", "websocket")][..], &extended].concat())),
        ("udp", connect(&[&[(":protocol", "connect-udp")][..], &extended].concat())),
    ] {
        let word = answered(&world, &head).await;
        assert!(matches!(word, Word::StreamError | Word::Answer(BAD_REQUEST)), "{what}: {word:?}");
    }
    still_serves(&world).await;
}
