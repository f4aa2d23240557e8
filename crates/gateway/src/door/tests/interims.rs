//! Interim answers (threat 97): a few are harmless, many are an attack, and 100 is ours to say.

use marque_domain::Outcome;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use super::is;
use super::world::{PATIENCE, World, read_answer, read_head};

// threat 97
#[tokio::test]
async fn an_early_hint_is_no_answer_and_does_not_disturb_one() {
    let world = World::new().await;
    for host in ["private.test", "modern.test"] {
        let client = world.bot.speaks_http2(host).await;
        let answer = client.gets(&format!("https://{host}/v1/early")).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "{host}");
        assert!(!answer.headers.contains_key("link"), "{host}");
        let answer = world.bot.says(host, "GET /v1/early", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    }
}

// threat 97
#[tokio::test]
async fn a_flood_of_interim_answers_ends_in_a_failure() {
    let world = World::new().await;
    for host in ["private.test", "modern.test"] {
        let client = world.bot.speaks_http2(host).await;
        let answer = client.gets(&format!("https://{host}/v1/flood")).await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (502, "failed.upstream"), "{host}");
        is(&world.bot.says(host, "GET /v1/flood", "").await, 502, "failed.upstream");
        assert_eq!(client.gets(&format!("https://{host}/v1/a")).await.unwrap().body, "hello");
    }
    let failed = Outcome::Failed { code: "failed.upstream".to_owned() };
    let outcomes = world.outcomes(6).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == failed).count(), 4);
}

// threat 97
#[tokio::test]
async fn a_client_is_told_to_go_on_only_once_its_request_is_allowed() {
    let world = World::new().await;
    for host in ["private.test", "modern.test"] {
        let head = format!("HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue");
        let mut stream = world.bot.speaks_http1(host).await;
        stream.write_all(format!("GET /v1/items {head}\r\n\r\n").as_bytes()).await.unwrap();
        assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"body").await.unwrap();
        assert!(read_answer(&mut stream).await.ends_with("hello"));

        let mut stream = world.bot.speaks_http1(host).await;
        stream.write_all(format!("DELETE /v1/items {head}\r\n\r\n").as_bytes()).await.unwrap();
        is(&read_answer(&mut stream).await, 403, "refused.mandate.nothing_allows");
    }
    let saw = world.upstream_saw();
    assert!(saw.len() == 2 && saw.iter().all(|request| request.ends_with("\r\n\r\nbody")));
    assert!(!saw.concat().contains("expect"), "{saw:?}");
}

// threat 97: a human takes as long as a human takes.
#[tokio::test]
async fn a_client_that_waits_to_go_on_may_be_held_and_come_back() {
    let world = World::new().await;
    let head = "POST /v1/items HTTP/1.1\r\nHost: modern.test\r\nContent-Length: 6";
    let request = format!("{head}\r\nExpect: 100-continue\r\n\r\n");
    for is_given in [false, true] {
        let mut stream = world.bot.speaks_http1("modern.test").await;
        stream.write_all(request.as_bytes()).await.unwrap();
        // What is held is shown whole, so its body is asked for first.
        let go_on = timeout(PATIENCE, read_head(&mut stream)).await.unwrap();
        assert_eq!(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
        sleep(PATIENCE / 50).await;
        stream.write_all(b"pay 10").await.unwrap();
        let answer = read_answer(&mut stream).await;
        if is_given {
            assert!(answer.ends_with("hello"), "{answer}");
        } else {
            is(&answer, 403, "refused.mandate.needs_approval");
            world.gives_the_approval().await;
        }
    }
    assert_eq!(world.upstream_saw().len(), 1);
}
