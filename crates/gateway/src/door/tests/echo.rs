//! What an upstream sends back of what it was given, and what of it the client sees.

mod stage;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_domain::{Answers, Outcome};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::world::PATIENCE;
use crate::packing::{gzip, stored_brotli, zlib, zstd};
use stage::{OTHER, SECRET, Stage, Told, hear};

const URL: &str = "GET http://echo.test/v1/a";
const ANSWERED: Outcome = Outcome::Answered { status: 200 };

fn failed(code: &str) -> Outcome {
    Outcome::Failed { code: code.to_owned() }
}

fn stars() -> String {
    "*".repeat(SECRET.len())
}

/// An answer with more fields and that body, its length told.
fn answer(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An answer whose body comes in chunks of that size.
fn chunked(fields: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut said =
        format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(size) {
        said.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        said.extend_from_slice(chunk);
        said.extend_from_slice(b"\r\n");
    }
    said.extend_from_slice(b"0\r\n\r\n");
    said
}

// threat 81
#[tokio::test]
async fn an_echoed_credential_is_redacted_in_every_spelling_and_lengths_stay_true() {
    let stage = Stage::redacting().await;
    let each = |spelled: fn(u8) -> String| SECRET.bytes().map(spelled).collect::<String>();
    let spellings = [
        SECRET.to_owned(),
        SECRET.to_ascii_uppercase(),
        SECRET.replace('/', "%2F").replace('+', "%2b").replace('"', "%22"),
        each(|byte| format!("%{byte:02x}")),
        SECRET.replace('/', "\\/").replace('"', "\\\""),
        each(|byte| format!("\\u{byte:04x}")),
        STANDARD.encode(SECRET),
        STANDARD.encode(format!("Bearer {SECRET}")),
    ];
    for (index, spelling) in spellings.iter().enumerate() {
        let told = stage.told(answer("", format!("{{\"token\":\"{spelling}\"}}"))).await;
        told.hides();
        assert!(told.is_whole && !told.body.contains(spelling), "{told:?}");
        assert_eq!(told.body.len(), spelling.len() + 12, "{told:?}");
        assert!(told.body.matches('*').count() + 4 >= spelling.len() - 9, "{told:?}");
        assert!(told.body.starts_with("{\"token\":\"") && told.body.ends_with("\"}"), "{told:?}");
        assert_eq!(stage.outcome(index + 1).await, (ANSWERED, 1), "{spelling}");
    }
    assert!(stage.saw_last().contains(&format!("authorization: Bearer {SECRET}\r\n")));
}

// threat 81, threat 79, threat 120
#[tokio::test]
async fn an_echo_in_the_head_is_redacted_wherever_it_stands() {
    let stage = Stage::redacting().await;
    let stars = stars();
    let told = stage.told(answer(&format!("X-Echo: Bearer {SECRET}\r\n"), "hello")).await;
    told.hides().is(200, "hello");
    let whole = "*".repeat("Bearer ".len() + SECRET.len());
    assert_eq!(told.field("x-echo"), Some(whole.as_str()), "what stood in the slot");
    assert_eq!(stage.outcome(1).await, (ANSWERED, 1));

    let name = format!("X-{OTHER}: 1\r\n");
    stage.told_in("GET http://other.test/v1/a", vec![answer(&name, "hello")]).await.hides();
    assert_eq!(stage.outcome(2).await, (ANSWERED, 1), "in the name of a field");

    let refusal = format!("your token {SECRET} has no scope");
    let length = refusal.len();
    let refusal = format!("HTTP/1.1 403 {SECRET}\r\nContent-Length: {length}\r\n\r\n{refusal}");
    let told = stage.told(refusal).await;
    told.hides().is(403, &format!("your token {stars} has no scope"));
    assert_eq!(stage.outcome(3).await, (Outcome::Answered { status: 403 }, 1));

    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: </{SECRET}>\r\n\r\n");
    stage.told([hints.as_bytes(), &answer("", "hello")].concat()).await.hides().is(200, "hello");

    let query = SECRET.replace('"', "%22");
    let moved = format!(
        "HTTP/1.1 307 Moved\r\nLocation: https://elsewhere.test/?access_token={query}&a=1\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let told = stage.told(moved).await;
    told.hides().is(307, "");
    let location = told.field("location").unwrap();
    let asterisks = "*".repeat(query.len());
    assert_eq!(location, format!("https://elsewhere.test/?access_token={asterisks}&a=1"));
    let moved = "HTTP/1.1 302 Found\r\nLocation: /v1/b?a=1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(stage.told(moved).await.is(302, "").field("location"), Some("/v1/b?a=1"));
}

// threat 81
#[tokio::test]
async fn a_packed_echo_is_found_and_passed_on_unpacked() {
    let stage = Stage::redacting().await;
    let text = format!("{{\"token\":\"{SECRET}\"}}").repeat(40);
    let expected = text.replace(SECRET, &stars());
    let codings = [
        ("gzip", gzip(text.as_bytes())),
        ("deflate", zlib(text.as_bytes())),
        ("br", stored_brotli(text.as_bytes())),
        ("zstd", zstd(text.as_bytes(), 20)),
        ("gzip, br", stored_brotli(&gzip(text.as_bytes()))),
    ];
    for (index, (coding, packed)) in codings.iter().enumerate() {
        let fields = format!("Content-Encoding: {coding}\r\nContent-MD5: x\r\n");
        let said = if index % 2 == 0 {
            answer(&fields, packed)
        } else {
            chunked(&fields, packed, packed.len())
        };
        let told = stage.told(said).await;
        told.hides().is(200, &expected);
        assert_eq!((told.field("content-encoding"), told.field("content-md5")), (None, None));
        assert_eq!(stage.outcome(index + 1).await, (ANSWERED, 40), "{coding}");
    }
}

// threat 81
#[tokio::test]
async fn an_echo_that_is_split_over_chunks_and_segments_is_found() {
    let stage = Stage::redacting().await;
    let text = format!("before {SECRET} after");
    // The first three bytes may pass on while nothing follows.
    let redacted = |told: &Told| {
        told.hides().is(200, &told.body);
        let rest = "*".repeat(SECRET.len() - 3);
        assert_eq!(told.body.len(), text.len(), "{told:?}");
        assert!(told.body.ends_with(&format!("{rest} after")), "{told:?}");
    };
    for size in [1, 2, 7, 11, 30] {
        redacted(&stage.told(chunked("", text.as_bytes(), size)).await);
    }
    let whole = answer("", &text);
    for at in [1, 3, 9, 20, 25] {
        let (one, other) = whole.split_at(whole.len() - SECRET.len() - 6 + at);
        let told = stage.told_in(URL, vec![one.to_vec(), other.to_vec()]).await;
        redacted(&told);
    }
    // The beginning of one, and then the end.
    let told = stage.told(answer("", format!("{SECRET} {}", &SECRET[..9]))).await;
    told.hides().is(200, &format!("{} {}", stars(), &SECRET[..9]));
    let extension = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a={OTHER}");
    stage.told(format!("{extension}\r\nhello\r\n0\r\n\r\n")).await.hides();
}

// threat 81, threat 74
#[tokio::test]
async fn an_echo_in_a_trailer_is_redacted() {
    let stage = Stage::redacting().await;
    let said = format!(
        "HTTP/1.1 200 OK\r\nTrailer: grpc-message\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\ngrpc-message: no {SECRET}\r\n\r\n"
    );
    let asking = format!("{URL}\nTE: trailers\r\n");
    let told = stage.told_in(&asking, vec![said.into_bytes()]).await;
    told.hides();
    assert!(told.is_whole, "{told:?}");
    assert_eq!(told.body, format!("hellogrpc-message: no {}\r\n", stars()));
    assert_eq!(stage.outcome(1).await, (ANSWERED, 1));
}

// threat 81
#[tokio::test]
async fn where_a_connection_cuts_an_echo_in_the_head_becomes_a_502() {
    let stage = Stage::cutting().await;
    let told = stage.told(answer(&format!("X-Echo: {SECRET}\r\n"), "hello")).await;
    told.hides();
    assert!(told.head.starts_with("HTTP/1.1 502 "), "{told:?}");
    assert_eq!(told.field("marque-refusal"), Some("failed.echo"));
    assert!(told.body.contains("\nhint: ") && !told.body.contains("hello"), "{told:?}");
    assert_eq!(stage.outcome(1).await, (failed("failed.echo"), 1));
}

// threat 81
#[tokio::test]
async fn where_a_connection_cuts_an_echo_in_the_body_breaks_the_answer_off() {
    let stage = Stage::cutting().await;
    let text = format!("before {SECRET} after");
    let asking = format!("{URL}\nTE: trailers\r\n");
    let trailer = format!(
        "HTTP/1.1 200 OK\r\nTrailer: grpc-message\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\ngrpc-message: {SECRET}\r\n\r\n"
    );
    let answers = [
        answer("", &text),
        chunked("", text.as_bytes(), 3),
        answer("Content-Encoding: gzip\r\n", gzip(text.as_bytes())),
        trailer.into_bytes(),
    ];
    for (index, said) in answers.into_iter().enumerate() {
        let told = stage.told_in(&asking, vec![said]).await;
        told.hides();
        assert!(!told.is_whole && !told.body.contains("after"), "{told:?}");
        assert_eq!(stage.outcome(index + 1).await, (failed("failed.echo"), 1));
    }
    stage.told(answer("", "hello")).await.is(200, "hello");
}

// threat 81, fails closed
#[tokio::test]
async fn what_cannot_be_unpacked_is_not_passed_on() {
    let stage = Stage::redacting().await;
    let packed = gzip(SECRET.repeat(9).as_bytes());
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\n\
                Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";
    let heads = [answer("Content-Encoding: compress\r\n", "hello"), part.as_bytes().to_vec()];
    for (index, said) in heads.into_iter().enumerate() {
        let told = stage.told(said).await;
        assert!(told.head.starts_with("HTTP/1.1 502 "), "{told:?}");
        assert_eq!(told.field("marque-refusal"), Some("failed.packed"));
        assert_eq!(stage.outcome(index + 1).await, (failed("failed.packed"), 0));
    }
    let short = packed[..packed.len() - 4].to_vec();
    for (index, body) in [short, b"no gzip".to_vec()].into_iter().enumerate() {
        let told = stage.told(answer("Content-Encoding: gzip\r\n", body)).await;
        told.hides();
        assert!(!told.is_whole, "{told:?}");
        assert_eq!(stage.outcome(index + 3).await.0, failed("failed.packed"));
    }
    for (asked, sent) in [
        ("zstd, compress, gzip;q=0.5, *", "zstd, gzip;q=0.5"),
        ("aes128gcm", "identity"),
        ("gzip\r\nRange: bytes=0-4", "identity"),
    ] {
        let asking = format!("{URL}\nAccept-Encoding: {asked}\r\n");
        stage.told_in(&asking, vec![answer("", "hello")]).await.is(200, "hello");
        assert!(stage.saw_last().contains(&format!("accept-encoding: {sent}\r\n")), "{asked}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_keeps_what_its_fields_say_of_one() {
    let stage = Stage::redacting().await;
    let fields = "Content-Encoding: gzip\r\nContent-Length: 512\r\n\r\n";
    let head = format!("HTTP/1.1 200 OK\r\n{fields}").into_bytes();
    let told = stage.told_in("HEAD http://echo.test/v1/a", vec![head]).await;
    let same = stage.told(format!("HTTP/1.1 304 Not Modified\r\n{fields}")).await;
    assert_eq!(told.field("content-length"), Some("512"), "{told:?}");
    for told in [told, same] {
        assert_eq!(told.field("content-encoding"), Some("gzip"), "{told:?}");
        assert_eq!(told.body, "");
    }
    assert_eq!(stage.outcome(2).await, (Outcome::Answered { status: 304 }, 0));
    stage.told(answer("Content-Encoding: gzip\r\n", "")).await.is(200, "");
}

// threat 80
#[tokio::test]
async fn fields_of_the_credentials_owner_reach_a_run_only_where_its_connection_says_so() {
    let fields = "Set-Cookie: session=1\r\nWWW-Authenticate: Bearer\r\nRefresh: 0;url=/b\r\n\
                  Link: </b>; rel=next\r\n";
    let stage = Stage::redacting().await;
    let told = stage.told(answer(fields, "hello")).await;
    for name in ["set-cookie", "www-authenticate", "refresh"] {
        assert_eq!(told.field(name), None);
    }
    assert_eq!(told.field("link"), Some("</b>; rel=next"));

    let passes = ["set-cookie".to_owned()].into();
    let stage = Stage::new(Answers { passes, ..Answers::default() }).await;
    let told = stage.told(answer(fields, "hello")).await;
    assert_eq!(told.field("set-cookie"), Some("session=1"));
    assert_eq!((told.field("www-authenticate"), told.field("refresh")), (None, None));
}

// threat 81
#[tokio::test]
async fn what_was_injected_over_another_connection_of_the_run_is_found_too() {
    let mut stage = Stage::redacting().await;
    let both = answer("", format!("{SECRET} {OTHER}"));
    let stars = stars();
    let told = stage.told(both.clone()).await;
    told.is(200, &format!("{stars} {OTHER}"));
    let other = "GET http://other.test/v1/a";
    let told = stage.told_in(other, vec![both.clone()]).await;
    told.hides().is(200, &format!("{stars} {}", "*".repeat(OTHER.len())));
    assert_eq!(stage.outcome(2).await, (ANSWERED, 2));

    // What another run was given is not searched for: nothing of it was injected here.
    stage.opens_another_run().await;
    let told = stage.told_in(other, vec![both]).await;
    told.is(200, &format!("{SECRET} {}", "*".repeat(OTHER.len())));
}

// threat 119
#[tokio::test]
async fn a_batch_is_read_whatever_its_packing_and_one_that_cannot_be_read_fails_as_such() {
    let stage = Stage::redacting().await;
    let oid = "a".repeat(64);
    let asking = "POST http://code.test/acme/web.git/info/lfs/objects/batch\n\
                  Content-Type: application/vnd.git-lfs+json\r\n\
                  Accept: application/vnd.git-lfs+json\r\n";
    let object = format!("\"oid\":\"{oid}\",\"size\":1");
    let body = format!("{{\"operation\":\"download\",\"objects\":[{{{object}}}]}}");
    let action = "\"href\":\"https://store.test/a\",\"header\":{\"Authorization\":\"Basic eA==\"}";
    let batch = format!("{{\"objects\":[{{{object},\"actions\":{{\"download\":{{{action}}}}}}}]}}");
    stage.says(vec![answer("Content-Encoding: gzip\r\n", gzip(batch.as_bytes()))], None);
    let told = hear(&mut stage.sends(asking, &body).await).await;
    assert!(told.is_whole && told.body.contains("https://store.test/a"), "{told:?}");
    assert!(!told.body.contains("Basic eA=="), "{told:?}");
    assert_eq!(stage.outcome(1).await, (ANSWERED, 0));

    stage.says(vec![answer("", "no batch")], None);
    let told = hear(&mut stage.sends(asking, &body).await).await;
    assert!(told.head.starts_with("HTTP/1.1 502 "), "{told:?}");
    assert_eq!(told.field("marque-refusal"), Some("failed.answer"));
    assert_eq!(stage.outcome(2).await, (failed("failed.answer"), 0));
}

// threat 82
#[tokio::test]
async fn no_text_in_a_request_is_replaced_by_a_credential() {
    let stage = Stage::redacting().await;
    stage.says(vec![answer("", "hello")], None);
    for placeholder in ["{{secret}}", "$TOKEN", "__MARQUE_SECRET__", "ghp_PLACEHOLDER"] {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{placeholder}\"\
             \r\n\r\n{placeholder}\r\n--b--\r\n"
        );
        let escaped = placeholder.replace('{', "%7B").replace('}', "%7D");
        let asking = format!(
            "POST http://echo.test/v1/{escaped}?token={escaped}\nX-Token: {placeholder}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n"
        );
        let mut stream = stage.sends(&asking, &body).await;
        hear(&mut stream).await.is(200, "hello");
        let saw = stage.saw_last();
        let target = format!("POST /v1/{escaped}?token={escaped} HTTP/1.1\r\n");
        assert!(saw.starts_with(&target), "{saw}");
        assert!(saw.contains(&format!("x-token: {placeholder}\r\n")), "{saw}");
        assert!(saw.ends_with(&format!("\r\n\r\n{body}")), "{saw}");
        assert_eq!(saw.matches(SECRET).count(), 1, "only in its slot: {saw}");
    }
}

#[tokio::test]
async fn events_are_not_delayed_and_an_echo_in_one_is_redacted() {
    let stage = Stage::redacting().await;
    let gate = Arc::new(Semaphore::new(1));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let secret = format!("data: {SECRET}\n\n");
    let events = ["data: one\n\n", "data: 100% \\n\n\n", &secret, "data: [DONE]\n\n"];
    let mut pieces = vec![head.as_bytes().to_vec()];
    pieces.extend(events.map(|event| format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()));
    stage.says(pieces, Some(Arc::clone(&gate)));
    let mut stream = stage.sends(URL, "").await;
    let mut raw = Vec::new();
    for event in events {
        gate.add_permits(1);
        let event = event.replace(SECRET, &stars());
        let heard = async {
            while !String::from_utf8_lossy(&raw).contains(&event) {
                assert_ne!(stream.read_buf(&mut raw).await.unwrap(), 0);
            }
        };
        // The next one is not sent before this one has arrived.
        timeout(PATIENCE, heard).await.unwrap();
    }
    assert!(!String::from_utf8_lossy(&raw).contains(SECRET));
    drop(stream);
    assert_eq!(stage.outcome(1).await, (Outcome::Abandoned, 1), "what was found is told");
}

// threat 92
#[tokio::test]
async fn an_answer_that_is_slow_to_search_lets_others_have_their_turn() {
    let stage = Stage::redacting().await;
    let escapes = "\\u005c%5c".repeat(2 * 1024 * 1024 / 9);
    let packed = gzip(escapes.as_bytes());
    stage.says(vec![answer("Content-Encoding: gzip\r\n", &packed)], None);
    let mut stream = stage.sends(URL, "").await;
    let (mut turns, mut hearing) = (0, std::pin::pin!(hear(&mut stream)));
    let told = loop {
        tokio::select! {
            told = &mut hearing => break told,
            () = tokio::time::sleep(Duration::from_millis(1)) => turns += 1,
        }
    };
    assert_eq!((told.is_whole, told.body.len()), (true, escapes.len()));
    assert!(turns >= 3, "this task had {turns} turns meanwhile");
}
