//! Bytes that a run may move: told before where they are announced, cut in the middle where not.

use http::Request;
use marque_domain::{Limits, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::agent::Agent;
use super::is;
use super::upstream::LARGE;
use super::world::{PATIENCE, World, read_answer, read_head};

const HOSTS: [&str; 2] = ["private.test", "modern.test"];
const SPENT: &str = "refused.limits.bytes_spent";

async fn bounded(world: &World) -> Agent {
    let bytes = Some(LARGE as u64 / 3);
    world.opens_a_run(Limits { bytes, ..Limits::default() }).await
}

fn spent() -> Outcome {
    Outcome::Failed { code: "failed.bytes".to_owned() }
}

#[tokio::test]
async fn an_answer_longer_than_what_is_left_is_cut_in_the_middle() {
    let world = World::new().await;
    for host in HOSTS {
        let agent = bounded(&world).await;
        let client = agent.speaks_http2(host).await;
        assert!(client.gets(&format!("https://{host}/v1/large")).await.is_err(), "{host}");
        assert_eq!(world.outcomes_of(&agent, 1).await, [spent()]);

        let agent = bounded(&world).await;
        let mut stream = agent.speaks_http1(host).await;
        let request = format!("GET /v1/large HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
        let mut read = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut read)).await.unwrap();
        assert!(ended.is_err(), "{host}: the connection is reset");
        assert!(read.len() <= LARGE / 3, "{host}: {} bytes came", read.len());
        assert_eq!(world.outcomes_of(&agent, 1).await, [spent()]);
    }
}

#[tokio::test]
async fn an_upload_that_announces_more_than_is_left_is_refused() {
    let world = World::new().await;
    let body = "x".repeat(LARGE);
    for host in HOSTS {
        let agent = bounded(&world).await;
        let client = agent.speaks_http2(host).await;
        let request = Request::get(format!("https://{host}/v1/items"));
        let request = request.header("content-length", LARGE).body(body.clone()).unwrap();
        let answer = client.asks(request).await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (429, SPENT), "{host}");

        let mut stream = agent.speaks_http1(host).await;
        let head = format!("HTTP/1.1\r\nHost: {host}\r\nContent-Length: {LARGE}");
        stream.write_all(format!("GET /v1/items {head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        is(&read_answer(&mut stream).await, 429, SPENT);
        assert_eq!(client.gets(&format!("https://{host}/v1/a")).await.unwrap().body, "hello");
    }
    assert_eq!(world.upstream_saw().len(), 2);
}

#[tokio::test]
async fn an_upload_that_does_not_say_how_long_it_is_ends_where_nothing_is_left() {
    let world = World::new().await;
    let body = "x".repeat(LARGE);
    for host in HOSTS {
        let agent = bounded(&world).await;
        let client = agent.speaks_http2(host).await;
        let request = Request::get(format!("https://{host}/v1/items")).body(body.clone()).unwrap();
        let answer = client.asks(request).await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (429, SPENT), "{host}");
        assert_eq!(world.outcomes_of(&agent, 1).await, [spent()]);

        let agent = bounded(&world).await;
        let mut stream = agent.speaks_http1(host).await;
        let head = format!("HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked");
        let request = format!("GET /v1/items {head}\r\n\r\n{LARGE:x}\r\n{body}\r\n0\r\n\r\n");
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let (_sent, answer) =
            tokio::join!(writer.write_all(request.as_bytes()), read_answer(&mut reader));
        is(&answer, 429, SPENT);
        assert_eq!(world.outcomes_of(&agent, 1).await, [spent()]);
    }
    let whole = |request: &String| request.matches('x').count() >= LARGE;
    assert!(!world.upstream_saw().iter().any(whole));
}
