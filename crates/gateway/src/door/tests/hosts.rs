//! Which host, which method, whose words: what a client says it is for is what is decided.

use http::Request;
use marque_domain::{Limits, Name, TaskRef};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::is;
use super::world::{PATIENCE, World};

const NOTHING: &str = "refused.mandate.nothing_allows";

// threat 75, threat 78
#[tokio::test]
async fn inside_a_tunnel_http2_names_the_host_of_its_connect() {
    let world = World::new().await;
    let client = world.bot.speaks_http2("modern.test").await;
    for (authority, status) in [
        ("modern.test", 200),
        ("modern.test:443", 200),
        ("MODERN.test", 200),
        ("private.test", 421),
        ("plain.test", 421),
        ("modern.test:444", 421),
        ("evil.modern.test", 421),
        ("modern.test.evil.io", 421),
        ("169.254.169.254", 421),
        ("modern.test.", 400),
    ] {
        let answer = client.gets(&format!("https://{authority}/v1/a")).await.unwrap();
        assert_eq!(answer.status, status, "{authority}");
        let code = match status {
            200 => "",
            421 => "malformed.host",
            _ => "malformed.head",
        };
        assert_eq!(answer.refusal(), code, "{authority}");
    }
    for (host, status) in
        [("modern.test", 200), ("private.test", 400), ("modern.test.evil.io", 400)]
    {
        let request = Request::get("https://modern.test/v1/a").header("host", host);
        let answer = client.asks(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status, status, "{host}");
    }
    assert!(world.upstream_saw().iter().all(|saw| saw.contains("\r\nhost: modern.test\r\n")));
    assert_eq!(world.upstream_saw().len(), 4);
}

// threat 83
#[tokio::test]
async fn a_host_is_the_registered_one_and_nothing_that_looks_like_it() {
    let world = World::new().await;
    let ask = async |target: &str, host: &str| {
        let credentials = world.credentials();
        let fields = format!("Host: {host}\r\nProxy-Authorization: {credentials}");
        world.says(&format!("GET {target} HTTP/1.1\r\n{fields}\r\n\r\n")).await
    };
    for other in [
        "plain.test.evil.io",
        "evil-plain.test",
        "a.plain.test",
        "plain.tes",
        "xn--plin-5qa.test",
        "xn--pain-8zb.test",
        "plain.test:81",
    ] {
        is(&ask(&format!("http://{other}/v1/a"), other).await, 403, NOTHING);
        let tunnel = if other.contains(':') { other.to_owned() } else { format!("{other}:443") };
        is(&world.tunnels(&tunnel).await.1, 403, NOTHING);
    }
    for (target, host) in [
        ("http://evil.io#plain.test/v1/a", "plain.test"),
        ("http://evil.io#plain.test/v1/a", "evil.io"),
        ("http://plain.test@evil.io/v1/a", "evil.io"),
        ("http://evil.io\\plain.test/v1/a", "plain.test"),
        ("http://evil.io%23plain.test/v1/a", "plain.test"),
        ("http://plain.test./v1/a", "plain.test."),
        ("http://pl\u{e4}in.test/v1/a", "pl\u{e4}in.test"),
        ("http://plain\u{ff0e}test/v1/a", "plain.test"),
    ] {
        is(&ask(target, host).await, 400, "malformed.head");
    }
    assert_eq!(world.upstream_saw(), [""; 0]);
    assert!(ask("http://PLAIN.Test/v1/a", "plain.TEST").await.ends_with("hello"));
    assert!(world.upstream_saw().concat().contains("\r\nhost: plain.test\r\n"));
}

// threat 76, threat 77: a name is judged by where it leads now, and nothing is dialled before.
#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_dialled() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    world.registers("rebound", format!("localhost:{port}")).await;
    let agent = world.opens_a_run(Limits::default()).await;
    let mut stream = agent.connects().await;
    let host = format!("localhost:{port}");
    let request = format!(
        "GET http://{host}/v1/a HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: {}\r\n\r\n",
        agent.credentials()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let answer = super::read_answer(&mut stream).await;
    is(&answer, 502, "failed.address");
    assert!(!answer.contains("127.0.0.1") && !answer.contains("::1"), "{answer}");
    assert!(timeout(PATIENCE / 50, listener.accept()).await.is_err(), "nobody came");
}

