use super::*;
use http::Method;

#[test]
fn the_length_of_a_response_depends_on_its_request_and_status() {
    let next = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let cases: [(Method, &[u8]); 9] = [
        (Method::HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (Method::HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Method::GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        (Method::GET, b"HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n"),
        (Method::GET, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (Method::GET, b"HTTP/1.1 200 \r\ntransfer-encoding:CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        (
            Method::POST,
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (Method::GET, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 \r\n\r\n"),
        (Method::CONNECT, b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"),
    ];
    for (method, stream) in cases {
        let mut guard = ResponseGuard::new();
        guard.expect_response(&method).unwrap();
        guard.expect_response(&Method::GET).unwrap();
        guard.admit(stream).unwrap();
        assert!(guard.is_between_messages(), "{method} {stream:?}");
        assert_eq!(guard.admit(next), Ok(()), "{method} {stream:?}");
        assert_eq!(guard.admit(next), Err(Malformed::Head(Fault::Unasked)));
    }
}

#[test]
fn a_response_without_a_length_lasts_until_the_connection_closes() {
    let mut guard = ResponseGuard::new();
    guard.expect_response(&Method::GET).unwrap();
    guard.admit(b"HTTP/1.1 200 OK\r\n\r\nanything\n\0").unwrap();
    assert_eq!(guard.admit(b"HTTP/9.9"), Ok(()));
    assert!(!guard.is_between_messages());
}

#[test]
fn a_successful_connect_opens_a_tunnel() {
    let stream = b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01\n\0";
    assert_eq!(response(Method::CONNECT, stream), Ok(()));
}

// threat 90
#[test]
fn a_switch_of_protocols_is_the_answer_to_who_asked_for_it_and_to_nobody_else() {
    let stream = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x05hello\n\0";
    let mut guard = ResponseGuard::new();
    guard.expect_switch().unwrap();
    assert_eq!(guard.admit(stream), Ok(()));

    let mut guard = ResponseGuard::new();
    guard.expect_switch().unwrap();
    guard.admit(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").unwrap();
    assert!(guard.is_between_messages());
    assert!(guard.admit(stream).is_err());
}

#[test]
fn threat_72_doubtful_responses_are_refused_at_the_head() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::TwoLengths,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", Fault::BadTransferEncoding),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n", Fault::BadContentLength),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::ChunkedInHttp10),
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", Fault::BodyNotAllowed),
        ("HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::BodyNotAllowed),
        ("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", Fault::SwitchingProtocols),
        ("HTTP/1.1 200 OK\nX: y\r\n", Fault::BareLf),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n", Fault::ObsoleteFold),
        ("HTTP/1.1 20 OK\r\n", Fault::BadStatusLine),
        ("HTTP/1.1 2000 OK\r\n", Fault::BadStatusLine),
        ("HTTP/1.1 +20 OK\r\n", Fault::BadStatusLine),
        ("HTTP/1.1 099 OK\r\n", Fault::BadStatusLine),
        ("HTTP/1.1 600 OK\r\n", Fault::BadStatusLine),
        ("HTTP/1.1  200 OK\r\n", Fault::BadStatusLine),
        ("HTTP/1.1\r\n", Fault::BadStatusLine),
        ("HTTP/2 200 OK\r\n", Fault::UnknownVersion),
        ("ICY 200 OK\r\n", Fault::UnknownVersion),
        ("<html>\r\n", Fault::UnknownVersion),
    ];
    for (stream, fault) in cases {
        let refused = Err(Malformed::Head(fault));
        assert_eq!(response(Method::GET, stream.as_bytes()), refused, "{stream:?}");
    }
}

#[test]
fn a_response_nobody_asked_for_is_refused_at_its_first_byte() {
    let mut guard = ResponseGuard::new();
    assert_eq!(guard.admit(b"H"), Err(Malformed::Head(Fault::Unasked)));
}

#[test]
fn threat_97_a_flood_of_interim_responses_ends() {
    let interim = b"HTTP/1.1 102 Processing\r\n\r\n";
    assert_eq!(response(Method::GET, &interim.repeat(8)), Ok(()));
    let flood = Err(Malformed::Head(Fault::TooManyInterims { limit: 8 }));
    assert_eq!(response(Method::GET, &interim.repeat(9)), flood);
}

#[test]
fn only_so_many_responses_are_awaited() {
    let mut guard = ResponseGuard::new();
    let asked: Vec<_> = (0..33).map(|_| guard.expect_response(&Method::GET).is_ok()).collect();
    assert_eq!(asked, [vec![true; 32], vec![false]].concat());
}
