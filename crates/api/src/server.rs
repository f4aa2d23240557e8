//! The socket and what listens on it: bounded connections, checked peers, a graceful end.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use marque_domain::{Id, Run};
use marque_plane::Plane;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::control::Through;
use crate::gate;
use crate::handlers::status;
use crate::metrics::Metrics;
use crate::peer::Pinned;
use crate::places::{Place, Places, Room, Side};
use crate::problem::Problem;
use crate::routes;
use crate::shared::Shared;

/// Connections at once. Held runs take one each; what else they take leaves some for humans.
const CONNECTIONS: Room = Room { outside: 1_536, inside: 512, of_one_run: 128 };
/// Launchers that hand over doors at once.
const LAUNCHERS: Room = Room { outside: 64, inside: 32, of_one_run: 8 };
/// Connections at once to the metrics.
const METRICS_CONNECTIONS: usize = 16;
/// How long a head may take, and how long a connection may idle between requests (threat 162).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_MAX_BYTES: usize = 32 * 1024;
const HEAD_MAX_FIELDS: usize = 64;
/// How long the end waits for requests that are being answered.
const DRAIN: Duration = Duration::from_secs(5);

/// Takes the socket at `path`, readable and writable by its owner alone (0600).
///
/// A socket that lies there is removed: whoever holds the store's lock is the only server, so its
/// owner is gone. Anything else that lies there is not touched.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // The directory is 0700, so nobody else reaches the socket before its mode is set.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The admin API of one plane.
#[derive(Clone)]
pub struct Api {
    pub(crate) shared: Shared,
    connections: Arc<Places>,
    pub(crate) launchers: Arc<Places>,
    metrics_connections: Arc<Semaphore>,
}

impl Api {
    /// Not serving yet. Cancelling `shutdown` ends it.
    pub fn new(plane: Plane, metrics: Metrics, shutdown: CancellationToken) -> Self {
        Self {
            shared: Shared::new(plane, metrics, shutdown),
            connections: Arc::new(Places::new(CONNECTIONS)),
            launchers: Arc::new(Places::new(LAUNCHERS)),
            metrics_connections: Arc::new(Semaphore::new(METRICS_CONNECTIONS)),
        }
    }

    /// From here on `/readyz` says that the server is on its way out; everything else is answered.
    pub fn leave(&self) {
        self.shared.leaving.cancel();
    }

    /// How long no request has been open. A held run is an open request.
    pub fn idle(&self) -> Duration {
        self.shared.activity.idle(&self.shared.plane)
    }

    /// Serves until the shutdown, then lets open requests end, for at most 5 seconds.
    pub async fn serve(&self, listener: UnixListener) {
        let router = self.router();
        while let Some(stream) = self.next(|| listener.accept()).await {
            if let Some((peer, place)) = self.welcome(&stream, &self.connections) {
                let origin = Origin { peer: Arc::new(peer), through: None };
                self.connection(stream, router.clone(), Some(origin), place);
            }
        }
        self.shared.tasks.close();
        if tokio::time::timeout(DRAIN, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("requests were still open when the server stopped");
        }
    }

    /// Serves `/metrics`, `/healthz` and `/readyz` to whoever can reach the address.
    pub async fn serve_metrics(&self, listener: TcpListener) {
        let router = Router::new()
            .route("/healthz", get(status::healthz))
            .route("/readyz", get(status::readyz))
            .route("/metrics", get(status::metrics))
            .with_state(self.shared.clone());
        while let Some(stream) = self.next(|| listener.accept()).await {
            if let Ok(place) = Arc::clone(&self.metrics_connections).try_acquire_owned() {
                self.connection(stream, router.clone(), None, place);
            }
        }
    }

    /// Every route, with what stands before it.
    pub(crate) fn router(&self) -> Router {
        routes::router()
            .fallback(|| async { no_such_route() })
            .method_not_allowed_fallback(|| async { no_such_method() })
            .layer(from_fn_with_state(self.shared.clone(), gate::around))
            .with_state(self.shared.clone())
    }

    /// The next connection; none once the server stops.
    pub(crate) async fn next<S, A, F>(&self, mut accept: impl FnMut() -> F) -> Option<S>
    where
        F: Future<Output = io::Result<(S, A)>>,
    {
        loop {
            let accepted = tokio::select! {
                () = self.shared.shutdown.cancelled() => return None,
                accepted = accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => return Some(stream),
                Err(error) => {
                    // Out of descriptors, most likely: wait for some to be closed.
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// The peer and its place, if it runs under our own user or as root. Others cannot reach the
    /// directory anyway.
    // ORDER: never waits, so that whoever is sent away holds up nobody behind them.
    pub(crate) fn welcome(&self, stream: &UnixStream, places: &Places) -> Option<(Pinned, Place)> {
        let peer = ours(stream)?;
        let seen = peer.observe();
        let side = seen.map_or(Side::Unknown, |seen| Side::of(&self.shared.plane, &seen));
        Some((peer, place(places, side)?))
    }

    /// The same of whoever came in through a run's own socket: a place among those of that run.
    pub(crate) fn receive(&self, stream: &UnixStream, run: Id<Run>) -> Option<(Pinned, Place)> {
        Some((ours(stream)?, place(&self.connections, Side::Inside(run))?))
    }

    /// Serves one connection in a task of its own, which keeps its place.
    pub(crate) fn connection<S>(
        &self,
        stream: S,
        router: Router,
        origin: Option<Origin>,
        place: impl Send + 'static,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shutdown = self.shared.shutdown.clone();
        self.shared.tasks.spawn(async move {
            let _place = place;
            let through = origin.as_ref().and_then(|origin| origin.through.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                if let Some(origin) = &origin {
                    origin.mark(&mut request);
                }
                router.clone().oneshot(request)
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_MAX_BYTES)
                .max_headers(HEAD_MAX_FIELDS);
            let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
            let ended = tokio::select! {
                ended = served.as_mut() => ended,
                // Nothing of a run outlives it, not even an answer.
                () = cut(through.as_ref()) => return,
                () = shutdown.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    served.await
                }
            };
            // A client that leaves early is its own affair.
            ended.unwrap_or_else(|error| tracing::debug!(%error, "a connection broke off"));
        });
    }
}

/// Where the requests of a connection come from.
pub(crate) struct Origin {
    pub(crate) peer: Arc<Pinned>,
    /// The run's own socket, if it is one.
    pub(crate) through: Option<Through>,
}

impl Origin {
    fn mark(&self, request: &mut Request<Body>) {
        request.extensions_mut().insert(Arc::clone(&self.peer));
        if let Some(through) = &self.through {
            request.extensions_mut().insert(through.clone());
        }
    }
}

async fn cut(through: Option<&Through>) {
    match through {
        Some(through) => through.cut().await,
        None => std::future::pending().await,
    }
}

/// The peer, if it runs under our own user or as root.
fn ours(stream: &UnixStream) -> Option<Pinned> {
    let peer = Pinned::of(stream).ok()?;
    let ours = rustix::process::geteuid().as_raw();
    if peer.uid() != ours && peer.uid() != 0 {
        tracing::warn!(uid = peer.uid(), "another user reached the socket");
        return None;
    }
    Some(peer)
}

fn place(places: &Places, side: Side) -> Option<Place> {
    let place = places.take(side);
    if place.is_none() {
        tracing::debug!(?side, "a connection is dropped: too many are open");
    }
    place
}

fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "there is no such route")
}

fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", "this route has no such method")
}