// threat 85
#[tokio::test]
async fn a_method_is_what_it_says_and_nothing_overrides_it() {
    let world = World::new().await;
    let client = world.bot.speaks_http2("modern.test").await;
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_Method"] {
        let fields = format!("{name}: DELETE\r\n");
        is(&world.asks("GET /v1/a", &fields, "").await, 400, "malformed.head");
        is(&world.bot.says("private.test", "GET /v1/a", &fields).await, 400, "malformed.head");
        let request = Request::get("https://modern.test/v1/a").header(name, "DELETE");
        let answer = client.asks(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (400, "malformed.head"), "{name}");
    }
    for method in ["get", "Get", "TRACE", "TRACK", "PROPFIND", "MKCOL", "MOVE", "LOCK", "GETT"] {
        is(&world.asks(&format!("{method} /v1/a"), "", "").await, 400, "malformed.head");
        let line = format!("{method} /v1/a");
        is(&world.bot.says("private.test", &line, "").await, 400, "malformed.head");
        let request = Request::builder().method(method).uri("https://modern.test/v1/a");
        let answer = client.asks(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (400, "malformed.head"), "{method}");
    }
    assert_eq!(world.upstream_saw(), [""; 0]);
}

// threat 85: what a framework may take for the method is part of what a human said yes to.
#[tokio::test]
async fn a_method_hidden_in_a_query_is_refused_and_in_a_form_is_no_part_of_an_approval() {
    let world = World::new().await;
    let held = "refused.mandate.needs_approval";
    is(&world.asks("POST /v1/items", "", "a=1").await, 403, held);
    world.gives_the_approval().await;
    is(&world.asks("POST /v1/items", "", "a=1&_method=DELETE").await, 403, held);
    let client = world.bot.speaks_http2("modern.test").await;
    for query in ["_method=DELETE", "a=1&_METHOD=DELETE", "%5fmethod=DELETE"] {
        let line = format!("POST /v1/items?{query}");
        is(&world.asks(&line, "", "a=1").await, 400, "malformed.target");
        let url = format!("https://modern.test/v1/items?{query}");
        let answer = client.gets(&url).await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (400, "malformed.target"), "{query}");
    }
    assert_eq!(world.upstream_saw(), [""; 0]);
    assert!(world.asks("POST /v1/items", "", "a=1").await.ends_with("hello"));
}

// threat 87, threat 88
#[tokio::test]
async fn no_label_of_a_run_holds_a_line_break_or_reaches_an_upstream() {
    for label in ["OPS-1\r\nx-evil: 1", "ticket:OPS-1\nx", "ticket:OPS-1\r", "ticket:\0", "a b"] {
        assert!(label.parse::<TaskRef>().is_err(), "{label:?}");
        assert!(label.parse::<Name>().is_err(), "{label:?}");
    }
    let world = World::new().await;
    let client = world.bot.speaks_http2("modern.test").await;
    assert_eq!(client.gets("https://modern.test/v1/a").await.unwrap().status, 200);
    let own = "Marque-Run: run_1\r\nX-Marque-Agent: bot\r\n";
    assert!(world.bot.says("private.test", "GET /v1/a", own).await.ends_with("hello"));
    let saw = world.upstream_saw().concat().to_lowercase();
    let run = &world.bot.run;
    let id = run.run.id.to_string().to_lowercase();
    for label in ["bot", "ops-1", "alice", "marque", &id, &run.secret.to_lowercase()] {
        assert!(!saw.contains(label), "{label}: {saw}");
    }
}

// threat 89
#[tokio::test]
async fn no_field_is_declared_to_be_of_one_connection() {
    let world = World::new().await;
    for named in ["authorization, x-run-id", "x-run-id", "Host", "content-length", "close, cookie"]
    {
        let fields = format!("Connection: {named}\r\nX-Run-Id: 1\r\nCookie: a=b\r\n");
        is(&world.asks("GET /v1/a", &fields, "").await, 400, "malformed.head");
        is(&world.bot.says("modern.test", "GET /v1/a", &fields).await, 400, "malformed.head");
    }
    let usual = "Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n";
    assert!(world.asks("GET /v1/a", usual, "").await.ends_with("hello"));
    let saw = world.upstream_saw().concat();
    assert!(saw.contains("\r\nauthorization: Bearer ") && !saw.contains("connection"), "{saw}");
}

// threat 90
#[tokio::test]
async fn no_other_protocol_is_spoken_in_a_tunnel_either() {
    let world = World::new().await;
    for fields in [
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: TLS/1.3\r\n",
    ] {
        is(&world.asks("GET /v1/a", fields, "").await, 501, "malformed.upgrade");
        for host in ["private.test", "modern.test"] {
            is(&world.bot.says(host, "GET /v1/a", fields).await, 501, "malformed.upgrade");
        }
    }
    assert_eq!(world.upstream_saw(), [""; 0]);
}
