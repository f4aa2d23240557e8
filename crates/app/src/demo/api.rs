//! The API of the demonstration: JSON over TLS, behind a bearer token.
//!
//! A process of its own that knows nothing of Marque.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use marque_crypto::hash::sha256;
use marque_crypto::{Secret, SystemRandom, random};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::journal::{Journal, Line};
use super::listen::{Input, certified, until_the_end};
use super::tools::answers;

/// The name it is reached by; nobody resolves it.
pub(super) const HOST: &str = "api.demo.test";
/// Between two lines of the slow stream.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Lines of the slow stream, unless asked for fewer: half a minute of them.
const LINES: u32 = 1_500;
const BODY_MAX_BYTES: usize = 64 * 1024;

/// Serves until standard input ends. Prints where it listens.
pub(crate) async fn run(authority: &Path, log: &Path) -> anyhow::Result<()> {
    let mut input = Input::open();
    let token = format!("Bearer {}", input.token().await?);
    let api = Arc::new(Api { token: Secret::from_string(token), journal: Journal::create(log)? });
    let acceptor = certified(HOST, authority, &[b"http/1.1"])?;
    until_the_end(input, acceptor, move |stream| serve(stream, Arc::clone(&api))).await
}

async fn serve(stream: TlsStream<TcpStream>, api: Arc<Api>) {
    let answer = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { api.answer(request).await }
    });
    // A client that breaks off is none of our business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

struct Api {
    /// The whole value of the right `authorization`.
    token: Secret,
    journal: Journal,
}

type Reply = Response<BoxBody<Bytes, Infallible>>;

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> anyhow::Result<Reply> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_MAX_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error)).context("reading a body")?;
        let credential = presented(&head.headers);
        let line = Line {
            nonce: hex(&random::bytes::<8>(&SystemRandom)),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            credential: credential.map(sha256),
            is_right: credential.is_some_and(|presented| self.token.matches(presented)),
            body: sha256(&body.to_bytes()),
        };
        // ORDER: written down before it is answered, so that no answer lacks its line.
        self.journal.write(&line)?;
        if !line.is_right {
            let mut reply = document(StatusCode::UNAUTHORIZED, &json!({ "error": "who are you?" }));
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Ok(reply);
        }
        Ok(route(&head.method, &line))
    }
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)
}

fn route(method: &Method, line: &Line) -> Reply {
    let nonce = &line.nonce;
    let path: Vec<&str> = line.path.split('/').skip(1).collect();
    match (method.as_str(), path.as_slice()) {
        ("GET", ["v1", "items"]) => {
            document(StatusCode::OK, &json!({ "items": ["printer", "projector"], "nonce": nonce }))
        }
        ("GET", ["v1", "items", id]) => {
            document(StatusCode::OK, &json!({ "item": id, "nonce": nonce }))
        }
        ("POST", ["v1", "items" | "orders"]) => {
            document(StatusCode::CREATED, &json!({ "stored": true, "nonce": nonce }))
        }
        ("DELETE", ["v1", "items", id]) => {
            document(StatusCode::OK, &json!({ "deleted": id, "nonce": nonce }))
        }
        ("GET", ["v1", "tools", tool, rest @ ..]) => match answers::answer(tool, rest, nonce) {
            Some((kind, body)) => of_type(StatusCode::OK, kind, body),
            None => of_type(StatusCode::NOT_FOUND, "text/plain", String::new()),
        },
        ("GET", ["v1", "slow"]) => slow(line.query.as_deref()),
        _ => document(StatusCode::NOT_FOUND, &json!({ "error": "no such thing", "nonce": nonce })),
    }
}

/// One line after another, with a pause between them; `lines=N` asks for N.
fn slow(query: Option<&str>) -> Reply {
    let wanted = query.and_then(|query| query.strip_prefix("lines="));
    let lines =
        wanted.and_then(|lines| lines.parse().ok()).map_or(LINES, |lines: u32| lines.min(LINES));
    let body = stream::unfold(0, move |sent| async move {
        if sent == lines {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
        let frame = Frame::data(Bytes::from(format!("line {sent}\n")));
        Some((Ok(frame), sent + 1))
    });
    let mut reply = Response::new(StreamBody::new(body).boxed());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    reply
}

fn document(status: StatusCode, document: &Value) -> Reply {
    of_type(status, "application/json", format!("{document}\n"))
}

fn of_type(status: StatusCode, kind: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)).boxed());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
