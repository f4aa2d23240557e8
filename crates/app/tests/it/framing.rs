//! Requests that two readers could read differently, said byte for byte.

use std::io::Write as _;

use super::support::{CREDENTIAL, Proxy, Upstream, World, hear_one};

/// One request to the plain upstream with these framing fields, and another smuggled behind it.
fn doubtful(proxy: &Proxy, fields: &str) -> Vec<u8> {
    let proof = proxy.proof();
    let head = format!("POST http://plain.test/v1/items HTTP/1.1\r\nHost: plain.test\r\n{proof}");
    let smuggled =
        format!("GET http://plain.test/v1/smuggled HTTP/1.1\r\nHost: plain.test\r\n{proof}\r\n");
    format!("{head}{fields}\r\n5\r\nhello\r\n0\r\n\r\n{smuggled}").into_bytes()
}

// threat 72
#[test]
fn a_request_whose_length_is_in_doubt_is_answered_400_and_its_connection_closed() {
    let world = World::new();
    let (_run, proxy) = world.door();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\tchunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer_Encoding: chunked\r\n",
        "X: 1\r\n Transfer-Encoding: chunked\r\n",
        "X: 1\nTransfer-Encoding: chunked\r\n",
        "X: 1\rTransfer-Encoding: chunked\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
    ] {
        let answer = proxy.says(&doubtful(&proxy, fields));
        answer.is(400, "marque-refusal: malformed.");
        assert!(answer.is_closed, "`{fields}`: {answer:?}");
        assert_eq!(answer.text.matches("HTTP/1.1 400").count(), 1, "`{fields}`: {answer:?}");
    }
    world.plain.saw_nothing();
    proxy.asks("GET", "http://plain.test/v1/fine", "", "").is(200, "");
}

// threat 72, threat 75, inside a tunnel, with a TLS client that is not ours
#[test]
fn what_is_doubtful_in_the_clear_is_doubtful_inside_a_tunnel() {
    let world = World::new();
    let mut run = world.run();
    let mut inside = |name: &str, request: &str| {
        world.write("request", request);
        run.types(&format!(
            "cat \"$HOME/request\" - | timeout 10 openssl s_client -quiet -verify_return_error \
             -proxy \"${{http_proxy##*@}}\" -proxy_user \"$MARQUE_RUN\" \
             -proxy_pass env:MARQUE_RUN_SECRET -CAfile \"$SSL_CERT_FILE\" \
             -connect api.test:443 -servername {name}"
        ))
        .out
    };
    let head = "POST /v1/items HTTP/1.1\r\nHost: api.test\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: 5, 5\r\n",
        "Host: api.test\r\n",
    ] {
        let said = inside("api.test", &format!("{head}{fields}\r\nhello"));
        assert!(said.contains("HTTP/1.1 400"), "`{fields}`: {said}");
    }
    let other = "GET /v1/items HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";
    let said = inside("api.test", other);
    assert!(said.contains("HTTP/1.1 421") && said.contains("malformed.host"), "{said}");
    let absolute = "GET https://other.test/v1/items HTTP/1.1\r\nHost: api.test";
    let said = inside("api.test", &format!("{absolute}\r\nConnection: close\r\n\r\n"));
    assert!(said.contains("HTTP/1.1 4"), "{said}");
    // threat 78
    let said = inside("other.test", "GET /v1/items HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert!(said.contains("unrecognized name"), "{said}");
    world.api.saw_nothing();
    let fine = "GET /v1/items HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n";
    let said = inside("api.test", fine);
    assert!(said.contains("HTTP/1.1 200"), "{said}");
    world.api.saw_one();
}

// threat 75
#[test]
fn a_request_that_names_two_hosts_goes_to_neither() {
    let world = World::new();
    let (_run, proxy) = world.door();
    let proof = proxy.proof();
    for (target, host) in [
        ("http://plain.test/v1/a", "Host: other.test\r\n"),
        ("http://plain.test/v1/a", "Host: plain.test:81\r\n"),
        ("http://plain.test/v1/a", "Host: plain.test\r\nHost: plain.test\r\n"),
        ("http://plain.test/v1/a", "Host: plain.test\r\nHost: other.test\r\n"),
        ("http://plain.test/v1/a", "Host: plain.test/v1\r\n"),
        ("http://plain.test/v1/a", "Host: other.test@plain.test\r\n"),
        ("http://plain.test/v1/a", "Host: plain.test:80:81\r\n"),
        ("http://plain.test/v1/a", "Host: plain.test, other.test\r\n"),
        ("http://plain.test/v1/a", ""),
        ("http://other.test@plain.test/v1/a", "Host: plain.test\r\n"),
        ("http://plain.test:80:81/v1/a", "Host: plain.test\r\n"),
        ("http://plain.test.evil.test#plain.test/v1/a", "Host: plain.test\r\n"),
        ("/v1/a", "Host: plain.test\r\n"),
        ("//plain.test/v1/a", "Host: plain.test\r\n"),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\n{host}{proof}");
        let request = format!("{head}Connection: close\r\n\r\n");
        let answer = proxy.says(request.as_bytes());
        answer.is(400, "marque-refusal: malformed.");
    }
    world.plain.saw_nothing();
}

