//! HTTP/1.1 and HTTP/2 on either side of the gateway say the same.

use http::Request;
use marque_domain::Outcome;
use tokio::io::AsyncWriteExt;

use super::agent::{get, whole};
use super::upstream::LARGE;
use super::world::{CREDENTIAL, World, read_answer};
use super::{ANSWERED, is};

const HOSTS: [&str; 2] = ["private.test", "modern.test"];

#[tokio::test]
async fn an_allowed_request_goes_through_between_any_two_versions() {
    let world = World::new().await;
    for host in HOSTS {
        let request = Request::get(format!("https://{host}/v1/items?a=1"))
            .header("authorization", "Bearer borrowed")
            .header("cookie", "a=b")
            .header("x-kept", "1");
        let client = world.bot.speaks_http2(host).await;
        let answer = client.asks(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        let fields = "Authorization: Bearer borrowed\r\nCookie: a=b\r\nX-Kept: 1\r\n";
        let answer = world.bot.says(host, "GET /v1/items?a=1", fields).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    }
    let saw = world.upstream_saw();
    for (request, host) in saw.iter().zip(["private", "private", "modern", "modern"]) {
        assert!(request.starts_with("GET /v1/items?a=1 HTTP/"), "{request}");
        assert!(request.contains(&format!("host: {host}.test\r\n")), "{request}");
        assert!(request.contains(&format!("authorization: Bearer {CREDENTIAL}\r\n")), "{request}");
        assert!(request.contains("x-kept: 1\r\n"), "{request}");
        assert!(!request.contains("borrowed") && !request.contains("cookie"), "{request}");
    }
    assert_eq!(saw.len(), 4);
    assert_eq!(world.outcomes(4).await, [ANSWERED; 4]);
}

#[tokio::test]
async fn large_bodies_cross_whole_between_any_two_versions() {
    let world = World::new().await;
    let body = "x".repeat(LARGE);
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let url = format!("https://{host}/v1/items");
        let sent = client.asks(Request::get(&url).body(body.clone()).unwrap()).await.unwrap();
        assert_eq!((sent.status, sent.body.as_str()), (200, "hello"));
        let announced = Request::get(&url).header("content-length", LARGE);
        assert_eq!(client.asks(announced.body(body.clone()).unwrap()).await.unwrap().body, "hello");
        let fetched = client.gets(&format!("https://{host}/v1/large")).await.unwrap();
        assert_eq!(fetched.body.len(), LARGE);
        assert_eq!(fetched.headers["content-length"], LARGE.to_string());

        let mut stream = world.bot.speaks_http1(host).await;
        let head = format!("HTTP/1.1\r\nHost: {host}\r\nContent-Length: {LARGE}\r\n\r\n");
        stream.write_all(format!("GET /v1/items {head}{body}").as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.ends_with("hello"));
        let head = format!("GET /v1/large HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.ends_with(&body));
    }
    let bodies = world.upstream_saw().into_iter().map(|request| {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        body.matches('x').count()
    });
    let expected = [LARGE, LARGE, 0, LARGE, 0].repeat(2);
    assert_eq!(bodies.collect::<Vec<_>>(), expected);
    assert_eq!(world.outcomes(10).await, [ANSWERED; 10]);
}

#[tokio::test]
async fn answers_without_a_body_are_whole_over_http2() {
    let world = World::new().await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        for (method, path, status) in
            [("HEAD", "/v1/head", 200), ("GET", "/v1/nothing", 204), ("GET", "/v1/same", 304)]
        {
            let request = Request::builder().method(method).uri(format!("https://{host}{path}"));
            let answer = client.asks(request.body(String::new()).unwrap()).await.unwrap();
            assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{host}{path}");
            if method == "HEAD" {
                assert_eq!(answer.headers["content-length"], "5", "{host}");
            }
        }
    }
    let expected = [200, 204, 304].repeat(2).into_iter().map(|status| Outcome::Answered { status });
    assert!(world.outcomes(6).await.into_iter().eq(expected));
}

