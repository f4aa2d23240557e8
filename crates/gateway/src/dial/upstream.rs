//! One connection to an upstream, HTTP/1.1 or HTTP/2 as its TLS agreed.
//!
//! Owns how a request is put in the words of either version. Dropping the last handle closes the
//! socket at once, whatever is under way on it; so does the end of its run.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use marque_domain::{Connection, Endpoint, FactRef, Id, Revised};
use marque_plane::LiveRun;
use marque_wire::http1::{HEAD_MAX_BYTES, ResponseGuard};
use marque_wire::http2::{FrameGuard, SERVER_FRAME_MAX_BYTES};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Dialer, Line, Protocol};
use crate::body::Upload;
use crate::failure::Failure;
use crate::guarded::{Guarded, SharedGuard};
use crate::tracked::Tracked;

/// How long the end of the last answer may take to be noticed before another line is opened.
const READY_TIMEOUT: Duration = Duration::from_secs(1);
/// Room for one head and what follows it.
const BUFFER_MAX_BYTES: usize = 2 * HEAD_MAX_BYTES;
/// Requests that share one line at once.
const SHARED_MAX: usize = 16;
/// Bytes of one answer that may wait here.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of all answers on one line that may wait here: room for each of them, so that a client
/// that does not read holds up nobody else.
const WINDOW_BYTES: u32 = 16 * STREAM_WINDOW_BYTES;
/// Bytes of one request's body that may wait for the upstream.
const SEND_MAX_BYTES: usize = 256 * 1024;

/// How often an upstream is asked whether it is still there while an answer is owed, for writing
/// to a dead line looks like life; and how long it may take to say so.
const ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What an upstream connection may be used for again: one credential on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    connection: Id<Connection>,
    revision: u64,
    credential: Option<FactRef>,
    endpoint: Endpoint,
}

impl Key {
    /// That endpoint, over that revision of a connection, with that revision of its credential.
    pub(crate) fn new(
        connection: &Revised<Connection>,
        credential: Option<FactRef>,
        endpoint: &Endpoint,
    ) -> Self {
        Self {
            connection: connection.fact.id,
            revision: connection.revision,
            credential,
            endpoint: endpoint.clone(),
        }
    }

    /// The endpoint.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its host.
    pub(crate) fn host(&self) -> String {
        self.endpoint.host.clone()
    }
}

/// An open connection to an upstream.
pub(crate) struct Upstream {
    key: Key,
    sender: Sender,
    line: Arc<DropGuard>,
}

enum Sender {
    Http1(http1::SendRequest<Upload>, SharedGuard<ResponseGuard>),
    Http2(http2::SendRequest<Upload>),
}

/// A request that has no answer.
pub(crate) enum Unanswered {
    /// Not a byte of it was written: it may be sent over another line.
    Unsent(Box<Request<Upload>>, Failure),
    /// It may have been read, and so may have had its effect.
    Failed(Failure),
}

impl Upstream {
    /// Speaks HTTP over a line. The task that drives it ends with the last handle, or with the run.
    #[expect(clippy::disallowed_methods, reason = "the line was dialled with its address checked")]
    pub(crate) async fn open(
        dialer: &Dialer,
        (key, run): (Key, Arc<LiveRun>),
        (line, protocol): (Line, Protocol),
    ) -> Result<Self, Failure> {
        let cut = CancellationToken::new();
        let ends = ends_at(cut.clone(), Arc::clone(&run));
        let sender = match protocol {
            Protocol::Http1 => {
                let guarded = Guarded::new(line, ResponseGuard::new(), dialer.silence);
                let guard = guarded.guard();
                let mut builder = http1::Builder::new();
                builder.max_buf_size(BUFFER_MAX_BYTES);
                let opened = builder.handshake(TokioIo::new(guarded)).await;
                let (sender, driver) = opened.map_err(|error| broken(&key, &error))?;
                dialer.drive(driver.with_upgrades(), ends);
                Sender::Http1(sender, guard)
            }
            Protocol::Http2 => {
                let guarded = Guarded::new(line, FrameGuard::of_server(), dialer.silence);
                // The library drives the socket in tasks of its own.
                let guarded = guarded.until(Box::pin(ends_at(cut.clone(), Arc::clone(&run))));
                let opened = http2_builder(dialer).handshake(TokioIo::new(guarded)).await;
                let (sender, driver) = opened.map_err(|error| broken(&key, &error))?;
                dialer.drive(driver, ends);
                Sender::Http2(sender)
            }
        };
        Ok(Self { key, sender, line: Arc::new(cut.drop_guard()) })
    }

    /// What it may be used for.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether as many requests share it as may.
    pub(crate) fn is_full(&self) -> bool {
        // One handle is kept for the next.
        matches!(self.sender, Sender::Http2(_)) && Arc::strong_count(&self.line) > SHARED_MAX
    }

