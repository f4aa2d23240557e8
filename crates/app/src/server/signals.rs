//! Signals: how a server is told to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Why a server ends that its supervisor stops.
pub(super) const TOLD: &str = "told to end";

/// Those that end a server. From when it listens for them none ends the process by itself.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Listens.
    pub(super) fn listen() -> Result<Self, Failure> {
        let one = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: one(SignalKind::interrupt())?,
            terminate: one(SignalKind::terminate())?,
            hang_up: one(SignalKind::hangup())?,
        })
    }

    /// Why the server is to end, once it is.
    pub(super) async fn come(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => TOLD,
            _ = self.hang_up.recv() => "its terminal closed",
        }
    }
}
