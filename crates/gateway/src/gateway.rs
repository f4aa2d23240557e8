//! The gateway as a whole: its listener, its bounds, its end.
//!
//! Owns every task it starts and joins them all. Decides nothing about a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use marque_plane::Plane;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::reading_room;
use crate::dial::Dialer;
use crate::door;
use crate::leaf::Leaves;
use crate::refuse::Notice;

/// How long the door rests when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a refused connection may take to read its refusal.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bounds of a gateway.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Client connections served at once; one more is answered 503 and closed.
    pub connections_max: usize,
    /// How long a connection may stay silent in both directions before it is cut.
    pub silence: Duration,
    /// How long requests under way may take to end once the gateway stops.
    pub drain: Duration,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
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
    #[error("the proxy's listener is not usable: {0}")]
    Listener(#[from] std::io::Error),
}

/// The doors over one plane.
pub struct Gateway {
    plane: Plane,
    settings: GatewaySettings,
}

impl Gateway {
    /// A gateway that asks `plane` about every request.
    pub fn new(plane: Plane, settings: GatewaySettings) -> Self {
        Self { plane, settings }
    }

    /// Serves the proxy door until `shutdown`, then lets requests under way end within
    /// [`GatewaySettings::drain`] and cuts the rest. Tells the plane where the door is.
    ///
    /// # Errors
    /// [`ServeError`] before the first connection only.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        self.plane.set_proxy_address(address);
        let drain = self.settings.drain;
        let shared = Arc::new(Shared::new(self, shutdown));
        accept(&shared, &listener).await;
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
    /// Room for bodies that are read whole.
    pub(crate) reading: Arc<Semaphore>,
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
            settings: gateway.settings,
            leaves: Leaves::new(provider),
            reading: reading_room(),
            tasks,
            shutdown,
            cut: CancellationToken::new(),
        }
    }
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let room = Arc::new(Semaphore::new(shared.settings.connections_max));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => {
                let shared_too = Arc::clone(shared);
                shared.tasks.spawn(async move {
                    door::proxy::serve(shared_too, stream).await;
                    drop(place);
                });
            }
            Err(_) => turn_away(stream).await,
        }
    }
}

// The answer fits any socket's buffer, so writing it does not hold up the door.
async fn turn_away(mut stream: TcpStream) {
    tracing::warn!("a connection was turned away: too many are open");
    let notice = Notice::overcrowded().raw();
    let _told = timeout(FAREWELL, stream.write_all(&notice)).await;
}
