//! Whoever is slow, silent, greedy or gone takes nothing from the others.

use std::time::Duration;

use marque_domain::{Limits, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::ANSWERED;
use super::agent::{get, whole};
use super::world::{PATIENCE, World, read_head};
use crate::GatewaySettings;

const HOSTS: [&str; 2] = ["private.test", "modern.test"];

fn silent_for(silence: Duration) -> GatewaySettings {
    GatewaySettings { silence, ..GatewaySettings::default() }
}

// threat 93
#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let world = World::with(silent_for(PATIENCE / 20)).await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let head = get(&format!("https://{host}/v1/items"));
        let (answer, mut rest) = client.begins(head, false).await.unwrap();
        rest.send_data("begun".into(), false).unwrap();
        assert!(!matches!(whole(answer).await, Ok(answer) if answer.status == 200), "{host}");
        drop(rest);

        let mut stream = world.bot.speaks_http1(host).await;
        let head = format!("GET /v1/items HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n");
        stream.write_all(format!("{head}begun").as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let _ended = timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{host}");
    }
    let outcomes = world.outcomes(4).await;
    assert!(!outcomes.contains(&ANSWERED), "{outcomes:?}");
}

// threat 93
#[tokio::test]
async fn an_upstream_that_never_answers_is_late() {
    let world = World::with(silent_for(PATIENCE / 20)).await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let answer = client.gets(&format!("https://{host}/v1/never")).await;
        let is_late = matches!(&answer, Ok(answer) if answer.refusal() == "failed.late");
        // The client's own side may fall silent first.
        assert!(is_late || answer.is_err(), "{host}: {answer:?}");
    }
    assert!(!world.outcomes(2).await.contains(&ANSWERED));
}

// threat 93
#[tokio::test]
async fn a_run_that_asks_for_more_at_once_than_its_share_is_told_so() {
    let settings = GatewaySettings { run_connections_max: 3, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    let client = world.bot.speaks_http2("modern.test").await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let (answer, _) = client.begins(get("https://modern.test/slow"), true).await.unwrap();
        slow.push(answer.await.unwrap().into_body());
    }
    for _ in 0..3 {
        let answer = client.gets("https://modern.test/v1/a").await.unwrap();
        assert_eq!((answer.status, answer.refusal()), (503, "failed.crowded"));
    }
    let other = world.opens_a_run(Limits::default()).await;
    let served = other.says("modern.test", "GET /v1/a", "").await;
    assert!(served.ends_with("hello"), "another run has its own share: {served}");
    for body in &mut slow {
        assert!(body.data().await.unwrap().is_ok(), "those under way go on");
    }
    slow.pop();
    let again =
        async { while client.gets("https://modern.test/v1/a").await.unwrap().status != 200 {} };
    timeout(PATIENCE, again).await.unwrap();
}

// threat 93
#[tokio::test]
async fn a_crowd_of_idle_strangers_takes_no_place_from_a_run() {
    let settings = GatewaySettings { strangers_max: 64, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    let client = world.bot.speaks_http2("modern.test").await;
    let mut strangers = Vec::new();
    for number in 0..512 {
        let mut stranger = world.connects().await;
        if number % 2 == 0 {
            stranger.write_all(b"GET http://plain.test/v1/a HTTP/1.1\r\nHost:").await.unwrap();
        }
        strangers.push(stranger);
    }
    assert_eq!(client.gets("https://modern.test/v1/a").await.unwrap().body, "hello");
    assert!(world.asks("GET /v1/a", "", "").await.ends_with("hello"), "and newcomers get in");
}

// threat 93, threat 178
#[tokio::test]
async fn a_kill_ends_an_upload_and_an_answer_that_never_would() {
    for host in HOSTS {
        let world = World::new().await;
        let client = world.bot.speaks_http2(host).await;
        let url = |path| format!("https://{host}{path}");
        let (never, _) = client.begins(get(&url("/v1/never")), true).await.unwrap();
        let (slow, _) = client.begins(get(&url("/slow")), true).await.unwrap();
        let (upload, mut rest) = client.begins(get(&url("/v1/items")), false).await.unwrap();
        rest.send_data("begun".into(), false).unwrap();
        let mut slow = slow.await.unwrap().into_body();
        while world.upstream_saw().len() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        world.kills_the_run().await;
        let cut = async {
            assert!(never.await.is_err() && upload.await.is_err());
            while let Some(data) = slow.data().await {
                if data.is_err() {
                    return;
                }
            }
            panic!("{host}: the answer looks complete");
        };
        timeout(PATIENCE / 10, cut).await.unwrap();
        assert_eq!(world.outcomes(3).await, [Outcome::Cut, Outcome::Cut, Outcome::Cut]);
        world.lines_left_open(0).await;
    }
}

// threat 94
#[tokio::test]
async fn a_stream_that_its_client_breaks_off_is_abandoned_and_the_others_go_on() {
    let world = World::new().await;
    for host in HOSTS {
        let client = world.bot.speaks_http2(host).await;
        let url = format!("https://{host}/slow");
        let (kept, _) = client.begins(get(&url), true).await.unwrap();
        let mut kept = kept.await.unwrap().into_body();
        let (answer, mut rest) = client.begins(get(&url), true).await.unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert!(body.data().await.unwrap().is_ok());
        rest.send_reset(h2::Reason::CANCEL);
        drop(body);
        assert_eq!(world.outcomes(1).await.last(), Some(&Outcome::Abandoned), "{host}");
        assert!(kept.data().await.unwrap().is_ok(), "{host}");
        assert_eq!(client.gets(&format!("https://{host}/v1/a")).await.unwrap().body, "hello");
    }
    let outcomes = world.outcomes(6).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Abandoned).count(), 4);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == ANSWERED).count(), 2);
}

// threat 94
#[tokio::test]
async fn a_client_of_http2_that_goes_away_leaves_an_outcome_for_each_request() {
    let world = World::new().await;
    let client = world.bot.speaks_http2("modern.test").await;
    let (slow, _) = client.begins(get("https://modern.test/slow"), true).await.unwrap();
    slow.await.unwrap();
    let (_never, _) = client.begins(get("https://modern.test/v1/never"), true).await.unwrap();
    while world.upstream_saw().len() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    assert_eq!(world.outcomes(2).await, [Outcome::Abandoned, Outcome::Abandoned]);
}

// threat 94
#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_its_body_leaves_an_outcome() {
    let world = World::new().await;
    for host in HOSTS {
        let mut stream = world.bot.speaks_http1(host).await;
        let head = format!("GET /v1/items HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n");
        stream.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
        assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"begun").await.unwrap();
        drop(stream);
    }
    assert_eq!(world.outcomes(2).await, [Outcome::Abandoned, Outcome::Abandoned]);
}
