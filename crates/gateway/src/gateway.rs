//! The gateway as a whole: its listener, its bounds, its end.
//!
//! Owns every task it starts and joins them all. Decides nothing about a request.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marque_domain::{Id, Run};
use marque_plane::{HandedDoors, LiveRun, Plane};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::captured::{self, CapturedRuns};
use crate::clean::Injected;
use crate::dial::Dialer;
use crate::door;
use crate::door::reverse::Reverse;
use crate::leaf::Leaves;
use crate::places::Places;
use crate::pool::Pool;
use crate::session::Session;
use crate::tally::Tally;

/// How long the door rests when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of a gateway.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Connections of runs served at once; on one more, requests are answered 503.
    pub connections_max: usize,
    /// How many of them may be of one run, so that it leaves room for others.
    pub run_connections_max: usize,
    /// Connections that have not proven yet whose they are, besides the above; one more and the
    /// oldest is cut.
    pub strangers_max: usize,
    /// How long a connection may take to prove whose it is, or, where a captured run's door
    /// proves that, to say what it wants.
    pub proof: Duration,
    /// How long a connection may stay silent in both directions before it is cut.
    pub silence: Duration,
    /// How long requests under way may take to end once the gateway stops.
    pub drain: Duration,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            run_connections_max: 256,
            strangers_max: 256,
            proof: Duration::from_secs(10),
            silence: Duration::from_secs(300),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why the gateway cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The proxy door takes a run's secret in the clear, so it listens on this machine only.
    #[error("the proxy listens on `{0}`, which other machines can reach; use a loopback address")]
    NotLoopback(SocketAddr),
    /// The listener has no address.
    #[error("a listener of the gateway is not usable: {0}")]
    Listener(#[from] std::io::Error),
    /// Tokens would cross a network in the clear.
    #[error(
        "the reverse door listens on `{0}` without TLS, and other machines can reach it; give it a \
         certificate, or a loopback address behind a proxy that has one"
    )]
    PlainReverse(SocketAddr),
    /// No address of a server as a whole.
    #[error("`{0}` is not the address of a server; write `https://HOST` or `https://HOST:PORT`")]
    BadBase(String),
    /// No token would be for what the door serves.
    #[error("the reverse door is at `{base}`, and tokens are for `{issued}`; make them the same")]
    OtherBase {
        /// Where the door is.
        base: String,
        /// What the token service was told.
        issued: String,
    },
    /// Nobody would have a token.
    #[error("the token service is off, and without it nobody gets through the reverse door")]
    NoTokens,
}

/// As whom the reverse door serves.
pub struct ReverseSettings {
    /// The base of its addresses as its callers write it, `https://HOST[:PORT]`: what the token
    /// service was told.
    pub base: String,
    /// Its certificate, and which of its clients'. `None` behind something that ends TLS, on
    /// loopback only: then no token can be bound to a certificate.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// The doors over one plane.
pub struct Gateway {
    plane: Plane,
    settings: GatewaySettings,
    reverse: Option<(TcpListener, Reverse)>,
}

impl Gateway {
    /// A gateway that asks `plane` about every request.
    pub fn new(plane: Plane, settings: GatewaySettings) -> Self {
        Self { plane, settings, reverse: None }
    }

    /// The same with a reverse door at that listener.
    ///
    /// # Errors
    /// [`ServeError`] where tokens could not be used there, or not safely.
    pub fn with_reverse(
        self,
        listener: TcpListener,
        settings: ReverseSettings,
    ) -> Result<Self, ServeError> {
        let address = listener.local_addr()?;
        if settings.tls.is_none() && !address.ip().is_loopback() {
            return Err(ServeError::PlainReverse(address));
        }
        let issued = self.plane.oauth().and_then(|oauth| oauth.gateway.clone());
        let issued = issued.ok_or(ServeError::NoTokens)?;
        if issued != settings.base {
            return Err(ServeError::OtherBase { base: settings.base, issued });
        }
        let reverse = Reverse::new(settings)?;
        Ok(Self { reverse: Some((listener, reverse)), ..self })
    }

