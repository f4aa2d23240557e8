//! The API of the demonstration: JSON over TLS, behind a bearer token.
//!
//! A process of its own that knows nothing of Marque. Takes its token from the first line of
//! standard input, and leaves when that ends.

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
use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::{Secret, SystemRandom, random};
use marque_plane::Clock as _;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::journal::{Journal, Line};
use crate::clock::SystemClock;
use crate::output::Output;

/// The name it is reached by; nobody resolves it.
pub(super) const HOST: &str = "api.demo.test";
/// Between two lines of the slow stream.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Lines of the slow stream, unless asked for fewer: half a minute of them.
const LINES: u32 = 1_500;
const LIFETIME: Duration = Duration::from_secs(60 * 60);
const BODY_MAX_BYTES: usize = 64 * 1024;
/// Connections served at once.
const CONNECTIONS: usize = 32;

/// Serves until standard input ends. Prints where it listens.
pub(crate) async fn run(authority: &Path, log: &Path) -> anyhow::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut token = String::new();
    input.read_line(&mut token).await?;
    let token = format!("Bearer {}", token.trim_end());
    let api = Arc::new(Api { token: Secret::from_string(token), journal: Journal::create(log)? });
    let acceptor = TlsAcceptor::from(Arc::new(certified(authority)?));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Output::bytes(format!("{}\n", listener.local_addr()?).as_bytes())?;
    let connections = TaskTracker::new();
    let mut rest = Vec::new();
    tokio::select! {
        served = accept(&listener, &acceptor, &api, &connections) => served,
        ended = input.read_to_end(&mut rest) => Ok(ended.map(drop)?),
    }
}

async fn accept(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    api: &Arc<Api>,
    connections: &TaskTracker,
) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        if connections.len() < CONNECTIONS {
            connections.spawn(serve(acceptor.clone(), stream, Arc::clone(api)));
        }
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, api: Arc<Api>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let answer = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { api.answer(request).await }
    });
    // A client that breaks off is none of our business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// A certificate for [`HOST`] from an authority of its own, whose certificate goes to a file.
fn certified(authority_file: &Path) -> anyhow::Result<ServerConfig> {
    let now = SystemClock::start().now();
    let authority = InterceptAuthority::create("demo-api", now, LIFETIME)?;
    std::fs::write(authority_file, authority.ca_pem())?;
    let leaf = authority.leaf(HOST, now)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(leaf.chain().to_vec(), PrivateKeyDer::Pkcs8(leaf.expose_key()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
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
    let mut reply = Response::new(Full::new(Bytes::from(format!("{document}\n"))).boxed());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
