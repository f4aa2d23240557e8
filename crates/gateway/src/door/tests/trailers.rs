//! Trailers: those of answers are passed on where they are harmless, those of requests never are.

use http::{HeaderMap, HeaderValue, Request};
use marque_domain::Outcome;
use tokio::io::AsyncWriteExt;

use super::agent::whole;
use super::world::{World, read_answer, read_until};
use super::{ANSWERED, is};

fn call(host: &str, path: &str) -> Request<String> {
    let request = Request::get(format!("https://{host}{path}")).header("te", "trailers");
    request.body(String::new()).unwrap()
}

#[tokio::test]
async fn the_status_of_grpc_passes_over_either_version() {
    let world = World::new().await;
    for host in ["private.test", "modern.test"] {
        let client = world.bot.speaks_http2(host).await;
        let answer = client.asks(call(host, "/v1/grpc")).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        assert_eq!(answer.trailers["grpc-status"], "0", "{host}");
        assert_eq!(answer.trailers.len(), 1);
    }
    let saw = world.upstream_saw();
    assert!(saw[1].contains("te: trailers\r\n"), "only HTTP/2 sends it on: {saw:?}");

    let mut stream = world.bot.speaks_http1("private.test").await;
    let fields = "Host: private.test\r\nTE: trailers\r\nConnection: te";
    let request = format!("GET /v1/grpc HTTP/1.1\r\n{fields}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(answer.contains("\r\ntrailer: grpc-status\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n0\r\ngrpc-status: 0\r\n\r\n"), "{answer}");
    assert_eq!(world.outcomes(3).await, [ANSWERED; 3]);
}

// threat 74, from the upstream's side
#[tokio::test]
async fn a_trailer_that_could_route_authenticate_or_mislead_is_not_passed_on() {
    let world = World::new().await;
    let client = world.bot.speaks_http2("modern.test").await;
    let answer = client.asks(call("modern.test", "/v1/evil")).await.unwrap();
    assert_eq!(answer.trailers.keys().collect::<Vec<_>>(), ["grpc-status"]);

    // HTTP/1.1 readers differ on what they do with one, so there it breaks the answer off.
    let client = world.bot.speaks_http2("private.test").await;
    let broken = client.asks(call("private.test", "/v1/evil")).await;
    assert!(!matches!(&broken, Ok(answer) if answer.status == 200), "{broken:?}");
    let plain =
        world.plain("GET /v1/evil").replace("Host:", "TE: trailers\r\nConnection: te\r\nHost:");
    is(&world.says(&plain).await, 502, "failed.upstream");
    let failed = Outcome::Failed { code: "failed.upstream".to_owned() };
    assert_eq!(world.outcomes(3).await, [ANSWERED, failed.clone(), failed]);
}

// threat 74
#[tokio::test]
async fn no_trailer_of_a_request_reaches_the_upstream() {
    let world = World::new().await;
    for host in ["private.test", "modern.test"] {
        let client = world.bot.speaks_http2(host).await;
        let head = Request::get(format!("https://{host}/v1/items")).body(()).unwrap();
        let (answer, mut rest) = client.begins(head, false).await.unwrap();
        rest.send_data("body".into(), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in ["grpc-status", "authorization", "x-trailing"] {
            trailers.insert(name, HeaderValue::from_static("777"));
        }
        rest.send_trailers(trailers).unwrap();
        assert_eq!(whole(answer).await.unwrap().body, "hello");
    }
    for (trailer, status) in [("grpc-status: 777", 200), ("X-Trailing: 777", 400)] {
        let mut stream = world.bot.speaks_http1("private.test").await;
        let head = "GET /v1/items HTTP/1.1\r\nHost: private.test\r\nTransfer-Encoding: chunked";
        let request = format!("{head}\r\n\r\n4\r\nbody\r\n0\r\n{trailer}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        let is_whole = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(is_whole || (status != 200 && answer.is_empty()), "{trailer}: {answer}");
    }
    let saw = world.upstream_saw();
    assert!(!saw.concat().contains("777") && saw.len() >= 3, "{saw:?}");
    is(&world.asks("DELETE /v1/a", "", "").await, 403, "refused.mandate.nothing_allows");
}