#[tokio::test]
async fn an_answer_that_its_upstream_breaks_off_never_looks_complete() {
    let world = World::new().await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let broken = client.gets(&format!("https://{host}/v1/half")).await;
        assert!(broken.is_err(), "{host}: {broken:?}");
        assert_eq!(client.gets(&format!("https://{host}/v1/a")).await.unwrap().body, "hello");
    }
    let failed = Outcome::Failed { code: "failed.upstream".to_owned() };
    assert_eq!(world.outcomes(4).await, [failed.clone(), ANSWERED, failed, ANSWERED]);
}

#[tokio::test]
async fn many_requests_share_a_connection_and_each_is_a_decision() {
    const COUNT: usize = 40;
    let world = World::new().await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let slow = client.begins(get(&format!("https://{host}/slow")), true).await.unwrap();
        let slow = slow.0.await.unwrap();
        let mut begun = Vec::new();
        for number in 0..COUNT {
            let place = if number % 2 == 0 { "v1" } else { "v2" };
            let url = format!("https://{host}/{place}/{number}");
            begun.push(client.begins(get(&url), true).await.unwrap().0);
        }
        for (number, answer) in begun.into_iter().enumerate() {
            let answer = whole(answer).await.unwrap();
            let expected =
                if number % 2 == 0 { (200, "") } else { (403, "refused.mandate.nothing_allows") };
            assert_eq!((answer.status, answer.refusal()), expected, "{host} {number}");
        }
        let mut slow = slow.into_body();
        assert!(slow.data().await.unwrap().is_ok(), "the first one goes on");
    }
    let saw = world.upstream_saw();
    for number in (0..COUNT).step_by(2) {
        let line = format!("GET /v1/{number} HTTP/");
        assert_eq!(saw.iter().filter(|request| request.starts_with(&line)).count(), 2, "{line}");
    }
    assert_eq!(saw.len(), COUNT + 2);
    let outcomes = world.outcomes(COUNT + 2).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == ANSWERED).count(), COUNT);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Abandoned).count(), 2);
}

// threat 127, threat 128
#[tokio::test]
async fn an_approval_covers_one_request_whatever_the_version() {
    let world = World::new().await;
    let client = world.bot.speaks_http2("modern.test").await;
    let pay =
        |body: &str| Request::post("https://modern.test/v1/items").body(body.to_owned()).unwrap();
    let held = client.asks(pay("pay 10")).await.unwrap();
    assert_eq!((held.status, held.refusal()), (403, "refused.mandate.needs_approval"));
    world.gives_the_approval().await;
    assert_eq!(client.asks(pay("pay 99")).await.unwrap().status, 403);
    assert_eq!(client.asks(pay("pay 10")).await.unwrap().body, "hello");
    assert_eq!(client.asks(pay("pay 10")).await.unwrap().status, 403);
    let saw = world.upstream_saw();
    assert!(saw.len() == 1 && saw.concat().ends_with("pay 10"), "{saw:?}");
}

#[tokio::test]
async fn a_client_of_http2_that_still_sends_reads_the_refusal() {
    let world = World::new().await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let url = format!("https://{host}/v1/items");
        for (method, code) in [
            ("DELETE", "refused.mandate.nothing_allows"),
            ("POST", "refused.mandate.body_too_large"),
        ] {
            let request = Request::builder().method(method).uri(&url).body("x".repeat(LARGE));
            let answer = client.asks(request.unwrap()).await.unwrap();
            assert_eq!((answer.status, answer.refusal()), (403, code), "{host}");
        }
    }
    is(
        &world.bot.says("modern.test", "DELETE /v1/a", "").await,
        403,
        "refused.mandate.nothing_allows",
    );
    assert_eq!(world.upstream_saw(), [""; 0]);
}
