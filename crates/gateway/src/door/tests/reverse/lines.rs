//! Connections to the reverse door: TLS and its certificates, HTTP/2, doubtful heads, and several
//! runs on one of them.

use http::{Request, Response};
use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::KillTarget;
use marque_testkit::{CANARY, GATEWAY, OAuthClient, TestPlane, issuing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::agent::{Answer, Http2, whole};
use super::super::is;
use super::super::world::{PATIENCE, read_answer};
use super::gate::{Gate, PROOF, issuing_for};
use super::says;
use crate::{Gateway, GatewaySettings, ReverseSettings, ServeError};

const LINE: &str = "GET /c/plain/v1/items";

// threats 72, 73, 75, 90
#[tokio::test]
async fn a_doubtful_request_is_refused_before_anything_else() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let fields = gate.fields(&token, LINE);
    let head = format!("{LINE} HTTP/1.1\r\nHost: gw.test\r\n");
    for doubtful in [
        format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n{fields}\r\n0\r\n\r\n"),
        format!("{head}Transfer-Encoding: xchunked\r\n{fields}\r\n"),
        format!("{head}Content-Length: 5,6\r\n{fields}\r\n"),
        format!("{head}Content-Length: +5\r\n{fields}\r\n"),
        format!("{head}X-A: 1\nX-B: 2\r\n{fields}\r\n"),
        format!("{head}X-A : 1\r\n{fields}\r\n"),
        format!("{head}X-A: 1\r\n b\r\n{fields}\r\n"),
        format!("{head}Host: gw.test\r\n{fields}\r\n"),
        format!("{head}Connection: authorization\r\n{fields}\r\n"),
        format!("{LINE} HTTP/1.1\r\nHost: gw.test/a\r\n{fields}\r\n"),
        format!("{LINE} HTTP/1.1\r\nHost: a@gw.test\r\n{fields}\r\n"),
        format!("GET http://gw.test{} HTTP/1.1\r\nHost: evil.test\r\n{fields}\r\n", &LINE[4..]),
    ] {
        let mut stream = gate.connects().await;
        stream.write_all(doubtful.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        is(&answer, 400, "malformed.head");
    }
    for elsewhere in ["evil.test", "gw.test:8443", "127.0.0.1", "gw.test.evil"] {
        let request = format!("{LINE} HTTP/1.1\r\nHost: {elsewhere}\r\n{fields}\r\n");
        is(&gate.says_all(&request).await, 421, "malformed.host");
    }
    let absolute =
        format!("GET http://gw.test{} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n", &LINE[4..]);
    is(&gate.says_all(&absolute).await, 421, "malformed.host");
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    is(&gate.says(LINE, &format!("{fields}{upgrade}")).await, 501, "malformed.upgrade");
    for path in ["/c/plain//v1", "/c/plain/v1/../v2", "/c/plain/%2e%2e/v1", "/c/plain/v1%2fa"] {
        let line = format!("GET {path}");
        is(&gate.says(&line, &fields).await, 400, "malformed.target");
    }
    assert_eq!(gate.seen.requests(), [""; 0]);
    assert!(gate.says(LINE, &fields).await.starts_with("HTTP/1.1 200 "), "it was used for nothing");
}

// threat 74
#[tokio::test]
async fn a_trailer_cannot_say_who_asks() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let line = "PUT /c/plain/v1/items";
    let fields = gate.fields(&token, line);
    let chunked = "Transfer-Encoding: chunked\r\nTrailer: authorization\r\n";
    let head = format!("{line} HTTP/1.1\r\nHost: gw.test\r\n{chunked}\r\n");
    let mut stream = gate.connects().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    is(&read_answer(&mut stream).await, 401, "refused.caller.missing");
    let rest = format!("5\r\nhello\r\n0\r\n{fields}\r\n{line} HTTP/1.1\r\n\r\n");
    // It may be broken off by now.
    let _sent = stream.write_all(rest.as_bytes()).await;
    let after = read_answer(&mut stream).await;
    assert!(!after.starts_with("HTTP/1.1 2"), "{after}");
    assert_eq!(gate.seen.requests(), [""; 0]);
}