    /// Serves the proxy door, the reverse door if there is one, and the doors of captured runs as
    /// they are handed over, until
    /// `shutdown`; then lets requests under way end within [`GatewaySettings::drain`] and cuts the
    /// rest. Tells the plane where the proxy door is.
    ///
    /// # Errors
    /// [`ServeError`] before the first connection only.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        doors: mpsc::Receiver<HandedDoors>,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        self.plane.set_proxy_address(address);
        let (drain, reverse) = (self.settings.drain, self.reverse.take());
        let shared = Arc::new(Shared::new(self, shutdown));
        shared.tasks.spawn(captured::take_in(Arc::clone(&shared), doors));
        if let Some((listener, reverse)) = reverse {
            let (shared, reverse) = (Arc::clone(&shared), Arc::new(reverse));
            shared.tasks.clone().spawn(async move {
                let come_in = |stream| {
                    let session = Arc::new(Session::carrier(Arc::clone(&shared)));
                    let served = door::reverse::serve(session, Arc::clone(&reverse), stream);
                    shared.tasks.spawn(served);
                };
                accept(&shared, &listener, come_in).await;
            });
        }
        let come_in = |stream| {
            let session = Arc::new(Session::new(Arc::clone(&shared)));
            shared.tasks.spawn(door::proxy::serve(session, stream));
        };
        accept(&shared, &listener, come_in).await;
        drop(listener);
        shared.tasks.close();
        if timeout(drain, shared.tasks.wait()).await.is_err() {
            tracing::warn!(connections = shared.tasks.len(), "cutting what has not ended in time");
            shared.cut.cancel();
            shared.tasks.wait().await;
        }
        Ok(())
    }
}

/// What every connection of a gateway uses.
pub(crate) struct Shared {
    pub(crate) plane: Plane,
    pub(crate) settings: GatewaySettings,
    pub(crate) dialer: Dialer,
    pub(crate) leaves: Leaves,
    pub(crate) places: Places,
    pub(crate) pool: Pool,
    pub(crate) injected: Injected,
    pub(crate) tally: Tally,
    pub(crate) captured: CapturedRuns,
    /// Runs whose end somebody waits for.
    attended: Mutex<HashSet<Id<Run>>>,
    pub(crate) tasks: TaskTracker,
    /// No new request is taken.
    pub(crate) shutdown: CancellationToken,
    /// Nothing more may pass.
    pub(crate) cut: CancellationToken,
}

impl Shared {
    fn new(gateway: Gateway, shutdown: CancellationToken) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tasks = TaskTracker::new();
        Self {
            plane: gateway.plane,
            dialer: Dialer::new(Arc::clone(&provider), tasks.clone(), gateway.settings.silence),
            places: Places::new(&gateway.settings),
            pool: Pool::new(shutdown.clone()),
            injected: Injected::default(),
            tally: Tally::new(),
            captured: CapturedRuns::default(),
            settings: gateway.settings,
            leaves: Leaves::new(provider),
            attended: Mutex::default(),
            tasks,
            shutdown,
            cut: CancellationToken::new(),
        }
    }

    /// Sees to it that nothing is kept for a run once it has ended.
    pub(crate) fn attend(self: &Arc<Self>, run: &Arc<LiveRun>) {
        if !self.attended().insert(run.run) {
            return;
        }
        let (shared, run) = (Arc::clone(self), Arc::clone(run));
        self.tasks.spawn(async move {
            tokio::select! {
                () = run.cancelled() => {}
                () = shared.shutdown.cancelled() => {}
            }
            shared.pool.forget(run.run);
            // What is still under way when the gateway ends is searched for all of it.
            if run.is_cancelled() {
                shared.injected.forget(run.run);
            }
            shared.attended().remove(&run.run);
        });
    }

    fn attended(&self) -> MutexGuard<'_, HashSet<Id<Run>>> {
        self.attended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// `come_in` makes the session, so that a connection has its place before the next one is accepted.
async fn accept(shared: &Shared, listener: &TcpListener, come_in: impl Fn(TcpStream)) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            accepted = next_of(listener) => accepted,
        };
        let Ok(stream) = accepted else { return };
        come_in(stream);
    }
}

/// The next connection that comes in.
///
/// # Errors
/// Where none ever will: the listener is shut down.
pub(crate) async fn next_of(listener: &TcpListener) -> std::io::Result<TcpStream> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
