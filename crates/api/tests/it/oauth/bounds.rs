//! Who is slow, large or often, and who is answered meanwhile.

use std::time::Duration;

use marque_api::EdgeLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::served::{Edge, exchange};

/// Generous: machines are busy.
const PATIENCE: Duration = Duration::from_secs(30);

// threats 159, 162
#[tokio::test]
async fn a_head_or_a_body_that_never_comes_is_given_up() {
    let edge = Edge::new().await;
    let head = "POST /oauth/token HTTP/1.1\r\nhost: id.test\r\n";
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\na";
    let mut slow = Vec::new();
    for text in [String::new(), head.to_owned(), format!("{head}{form}")] {
        let mut stream = edge.connects().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Nobody waits for them.
    edge.posts("/oauth/token", "", "grant_type=x").await.is_refused(400, "unsupported_grant_type");
    let mut told = Vec::new();
    for mut stream in slow {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.expect("a slow client is waited for without end").unwrap();
        told.push(String::from_utf8(bytes).unwrap());
    }
    assert!(told[2].starts_with("HTTP/1.1 408 "), "{told:?}");
    edge.ends().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let edge = Edge::new().await;
    let head = "POST /oauth/token HTTP/1.1\r\nhost: id.test\r\n\
                content-type: application/x-www-form-urlencoded\r\n";
    let announced = format!("{head}content-length: 1000000000\r\n\r\n");
    let answer = tokio::time::timeout(PATIENCE, edge.sends(&announced)).await.unwrap();
    answer.is_refused(413, "invalid_request");
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(4));
    edge.sends(&chunked).await.is_refused(413, "invalid_request");
    edge.ends().await;
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_to_wait() {
    let limits = EdgeLimits {
        rate_of_address: 20,
        rate_of_client: 5,
        spares_loopback: false,
        ..EdgeLimits::default()
    };
    let edge = Edge::with(limits, None).await;
    // The clock of the plane stands still, so no time passes between them.
    for _ in 0..10 {
        let answer = edge.posts("/oauth/introspect", "", "token=x&client_id=one").await;
        answer.is_refused(401, "invalid_client");
    }
    let often = edge.posts("/oauth/introspect", "", "token=x&client_id=one").await;
    often.is_refused(429, "slow_down");
    assert_eq!(often.field("retry-after"), Some("1"));
    let other = edge.posts("/oauth/introspect", "", "token=x&client_id=two").await;
    other.is_refused(401, "invalid_client");
    let mut answers = Vec::new();
    for number in 0..40 {
        let form = format!("token=x&client_id=client-{number}");
        answers.push(edge.posts("/oauth/introspect", "", &form).await.status);
    }
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 40 - 12, "{answers:?}");
    edge.plane.clock().advance(Duration::from_secs(3));
    edge.posts("/oauth/introspect", "", "token=x&client_id=one")
        .await
        .is_refused(401, "invalid_client");
    edge.ends().await;
}

// threat 162
#[tokio::test]
async fn one_address_does_not_take_every_connection() {
    let limits =
        EdgeLimits { connections_of_address: 4, spares_loopback: false, ..EdgeLimits::default() };
    let edge = Edge::with(limits, None).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(edge.connects().await);
    }
    let mut fifth = edge.connects().await;
    let mut bytes = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, fifth.read_to_end(&mut bytes)).await;
    assert!(closed.is_ok() && bytes.is_empty(), "it must be closed without a word");
    open.pop();
    let request = super::served::post("/oauth/token", "", "grant_type=x");
    // The server learns a moment later that one left.
    loop {
        let mut stream = edge.connects().await;
        let mut first = [0];
        stream.write_all(request.as_bytes()).await.unwrap();
        if matches!(stream.read(&mut first).await, Ok(1)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(open);
    edge.ends().await;
}

#[tokio::test]
async fn one_connection_answers_one_request_after_another() {
    let edge = Edge::new().await;
    let one = "POST /oauth/token HTTP/1.1\r\nhost: id.test\r\n\
               content-type: application/x-www-form-urlencoded\r\ncontent-length: 12\r\n\r\n\
               grant_type=x";
    let last = super::served::post("/oauth/token", "", "grant_type=x");
    let answer = exchange(edge.connects().await, &format!("{one}{one}{last}")).await;
    let whole = format!("{}{}", answer.head, answer.body);
    assert_eq!(whole.matches("unsupported_grant_type").count(), 3, "{whole}");
    edge.ends().await;
}