    /// Another handle, where many requests can be under way at once.
    pub(crate) fn share(&self) -> Option<Self> {
        let Sender::Http2(sender) = &self.sender else { return None };
        let sender = Sender::Http2(sender.clone());
        Some(Self { key: self.key.clone(), sender, line: Arc::clone(&self.line) })
    }

    /// Whether both are handles of one line.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.line, &other.line)
    }

    /// Whether the other side has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, _) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Whether it can take another request.
    pub(crate) async fn is_usable(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender, _) => {
                matches!(timeout(READY_TIMEOUT, sender.ready()).await, Ok(Ok(())))
            }
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Sends one request, in origin form and with its `Host`, and waits for the head of its
    /// answer. Never tries twice: a request that may have been read may have had its effect.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Upload>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let sent = match &mut self.sender {
            Sender::Http1(sender, guard) => {
                // Left only in a request for a WebSocket.
                let expected = if request.headers().contains_key(UPGRADE) {
                    guard.lock().expect_switch()
                } else {
                    guard.lock().expect_response(request.method())
                };
                if expected.is_err() {
                    return Err(Unanswered::Failed(Failure::Broken { host: self.key.host() }));
                }
                // Between two neighbours only, and only HTTP/2 may send it on (RFC 9113 §8.2.2).
                request.headers_mut().remove(TE);
                frame_unknown_length(&mut request);
                sender.try_send_request(request).await
            }
            Sender::Http2(sender) => {
                let Some(request) = in_http2(request) else {
                    return Err(Unanswered::Failed(Failure::Broken { host: self.key.host() }));
                };
                sender.try_send_request(request).await
            }
        };
        sent.map_err(|mut error| {
            let unsent = error.take_message();
            let failure = broken(&self.key, error.error());
            match unsent.and_then(in_http1) {
                Some(request) => Unanswered::Unsent(Box::new(request), failure),
                None => Unanswered::Failed(failure),
            }
        })
    }
}

/// The bare socket of a connection that switched to another protocol.
pub(crate) struct Switched {
    /// Still cut after silence.
    pub(crate) io: Guarded<Line, ResponseGuard>,
    /// What was read of the new protocol already.
    pub(crate) ahead: Bytes,
}

impl Upstream {
    /// Takes the socket out of a connection whose answer was 101.
    pub(crate) async fn switched(
        self,
        response: &mut Response<Incoming>,
    ) -> Result<Switched, Failure> {
        let switching = timeout(READY_TIMEOUT, hyper::upgrade::on(response)).await;
        let upgraded = switching.map_err(|_| Failure::Late { host: self.key.host() })?;
        let upgraded = upgraded.map_err(|error| broken(&self.key, &error))?;
        let parts = upgraded.downcast::<TokioIo<Guarded<Line, ResponseGuard>>>();
        let parts = parts.map_err(|_| Failure::Broken { host: self.key.host() })?;
        Ok(Switched { io: parts.io.into_inner(), ahead: parts.read_buf })
    }
}

async fn ends_at(cut: CancellationToken, run: Arc<LiveRun>) {
    tokio::select! {
        () = cut.cancelled() => {}
        () = run.cancelled() => {}
    }
}

fn http2_builder(dialer: &Dialer) -> http2::Builder<Tracked> {
    let mut builder = http2::Builder::new(Tracked::new(&dialer.tasks));
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(ALIVE_INTERVAL)
        .keep_alive_timeout(ALIVE_TIMEOUT)
        .max_frame_size(SERVER_FRAME_MAX_BYTES)
        .max_header_list_size(u32::try_from(HEAD_MAX_BYTES).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_MAX_BYTES);
    builder
}

// Said aloud, because the library sends a GET without the body it has, unless its length is known
// or its framing named (RFC 9112 §6.3).
fn frame_unknown_length(request: &mut Request<Upload>) {
    if request.body().size_hint().exact().is_none() {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// RFC 9113 §8.3.1: the host goes into `:authority`, and there is no `Host`.
fn in_http2(mut request: Request<Upload>) -> Option<Request<Upload>> {
    let host = request.headers_mut().remove(HOST)?;
    request.headers_mut().remove(TRANSFER_ENCODING);
    let path = request.uri().path_and_query()?.clone();
    let uri = Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(host.as_bytes())
        .path_and_query(path)
        .build();
    *request.uri_mut() = uri.ok()?;
    *request.version_mut() = Version::HTTP_2;
    Some(request)
}

/// Undoes [`in_http2`]; leaves what is in origin form as it is.
fn in_http1(mut request: Request<Upload>) -> Option<Request<Upload>> {
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        let path = request.uri().path_and_query()?.clone();
        request.headers_mut().insert(HOST, host);
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = Version::HTTP_11;
    }
    Some(request)
}

fn broken(key: &Key, error: &hyper::Error) -> Failure {
    let host = key.host();
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    tracing::debug!(%host, %error, cause = cause.map(tracing::field::display), "upstream failed");
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => Failure::Late { host },
        _ => Failure::Broken { host },
    }
}
