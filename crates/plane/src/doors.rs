//! The doors of a captured run: listeners made inside it and handed to the server.
//!
//! A connection that comes in through one of them is the run's: the listener proves it, and no
//! secret lies inside. Serving them belongs to the gateway and the API.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use marque_domain::{Run, Tier};
use tokio::sync::oneshot;

use crate::caller::{Acting, Peer};
use crate::error::{AdminError, AdminKind};
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::verbs::runs::{must_be_launcher, not_the_launcher};

/// That something came in through a door of a run. Made by [`Plane::hand_over`] only.
pub struct DoorProof {
    live: Arc<LiveRun>,
}

impl DoorProof {
    /// The run.
    pub fn live(&self) -> &Arc<LiveRun> {
        &self.live
    }

    /// Takes room for so many more doors; `false` once the run has handed over all it may.
    #[must_use]
    pub fn make_room(&self, more: usize) -> bool {
        self.live.make_room(more)
    }

    /// The same proof again, for the next connection.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { live: Arc::clone(&self.live) }
    }
}

/// What a descriptor that was handed over listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DoorKind {
    /// TCP at that port, on all addresses of one family.
    Tcp {
        /// The port.
        port: u16,
    },
    /// Datagrams with questions for names.
    Names,
    /// The run's own socket for the API.
    Control,
}

/// One listening descriptor.
#[derive(Debug)]
pub struct Door {
    /// What it listens for.
    pub kind: DoorKind,
    /// The listener.
    pub listener: OwnedFd,
}

/// The doors of one run, on their way from the API, which took them, to whoever serves them.
pub struct HandedDoors {
    /// Whose they are.
    pub proof: DoorProof,
    /// The listeners.
    pub doors: Vec<Door>,
    /// Told once they are served, or why they are not.
    pub served: oneshot::Sender<Result<(), String>>,
}

impl Plane {
    /// Whether a process is the launcher of a run at all. Not a decision: nothing but reading what
    /// it sends may be done because of it.
    pub fn must_launch(&self, peer: &Peer) -> Result<(), AdminError> {
        let process = peer.process();
        let world = self.world();
        if process.is_some() && world.all_live().any(|live| live.launcher == process) {
            return Ok(());
        }
        Err(not_the_launcher())
    }

    /// Whether a process that came in through a door belongs to its run, as far as descent tells.
    /// One of a run below it does not: it has doors of its own, and this one would make it more.
    pub fn speaks_through(&self, peer: &Peer, door: &DoorProof) -> bool {
        let world = self.world();
        let Some(run) = world.runs.get(door.live().run) else { return false };
        let is_of_chain = |live: &LiveRun| {
            // Runs of one launcher cannot be told apart by descent.
            (live.launcher.is_some() && live.launcher == door.live().launcher)
                || run.fact.chain.actors.iter().any(|actor| actor.run == live.run)
        };
        world.all_live().filter(|live| live.holds(peer)).all(|live| is_of_chain(live))
    }

    /// The run's launcher hands over doors of a captured run.
    pub fn hand_over(&self, who: &Acting<Run>, peer: &Peer) -> Result<DoorProof, AdminError> {
        must_be_launcher(who, peer)?;
        let world = self.world();
        let run = world.runs.get(who.run()).ok_or_else(AdminError::unavailable)?;
        if run.fact.tier != Tier::Captured {
            let message = format!("run `{}` is not captured: it has no doors", who.run());
            return Err(AdminError::new(AdminKind::Invalid, message));
        }
        if !run.fact.is_open(self.now()) {
            let message = format!("run `{}` is over", who.run());
            return Err(AdminError::new(AdminKind::Conflict, message));
        }
        Ok(DoorProof { live: Arc::clone(who.live()) })
    }
}