// threats 55, 62
#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_comes_with_it() {
    let gate = Gate::private().await;
    let (own, other) = (gate.certificate("own.test"), gate.certificate("other.test"));
    let ask = EndpointAsk { certificate: Some(own.chain[0].to_vec()), ..EndpointAsk::bare() };
    let token = gate.token_by(ask, "plain").await.token;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let answer = gate.says_inside(Some(&own), LINE, &bearer).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("dpop-nonce"), "{answer}");
    for shows in [None, Some(&other)] {
        let answer = gate.says_inside(shows, LINE, &bearer).await;
        is(&answer, 401, "refused.caller.proof");
        says(&answer, "invalid_token");
    }
    // threat 64
    let forged = format!("{bearer}X-Forwarded-Client-Cert: Hash=abc\r\nX-SSL-Client-Cert: abc\r\n");
    is(&gate.says_inside(None, LINE, &forged).await, 401, "refused.caller.proof");
    let fields = gate.fields(&token, LINE);
    is(&gate.says_inside(Some(&own), LINE, &fields).await, 401, "refused.caller.proof");
    assert_eq!(gate.seen.requests().len(), 1);
}

// threat 78
#[tokio::test]
async fn the_name_in_the_handshake_is_the_one_in_host() {
    let gate = Gate::private().await;
    let token = gate.token("plain").await;
    let fields = gate.fields(&token, LINE);
    for (asked, host, status) in [("gw.test", "gw.test", 200), ("gw.test", "evil.test", 421)] {
        let mut stream = gate.shakes_hands(asked, &["http/1.1"], None).await.unwrap();
        let request = format!("{LINE} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let mut stream = gate.shakes_hands_blindly("evil.test").await;
    let request = format!("{LINE} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    is(&read_answer(&mut stream).await, 421, "malformed.host");
}

fn over_http2(gate: &Gate, (client, token): (&OAuthClient, &str), path: &str) -> Request<String> {
    let url = format!("{GATEWAY}{path}");
    let hash = marque_wire::oauth::access_token_hash(token.as_bytes());
    let nonce = gate.plane.plane().dpop_nonce();
    let proof = client.proof_as("GET", &url, Some(&hash), Some(&nonce));
    Request::get(url)
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", String::from_utf8(proof).unwrap())
        .body(String::new())
        .unwrap()
}

async fn asks(http2: &Http2, request: Request<String>) -> Answer {
    http2.asks(request).await.unwrap()
}

// threat 178
#[tokio::test]
async fn one_connection_carries_several_runs_and_each_ends_alone() {
    let gate = Gate::private().await;
    let second = gate.alice.has_client("second", "bot").await;
    let (first, token) = (&gate.client, gate.token("plain").await);
    let got = second.takes(&format!("{GATEWAY}/c/plain"), "").await;
    let other = got.unwrap_or_else(|refused| panic!("{refused:?}")).token;
    let runs = [first.claims_of(&token), second.claims_of(&other)];
    let [run, other_run] = runs.map(|claims| claims.run.unwrap().id);
    assert_ne!(run, other_run);

    let stream = gate.shakes_hands("gw.test", &["h2"], None).await.unwrap();
    let http2 = Http2::over(stream).await;
    let answer =
        asks(&http2, Request::get(format!("{GATEWAY}/c/plain/v1/a")).body(String::new()).unwrap())
            .await;
    assert_eq!((answer.status, answer.refusal()), (401, "refused.caller.missing"));
    for (client, token) in [(first, &token), (&second, &other)] {
        let answer = asks(&http2, over_http2(&gate, (client, token), "/c/plain/v1/items")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        assert!(answer.headers.contains_key("dpop-nonce"));
    }
    let saw = gate.seen.requests().concat();
    assert_eq!(saw.matches(&format!("authorization: Bearer {CANARY}\r\n")).count(), 2, "{saw}");
    assert_eq!(gate.seen.opened(), 2, "no two runs share a line to an upstream");

    // Both stream; one of them is killed.
    let mut flows = Vec::new();
    for (client, token) in [(first, &token), (&second, &other)] {
        let (head, _) = over_http2(&gate, (client, token), "/c/plain/slow").into_parts();
        let (answer, _) = http2.begins(Request::from_parts(head, ()), true).await.unwrap();
        let answer: Response<_> = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        flows.push(answer.into_body());
    }
    let target = KillTarget::Run(run.to_string());
    gate.plane.plane().kill(&gate.alice.acting().await, target).await.unwrap();
    let mut killed = flows.remove(0);
    let ending = async { while let Some(Ok(_)) = killed.data().await {} };
    timeout(PATIENCE, ending).await.unwrap();
    assert!(!killed.is_end_stream(), "the answer looks complete");
    for _ in 0..20 {
        let data = timeout(PATIENCE, flows[0].data()).await.unwrap();
        let size = data.unwrap().unwrap().len();
        flows[0].flow_control().release_capacity(size).unwrap();
    }
    let answer = asks(&http2, over_http2(&gate, (first, &token), "/c/plain/v1/a")).await;
    assert_eq!(answer.status, 401);
    let answer = asks(&http2, over_http2(&gate, (&second, &other), "/c/plain/v1/a")).await;
    assert_eq!(answer.status, 200);
    let (head, _) = over_http2(&gate, (&second, &other), "/c/plain/v1/large").into_parts();
    let (answer, _) = http2.begins(Request::from_parts(head, ()), true).await.unwrap();
    assert_eq!(whole(answer).await.unwrap().body.len(), super::super::upstream::LARGE);
}

#[tokio::test]
async fn a_kept_connection_of_http1_serves_the_next_run() {
    let gate = Gate::plain().await;
    let second = gate.alice.has_client("second", "bot").await;
    let token = gate.token("plain").await;
    let got = second.takes(&format!("{GATEWAY}/c/plain"), "").await;
    let other = got.unwrap_or_else(|refused| panic!("{refused:?}")).token;
    let mut stream = gate.connects().await;
    for (client, token) in [(&gate.client, &token), (&second, &other), (&gate.client, &token)] {
        let (head, _) = over_http2(&gate, (client, token), "/c/plain/v1/items").into_parts();
        let fields = head
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        let fields = fields.collect::<Vec<_>>().concat();
        let request = format!("{LINE} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(gate.seen.opened(), 2, "no two runs share a line to an upstream");
}

// threat 93
#[tokio::test]
async fn whoever_proves_nothing_is_cut_before_long() {
    let gate = Gate::plain().await;
    let mut stream = gate.connects().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n").await.unwrap();
    is(&read_answer(&mut stream).await, 404, "malformed.target");
    let mut rest = Vec::new();
    let read = timeout(PROOF * 2, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn a_door_that_would_not_be_safe_or_of_use_is_not_opened() {
    let opens = async |setup, at: &str, base: &str| {
        let plane = TestPlane::with(setup).await;
        let listener = TcpListener::bind(at).await.unwrap();
        let settings = ReverseSettings { base: base.to_owned(), tls: None };
        let gateway = Gateway::new(plane.plane().clone(), GatewaySettings::default());
        gateway.with_reverse(listener, settings).map(|_| ())
    };
    let loopback = "127.0.0.1:0";
    opens(issuing(), loopback, GATEWAY).await.unwrap();
    let refused = opens(issuing(), "0.0.0.0:0", GATEWAY).await;
    assert!(matches!(refused, Err(ServeError::PlainReverse(_))), "{refused:?}");
    let refused = opens(issuing(), loopback, "https://elsewhere.test").await;
    assert!(matches!(refused, Err(ServeError::OtherBase { .. })), "{refused:?}");
    for bad in ["https://gw.test/a", "https://gw.test/", "gw.test", "ftp://gw.test", "https://a@b"]
    {
        let refused = opens(issuing_for(bad), loopback, bad).await;
        assert!(matches!(refused, Err(ServeError::BadBase(_))), "{bad}: {refused:?}");
    }
    let refused = opens(marque_testkit::Setup::default(), loopback, GATEWAY).await;
    assert!(matches!(refused, Err(ServeError::NoTokens)), "{refused:?}");
}
