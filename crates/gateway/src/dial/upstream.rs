//! One HTTP/1.1 connection to an upstream, kept by one client connection.
//!
//! Dropping it closes the socket at once, whatever is under way on it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use marque_domain::{Connection, Endpoint, Id, Revised};
use marque_wire::http1::{HEAD_MAX_BYTES, ResponseGuard};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Dialer, Line};
use crate::body::Upload;
use crate::failure::Failure;
use crate::guarded::{Guarded, SharedGuard};

/// How long the end of the last answer may take to be noticed before another line is opened.
const READY_TIMEOUT: Duration = Duration::from_secs(1);
/// Room for one head and what follows it.
const BUFFER_MAX_BYTES: usize = 2 * HEAD_MAX_BYTES;

/// What an upstream connection may be used for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    connection: Id<Connection>,
    revision: u64,
    endpoint: Endpoint,
}

impl Key {
    /// That endpoint, over that revision of a connection.
    pub(crate) fn new(connection: &Revised<Connection>, endpoint: &Endpoint) -> Self {
        Self {
            connection: connection.fact.id,
            revision: connection.revision,
            endpoint: endpoint.clone(),
        }
    }
}

/// An open connection to an upstream.
pub(crate) struct Upstream {
    key: Key,
    sender: http1::SendRequest<Upload>,
    guard: SharedGuard<ResponseGuard>,
    _line: DropGuard,
}

impl Upstream {
    /// Speaks HTTP over a line. The task that drives it ends with this value.
    #[expect(clippy::disallowed_methods, reason = "the line was dialled with its address checked")]
    pub(crate) async fn open(dialer: &Dialer, key: Key, line: Line) -> Result<Self, Failure> {
        let guarded = Guarded::new(line, ResponseGuard::new(), dialer.silence);
        let guard = guarded.guard();
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_MAX_BYTES);
        let opened = builder.handshake(TokioIo::new(guarded)).await;
        let (sender, driver) = opened.map_err(|error| broken(&key, &error))?;
        let cut = CancellationToken::new();
        let dropped = cut.clone();
        dialer.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = dropped.cancelled() => {}
                // Whoever waits for the answer is told of an error.
                _ended = driver => {}
            }
        });
        Ok(Self { key, sender, guard, _line: cut.drop_guard() })
    }

    /// What it may be used for.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether it can take another request.
    pub(crate) async fn is_usable(&mut self) -> bool {
        matches!(timeout(READY_TIMEOUT, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends one request and waits for the head of its answer. Never tries twice: a request that
    /// may have been read may have had its effect.
    pub(crate) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, Failure> {
        let expected = self.guard.lock().expect_response(request.method());
        expected.map_err(|_| Failure::Broken { host: self.key.endpoint.host.clone() })?;
        let answered = self.sender.send_request(request).await;
        answered.map_err(|error| broken(&self.key, &error))
    }
}

fn broken(key: &Key, error: &hyper::Error) -> Failure {
    let host = key.endpoint.host.clone();
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    tracing::debug!(%host, %error, cause = cause.map(tracing::field::display), "upstream failed");
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => Failure::Late { host },
        _ => Failure::Broken { host },
    }
}
