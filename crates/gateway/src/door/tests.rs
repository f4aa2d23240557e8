mod agent;
mod captured;
mod echo;
mod frames;
mod hosts;
mod interims;
mod patience;
mod reverse;
mod sharing;
mod sockets;
mod spending;
mod trailers;
mod upstream;
mod versions;
mod world;

use std::time::Duration;

use marque_domain::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::GatewaySettings;
use world::{CREDENTIAL, PATIENCE, World, read_answer, read_head};

const ANSWERED: Outcome = Outcome::Answered { status: 200 };

#[track_caller]
fn is(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("marque-refusal: {code}\r\n")), "{answer}");
}

// threat 88
#[tokio::test]
async fn an_allowed_request_goes_through_with_a_credential_the_client_never_held() {
    let world = World::new().await;
    let fields = "Authorization: Bearer borrowed\r\nCookie: a=b\r\nX-Kept: 1\r\n";
    let answer = world.asks("GET /v1/items?a=1", fields, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    assert!(!answer.contains(CREDENTIAL));

    let saw = world.upstream_saw().concat();
    assert!(saw.starts_with("GET /v1/items?a=1 HTTP/1.1\r\n"), "{saw}");
    assert!(saw.contains(&format!("authorization: Bearer {CREDENTIAL}\r\n")), "{saw}");
    assert!(saw.contains("x-kept: 1\r\n") && saw.contains("host: plain.test\r\n"), "{saw}");
    for stripped in ["borrowed", "cookie", "proxy-"] {
        assert!(!saw.to_lowercase().contains(stripped), "{saw}");
    }
    assert_eq!(world.outcomes(1).await, [ANSWERED]);
}

#[tokio::test]
async fn an_allowed_request_goes_through_an_intercepted_tunnel() {
    let world = World::new().await;
    let request = "GET /v1/items HTTP/1.1\r\nHost: private.test\r\n\r\n";
    let answer = world.says_inside("private.test", request).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    let saw = world.upstream_saw().concat();
    assert!(saw.contains(&format!("authorization: Bearer {CREDENTIAL}\r\n")), "{saw}");
    assert_eq!(world.outcomes(1).await, [ANSWERED]);
}

#[tokio::test]
async fn what_no_line_allows_never_leaves_the_gateway() {
    let world = World::new().await;
    let answer = world.asks("DELETE /v1/items", "", "").await;
    is(&answer, 403, "refused.mandate.nothing_allows");
    assert!(answer.contains("\nhint: "), "{answer}");
    let answer = world.asks("GET /v2", "Accept: application/json\r\n", "").await;
    assert!(answer.contains("\"code\":\"refused.mandate.nothing_allows\""), "{answer}");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn a_request_without_the_runs_secret_is_nobodys() {
    let world = World::new().await;
    let plain = "GET http://plain.test/v1/a HTTP/1.1\r\nHost: plain.test\r\n";
    let tunnel = "CONNECT private.test:443 HTTP/1.1\r\nHost: private.test:443\r\n";
    let wrong = format!("Proxy-Authorization: {}A==\r\n", world.credentials());
    let other = "Proxy-Authorization: Basic cnVuOnNlY3JldA==\r\n";
    for request in [plain, tunnel] {
        is(&world.says(&format!("{request}\r\n")).await, 407, "refused.caller.missing");
        is(&world.says(&format!("{request}{other}\r\n")).await, 407, "refused.caller.unknown");
        is(&world.says(&format!("{request}{wrong}\r\n")).await, 400, "malformed.credentials");
        is(
            &world.says(&format!("{request}{other}{other}\r\n")).await,
            400,
            "malformed.credentials",
        );
    }
    assert_eq!(world.upstream_saw(), [""; 0]);
}

// threat 76
#[tokio::test]
async fn a_tunnel_to_a_host_that_no_connection_serves_is_refused_and_recorded() {
    let world = World::new().await;
    for authority in [
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "localhost:22",
        "private.test:22",
        "a.test:443",
    ] {
        let (_, answer) = world.tunnels(authority).await;
        is(&answer, 403, "refused.mandate.nothing_allows");
    }
    for authority in ["0x7f.1:80", "2130706433:80", "127.1:80", "private.test.:443"] {
        let (_, answer) = world.tunnels(authority).await;
        is(&answer, 400, "malformed.head");
    }
    let refusals = world.plane.status().log_size;
    assert!(refusals >= 5, "{refusals} entries");
}

// threat 72, threat 73, threat 75, threat 90
#[tokio::test]
async fn a_doubtful_request_is_answered_400_and_its_connection_closed() {
    let world = World::new().await;
    let credentials = world.credentials();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "X-A : 1\r\n",
        "X-A: 1\n",
        "Host: other.test\r\n",
    ] {
        let mut stream = world.connects().await;
        let head = "GET http://plain.test/v1/a HTTP/1.1\r\nHost: plain.test";
        let request = format!("{head}\r\nProxy-Authorization: {credentials}\r\n{fields}\r\nhello");
        stream.write_all(request.as_bytes()).await.unwrap();
        is(&read_answer(&mut stream).await, 400, "malformed.head");
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0, "{fields}");
    }
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    is(&world.asks("GET /v1/a", upgrade, "").await, 400, "malformed.upgrade");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

// threat 78
#[tokio::test]
async fn a_tunnel_leads_only_to_the_host_of_its_connect() {
    let world = World::new().await;
    let request = "GET /v1/a HTTP/1.1\r\nHost: plain.test\r\n\r\n";
    is(&world.says_inside("private.test", request).await.unwrap(), 421, "malformed.host");
    let error = world.says_inside("plain.test", request).await.unwrap_err();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

// threat 84
#[tokio::test]
async fn a_scoped_name_must_be_allowed_in_both_readings_and_is_sent_as_it_is() {
    let world = World::new().await;
    let answer = world.asks("GET /v1/@acme%2fapi", "", "").await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(world.upstream_saw().concat().starts_with("GET /v1/@acme%2Fapi HTTP/1.1\r\n"));
    let answer = world.asks("GET /only/@acme%2fapi", "", "").await;
    is(&answer, 403, "refused.mandate.nothing_allows");
    assert!(answer.contains("GET /only/@acme/api`"), "{answer}");
    is(&world.asks("GET /v1/acme%2fapi", "", "").await, 400, "malformed.target");
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = world.plain("GET /v1/sockets/open/@acme%2fapi");
    let request = request.replace("\r\n\r\n", &format!("\r\n{socket}\r\n"));
    is(&world.says(&request).await, 400, "malformed.target");
    assert_eq!(world.upstream_saw().len(), 1);
}

// threat 127, threat 128
#[tokio::test]
async fn an_approved_request_goes_through_once_and_a_changed_one_does_not() {
    let world = World::new().await;
    let held = "refused.mandate.needs_approval";
    let answer = world.asks("POST /v1/items", "X-Mode: dry\r\n", "pay 10").await;
    is(&answer, 403, held);
    assert!(answer.contains("marque approval give apr_"), "{answer}");
    world.gives_the_approval().await;
    is(&world.asks("POST /v1/items", "X-Mode: dry\r\n", "pay 99").await, 403, held);
    is(&world.asks("POST /v1/items", "X-Mode: wet\r\n", "pay 10").await, 403, held);
    is(&world.asks("POST /v1/items?a", "X-Mode: dry\r\n", "pay 10").await, 403, held);
    assert_eq!(world.upstream_saw(), [""; 0]);

    let answer = world.asks("POST /v1/items", "X-Mode: dry\r\n", "pay 10").await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(world.upstream_saw().concat().ends_with("pay 10"));
    is(&world.asks("POST /v1/items", "X-Mode: dry\r\n", "pay 10").await, 403, held);
    assert_eq!(world.upstream_saw().len(), 1);
}

#[tokio::test]
async fn a_body_too_large_to_be_shown_is_refused_where_a_human_would_be_asked() {
    let world = World::new().await;
    let body = "x".repeat(1024 * 1024 + 1);
    let answer = world.asks("POST /v1/items", "", &body).await;
    is(&answer, 403, "refused.mandate.body_too_large");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn a_client_that_reads_only_after_it_has_sent_all_still_reads_the_refusal() {
    let world = World::new().await;
    let body = "x".repeat(8 * 1024 * 1024);
    for line in ["DELETE /v1/items", "POST /v1/items", "GET /v1/%2e%2e"] {
        let answer = world.asks(line, "", &body).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{line}: {answer}");
        assert!(answer.contains("\nhint: "), "{line}: {answer}");
    }
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn a_body_that_nobody_must_see_streams_past_whole() {
    let world = World::new().await;
    let body = "x".repeat(3 * 1024 * 1024);
    let answer = world.asks("GET /v1/items", "", &body).await;
    assert!(answer.ends_with("hello"), "{answer}");
    let saw = world.upstream_saw().concat();
    assert!(saw.contains(&format!("content-length: {}\r\n", body.len())));
    assert!(saw.ends_with(&body));
}

// threat 178
#[tokio::test]
async fn a_kill_cuts_a_stream_in_the_middle_and_it_never_looks_complete() {
    let world = World::new().await;
    let mut stream = world.connects().await;
    stream.write_all(world.plain("GET /slow").as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    world.kills_the_run().await;
    let mut rest = Vec::new();
    let cut = timeout(Duration::from_millis(100), stream.read_to_end(&mut rest)).await.unwrap();
    assert!(cut.is_err(), "the stream must be reset");
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    assert_eq!(world.outcomes(1).await, [Outcome::Cut]);

    is(&world.asks("GET /v1/a", "", "").await, 403, "refused.run.killed");
    let (_, answer) = world.tunnels("private.test:443").await;
    is(&answer, 403, "refused.run.killed");
}

// threat 94
#[tokio::test]
async fn a_client_that_goes_away_leaves_an_outcome_behind() {
    let world = World::new().await;
    let mut stream = world.connects().await;
    stream.write_all(world.plain("GET /slow").as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    drop(stream);
    assert_eq!(world.outcomes(1).await, [Outcome::Abandoned]);
}

// threat 79
#[tokio::test]
async fn a_redirect_is_passed_back_and_never_followed() {
    let world = World::new().await;
    let answer = world.asks("GET /v1/moved", "", "").await;
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\n"), "{answer}");
    assert!(answer.contains("location: https://elsewhere.test/\r\n"), "{answer}");
    assert_eq!(world.upstream_saw().len(), 1);
    is(&world.tunnels("elsewhere.test:443").await.1, 403, "refused.mandate.nothing_allows");
}

// threat 72, threat 90, from the upstream's side
#[tokio::test]
async fn a_doubtful_answer_is_not_passed_on() {
    let world = World::new().await;
    for path in ["/v1/switch", "/v1/broken"] {
        is(&world.asks(&format!("GET {path}"), "", "").await, 502, "failed.upstream");
    }
    let failed = Outcome::Failed { code: "failed.upstream".to_owned() };
    assert_eq!(world.outcomes(2).await, [failed.clone(), failed]);
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_each_is_a_decision() {
    let world = World::new().await;
    let mut stream = world.connects().await;
    for path in ["/v1/a", "/v2/never", "/v1/b"] {
        stream.write_all(world.plain(&format!("GET {path}")).as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
    }
    assert_eq!(world.upstream_saw().len(), 2);
    assert_eq!(world.outcomes(2).await, [ANSWERED, ANSWERED]);
}

// threat 93
#[tokio::test]
async fn a_connection_that_never_says_whose_it_is_is_cut_and_one_of_a_run_is_not() {
    let proof = Duration::from_millis(100);
    let world = World::with(GatewaySettings { proof, ..GatewaySettings::default() }).await;
    let (mut stranger, mut known) = (world.connects().await, world.connects().await);
    stranger.write_all(b"GET http://plain.test/v1/a HTTP/1.1\r\nHost:").await.unwrap();
    known.write_all(world.plain("GET /v1/a").as_bytes()).await.unwrap();
    assert!(read_answer(&mut known).await.ends_with("hello"));
    let cut = timeout(PATIENCE, stranger.read(&mut [0; 1])).await.unwrap();
    assert_eq!(cut.unwrap_or(0), 0);
    known.write_all(world.plain("GET /v1/a").as_bytes()).await.unwrap();
    assert!(read_answer(&mut known).await.ends_with("hello"));
}

// threat 93
#[tokio::test]
async fn strangers_take_no_place_from_a_run_and_the_oldest_makes_room() {
    let settings = GatewaySettings { strangers_max: 2, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    let mut known = world.connects().await;
    known.write_all(world.plain("GET /v1/a").as_bytes()).await.unwrap();
    assert!(read_answer(&mut known).await.ends_with("hello"));

    let mut oldest = world.connects().await;
    let _idle = [world.connects().await, world.connects().await, world.connects().await];
    let cut = timeout(PATIENCE, oldest.read(&mut [0; 1])).await.unwrap();
    assert_eq!(cut.unwrap_or(0), 0);
    assert!(world.asks("GET /v1/a", "", "").await.ends_with("hello"), "a newcomer gets in");
    known.write_all(world.plain("GET /v1/a").as_bytes()).await.unwrap();
    assert!(read_answer(&mut known).await.ends_with("hello"), "who was in stays in");
}

// threat 93
#[tokio::test]
async fn a_run_is_told_that_it_has_too_many_connections_open() {
    let settings = GatewaySettings { run_connections_max: 1, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    let (first, answer) = world.tunnels("private.test:443").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    is(&world.tunnels("private.test:443").await.1, 503, "failed.crowded");
    is(&world.asks("GET /v1/a", "", "").await, 503, "failed.crowded");
    drop(first);
    let again = async { while !world.asks("GET /v1/a", "", "").await.ends_with("hello") {} };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn answers_without_a_body_and_a_closing_upstream_leave_the_clients_connection_in_step() {
    let world = World::new().await;
    let mut stream = world.connects().await;
    for (line, status, length) in [
        ("HEAD /v1/head", "200 OK", Some("content-length: 5")),
        ("GET /v1/nothing", "204 No Content", None),
        ("GET /v1/same", "304 Not Modified", None),
    ] {
        stream.write_all(world.plain(line).as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert_eq!(head.lines().find(|line| line.starts_with("content-length")), length, "{head}");
    }
    for line in ["GET /v1/closing", "GET /v1/a", "GET /v1/closing", "GET /v1/closing"] {
        stream.write_all(world.plain(line).as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{line}: {answer}");
        assert!(answer.ends_with("hello") && !answer.contains("connection:"), "{line}: {answer}");
    }
    let answered = |status| Outcome::Answered { status };
    let expected = [200, 204, 304, 200, 200, 200, 200].map(answered);
    assert_eq!(world.outcomes(7).await, expected);
}

// threat 76, threat 78
#[tokio::test]
async fn an_address_in_brackets_is_a_host_like_any_other() {
    let world = World::new().await;
    let ask = |target: &str, host: &str| {
        let credentials = world.credentials();
        format!(
            "GET http://{target}/v1/a HTTP/1.1\r\nHost: {host}\r\n\
             Proxy-Authorization: {credentials}\r\n\r\n"
        )
    };
    let answer = world.says(&ask("[2001:DB8:0::1]", "[2001:db8::1]:80")).await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(world.upstream_saw().concat().contains("\r\nhost: [2001:db8::1]\r\n"));
    for (target, host) in [("[2001:db8::1]", "plain.test"), ("[2001:db8::1%25lo]", "[2001:db8::1]")]
    {
        is(&world.says(&ask(target, host)).await, 400, "malformed.head");
    }
    for other in ["[2001:db8::1]:81", "[2001:db8::2]", "[::ffff:127.0.0.1]"] {
        is(&world.says(&ask(other, other)).await, 403, "refused.mandate.nothing_allows");
    }
    assert_eq!(world.upstream_saw().len(), 1);
}

#[tokio::test]
async fn curl_sends_a_large_body_where_it_may_and_reads_why_where_it_may_not() {
    let world = World::new().await;
    for origin in ["http://plain.test", "https://private.test"] {
        let url = format!("{origin}/v1/items");
        assert_eq!(world.curls(&url, &["--request", "GET"]).await, ("hello".into(), Some(0)));
        for (arguments, code) in [
            (&["--request", "DELETE"][..], "refused.mandate.nothing_allows"),
            (&["--request", "DELETE", "--header", "Expect:"], "refused.mandate.nothing_allows"),
            (&["--request", "POST"], "refused.mandate.body_too_large"),
            (&["--request", "POST", "--header", "Expect:"], "refused.mandate.body_too_large"),
            (
                &["--request", "POST", "--header", "Transfer-Encoding: chunked"],
                "refused.mandate.body_too_large",
            ),
        ] {
            let (said, exit) = world.curls(&url, arguments).await;
            assert_eq!(exit, Some(0), "{url} {arguments:?}: {said}");
            assert!(said.starts_with(&format!("marque: {code}\n")), "{url} {arguments:?}: {said}");
        }
    }
    assert_eq!(world.upstream_saw().len(), 2);
}

// threat 94: half a close is what a client that went away looks like, and is taken for it.
#[tokio::test]
async fn a_client_that_half_closes_is_taken_for_gone_at_once() {
    let world = World::new().await;
    let mut stream = world.connects().await;
    stream.write_all(world.plain("GET /slow").as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    stream.shutdown().await.unwrap();
    assert_eq!(world.outcomes(1).await, [Outcome::Abandoned]);
    let ended = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(ended.is_err(), "the stream must be reset, so that it never looks complete");
}