// threat 76
#[test]
fn a_tunnel_to_a_place_inside_is_refused() {
    let world = World::new();
    let (_run, proxy) = world.door();
    let own = proxy.address.to_string();
    for authority in [
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "100.100.100.200:80",
        "metadata.google.internal:80",
        "localhost:22",
        own.as_str(),
        "0:80",
        "0x7f.1:80",
        "2130706433:80",
        "127.1:80",
        "017700000001:80",
        "[::ffff:127.0.0.1]:80",
        "[::]:80",
        "[::1]:80",
        "[64:ff9b::7f00:1]:80",
        "[::1%25lo]:80",
        "api\u{3002}test:443",
        "api.test\u{ff0e}:443",
        "api.test.:443",
        "api.test:22",
        "api.test",
    ] {
        let answer = proxy.tunnels(authority);
        assert!([400, 403].contains(&answer.status), "`{authority}`: {answer:?}");
        assert!(answer.text.contains("marque-refusal: "), "`{authority}`: {answer:?}");
    }
    world.api.saw_nothing();
}

// threat 76
#[test]
fn a_name_that_leads_inside_is_not_dialled_unless_its_connection_pins_it() {
    let world = World::new();
    let trap = Upstream::plain();
    let port = trap.address.port();
    let (by_name, by_number) = (format!("localhost:{port}"), format!("127.0.0.1:{port}"));
    let words = ["--no-credential", "--plain-http", "--host"];
    for (name, host) in [("by-name", &by_name), ("by-number", &by_number)] {
        let add = ["connection", "add", name];
        world.cli(&[&add, words.as_slice(), &[host]].concat()).ok();
    }
    let allow = ["--allow", "by-name:GET /**", "--allow", "by-number:GET /**"];
    world.cli(&[&["grant", "add", "bot", "--until", "1d"], allow.as_slice()].concat()).ok();
    let (_run, proxy) = world.door();
    for host in [by_name, by_number] {
        let answer = proxy.asks("GET", &format!("http://{host}/v1/a"), "", "");
        answer.is(502, "marque-refusal: failed.address");
    }
    trap.saw_nothing();
    let outcomes = world.json(&["log", "query", "--event", "outcome"]);
    assert_eq!(outcomes.to_string().matches("failed.address").count(), 2, "{outcomes}");
}

// threat 79
#[test]
fn a_redirect_is_not_followed_and_no_credential_goes_there() {
    let world = World::new();
    let elsewhere = Upstream::plain();
    let mut run = world.run();
    let moved = |to: &str| format!("-L 'http://plain.test/v1/moved?to={to}'");
    let (status, body) = run.curl(&moved("http://other.test/v1/a"));
    assert_eq!((status, body.contains("refused.mandate.nothing_allows")), (403, true), "{body}");
    let refused = run.types(&format!("curl -sS {}", moved("https://plain.test:8443/v1/a")));
    assert!(refused.out.contains("403"), "{refused:?}");
    // Past the proxy, which an advisory run can do: with nothing to show.
    let (status, _) = run.curl(&moved(&format!("http://{}/v1/a", elsewhere.address)));
    assert_eq!(status, 200);
    assert!(!elsewhere.saw_one().head.contains(CREDENTIAL));
    assert_eq!(elsewhere.saw_one().field("authorization"), None);
    assert_eq!(world.plain.saw().len(), 3);
}

/// Spellings of paths: some fine, some that another reader would take for another path.
const TARGETS: &[&str] = &[
    "/v1/a",
    "/v1/a/",
    "/v1/a.",
    "/v1/a..b",
    "/v1/a:b@c",
    "/v1/a%20b",
    "/v1/caf%C3%A9",
    "/v1/caf%c3%a9",
    "/v1/a?x=%2e%2e",
    "/v1/a?x=..%2F",
    "/v1/a?",
    "/v1/%7Ea",
    "/v1/a*b",
    "/v1/%2A",
    "/v1/a%25",
    "/v1/%E2%80%AE",
    "/v1/../admin",
    "/v1/a/../../admin",
    "/v1/./a",
    "/v1/%2e%2e/admin",
    "/v1/%2E%2E%2Fadmin",
    "/v1/.%2e/admin",
    "/v1/%252e%252e/admin",
    "/v1/%25252e",
    "/v1/a;x=1",
    "/v1/..;/admin",
    "/v1/a%3Bx",
    "//v1/a",
    "/v1//a",
    "/v1/a\\b",
    "/v1/a%5Cb",
    "/v1/%00",
    "/v1/a%0d%0aX:%201",
    "/v1/%c0%ae%c0%ae/admin",
    "/v1/%e0%80%ae",
    "/v1/a%2Fb",
    "/v1/%41",
    "/v1/%zz",
    "/v1/%",
    "/v1/a#b",
    "/v1/%u002e",
    "/v1/a?_method=DELETE",
    "/v1/a?%5fmethod=DELETE",
    "/v1/%EF%BC%8E%EF%BC%8E/a",
    "/V1/a",
    "/v1",
    "/",
];

