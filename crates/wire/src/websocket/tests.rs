use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{BadAnswer, BadOpening, Opening};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The fields of a good request, with this one in place of what it has.
fn with(name: &str, values: &[&str]) -> HeaderMap {
    let mut headers = fields(&[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ]);
    headers.remove(name);
    let more: Vec<_> = values.iter().map(|value| (name, *value)).collect();
    headers.extend(fields(&more));
    headers
}

fn read(headers: &HeaderMap) -> Result<Opening, BadOpening> {
    Opening::read(&Method::GET, headers, false)
}

// threat 90
#[test]
fn only_what_rfc_6455_calls_an_opening_asks_for_a_socket() {
    assert!(read(&with("x-more", &["1"])).is_ok());
    let bad = [
        ("upgrade", &["h2c"][..], BadOpening::OtherProtocol),
        ("upgrade", &["websocket, h2c"], BadOpening::OtherProtocol),
        ("upgrade", &["websocket", "h2c"], BadOpening::OtherProtocol),
        ("connection", &["keep-alive"], BadOpening::NotConnected),
        ("sec-websocket-version", &["8"], BadOpening::Version),
        ("sec-websocket-version", &[], BadOpening::Version),
        ("sec-websocket-key", &[], BadOpening::Key),
        ("sec-websocket-key", &["c2hvcnQ="], BadOpening::Key),
        ("sec-websocket-key", &[KEY, KEY], BadOpening::Key),
        ("sec-websocket-key", &["the sample nonce"], BadOpening::Key),
        ("sec-websocket-protocol", &["a b"], BadOpening::Protocols),
        ("sec-websocket-protocol", &["a", "a"], BadOpening::Protocols),
        ("sec-websocket-protocol", &["a,,b"], BadOpening::Protocols),
    ];
    for (name, values, fault) in bad {
        assert_eq!(read(&with(name, values)), Err(fault), "{name}: {values:?}");
    }
    let good = with("x-more", &["1"]);
    assert_eq!(Opening::read(&Method::POST, &good, false), Err(BadOpening::NotAGet));
    assert_eq!(Opening::read(&Method::GET, &good, true), Err(BadOpening::NotAGet));
}

// RFC 6455 §1.3 has these two values.
#[test]
fn the_client_is_answered_for_its_own_key() {
    let mut headers = fields(&[("sec-websocket-accept", "x"), ("x-kept", "1")]);
    read(&with("x-more", &["1"])).unwrap().answer(&mut headers);
    assert_eq!(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(
        (headers["upgrade"].as_bytes(), &headers["x-kept"]),
        (&b"websocket"[..], &"1".parse().unwrap())
    );
}

// threat 90
#[test]
fn extensions_are_offered_in_no_spelling_and_the_clients_key_goes_no_further() {
    let mut headers = with("sec-websocket-extensions", &["permessage-deflate"]);
    headers.extend(fields(&[("sec_websocket_extensions", "permessage-deflate")]));
    headers.extend(fields(&[("sec-websocket-protocol", "chat, log")]));
    let opening = read(&headers).unwrap();
    opening.strip(&mut headers);
    assert_eq!(headers["sec-websocket-protocol"], "chat, log");
    opening.ask([7; 16], &mut headers);
    let names: Vec<_> = headers.keys().filter(|name| name.as_str().contains("sec")).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_ne!(headers["sec-websocket-key"], KEY);
}

// threat 90
#[test]
fn an_upstream_opens_only_the_socket_that_was_asked_for() {
    let opening = read(&with("sec-websocket-protocol", &["chat, log"])).unwrap();
    let asked = opening.ask(*b"the sample nonce", &mut HeaderMap::new());
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let answer = |more: &[(&str, &str)], accept| {
        let mut headers = fields(&[
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", accept),
        ]);
        headers.extend(fields(more));
        asked.check(&headers)
    };
    let protocol = "sec-websocket-protocol";
    assert_eq!(answer(&[], accept), Ok(()));
    assert_eq!(answer(&[(protocol, "log")], accept), Ok(()));
    assert_eq!(answer(&[(protocol, "other")], accept), Err(BadAnswer::Protocol));
    assert_eq!(answer(&[(protocol, "chat, log")], accept), Err(BadAnswer::Protocol));
    assert_eq!(answer(&[], "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="), Err(BadAnswer::Accept));
    let extension = ("sec-websocket-extensions", "permessage-deflate");
    assert_eq!(answer(&[extension], accept), Err(BadAnswer::Extension));
    let bare = fields(&[("sec-websocket-accept", accept)]);
    assert_eq!(asked.check(&bare), Err(BadAnswer::OtherProtocol));
}