// threat 84
#[test]
fn what_was_decided_is_what_was_sent() {
    let world = World::new();
    let (_run, proxy) = world.door();
    for target in TARGETS {
        let before = world.plain.saw().len();
        let answer = proxy.asks("GET", &format!("http://plain.test{target}"), "", "");
        assert!([200, 400, 403].contains(&answer.status), "`{target}`: {answer:?}");
        let more = world.plain.saw().len() - before;
        assert_eq!(more, usize::from(answer.status == 200), "`{target}`: {answer:?}");
    }
    let entries = world.json(&["log", "query", "--event", "decided", "--answer", "allowed"]);
    let decided = entries.as_array().unwrap().iter().map(|entry| {
        let operation = &entry["event"]["operation"];
        (operation["resource"][0].as_str().unwrap(), operation["has_query"].as_bool().unwrap())
    });
    let decided: Vec<_> = decided.collect();
    let saw = world.plain.saw();
    let sent = saw.iter().map(|seen| {
        let (path, query) = seen.target().split_once('?').unwrap_or((seen.target(), "-"));
        (path, query != "-")
    });
    assert_eq!(decided, sent.collect::<Vec<_>>());
    assert!(saw.len() >= 8, "{saw:#?}");
    for seen in saw {
        let lower = seen.target().to_lowercase();
        let path = lower.split('?').next().unwrap();
        assert!(path == "/v1" || path.starts_with("/v1/"), "{path}");
        for trick in ["..", "%2e", "%2f", "%5c", "%00", "%0d", ";", "//", "admin"] {
            assert!(!path.replace("a..b", "").contains(trick), "`{trick}` in {path}");
        }
        assert!(!lower.contains("method"), "{lower}");
    }
}

// threat 88, threat 64, threat 89
#[test]
fn what_the_client_claims_to_be_does_not_reach_the_upstream() {
    let world = World::new();
    let (_run, proxy) = world.door();
    let fields = "Authorization: Bearer borrowed-1\r\nCookie: session=borrowed-2\r\n\
        Proxy-Connection: keep-alive\r\nMarque-Run: borrowed-3\r\nMarque-Refusal: borrowed-4\r\n\
        X-Forwarded-For: borrowed-5\r\nForwarded: for=borrowed-6\r\nX-Real-IP: borrowed-7\r\n\
        X-Forwarded-Client-Cert: borrowed-8\r\nVia: borrowed-9\r\n\
        X-Hop: borrowed-10\r\nTE: trailers\r\nX-Kept: yes\r\n";
    let asks = |fields: &str| {
        let mut stream = proxy.connects();
        let head = "GET http://plain.test/v1/a HTTP/1.1\r\nHost: plain.test\r\n";
        stream.write_all(format!("{head}{}{fields}\r\n", proxy.proof()).as_bytes()).unwrap();
        hear_one(&mut stream)
    };
    for trick in ["Connection: X-Hop\r\n", "Connection: authorization\r\n"] {
        asks(&format!("{fields}{trick}")).is(400, "malformed.head");
    }
    asks("X-HTTP-Method-Override: DELETE\r\n").is(400, "malformed.head");
    asks(fields).is(200, "");
    for seen in [world.plain.saw_one()] {
        let lower = seen.head.to_lowercase();
        let end_to_end = seen.head.replace("borrowed-10", "");
        assert!(!end_to_end.contains("borrowed"), "{}", seen.head);
        for name in ["proxy-", "marque", "cookie", "forwarded", "\r\nte:", "via:"] {
            assert!(!lower.contains(name), "`{name}` went through: {}", seen.head);
        }
        assert_eq!(seen.field("authorization"), Some(format!("Bearer {CREDENTIAL}").as_str()));
        assert_eq!(seen.field("x-kept"), Some("yes"));
        assert!(!seen.head.contains(&proxy.secret));
    }
}

// threat 98
#[test]
fn the_secret_of_one_run_does_not_speak_for_another() {
    let world = World::new();
    let (mut one, mut other) = (world.run(), world.run());
    let (one, other) = (one.proxy(), other.proxy());
    let url = "http://plain.test/v1/a";
    let crossed = Proxy { run: other.run.clone(), ..one.clone() };
    crossed.asks("GET", url, "", "").is(407, "refused.caller.unknown");
    crossed.tunnels("api.test:443").is(407, "refused.caller.unknown");
    let guessed = Proxy { secret: one.secret.to_uppercase(), ..one.clone() };
    guessed.asks("GET", url, "", "").is(407, "refused.caller.unknown");
    let nobody = format!("GET {url} HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n");
    one.says(nobody.as_bytes()).is(407, "refused.caller.missing");
    let twice = format!("{}{}", one.proof(), other.proof());
    let both = format!("GET {url} HTTP/1.1\r\nHost: plain.test\r\n{twice}\r\n");
    one.says(both.as_bytes()).is(400, "malformed.");
    world.plain.saw_nothing();
    one.asks("GET", url, "", "").is(200, "");
    other.asks("GET", url, "", "").is(200, "");
}
