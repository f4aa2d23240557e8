//! Stage 1, `caller`: who asks, proven how?
//!
//! The only place where an [`Acting`] comes into being: an [`Acting<Run>`] from a run's secret or a
//! door of it, an [`Acting<User>`] from a human's factor. A verb that takes one cannot be reached
//! with the other.

mod human;
mod peer;

use std::sync::Arc;

use marque_crypto::Secret;
use marque_crypto::machine::{self, MachineHashKey};
use marque_domain::{Code, Id, Refusal, Run, RunState, Tier, UserRef};

pub use human::Factor;
pub(crate) use human::{Decoy, Humans, Tried, who_is_meant};
pub use peer::{Peer, ProcessKey, TerminalSession};

use crate::doors::DoorProof;
use crate::live::LiveRun;
use crate::oauth::BoundProof;
use crate::world::World;

/// What came with a request to prove who asks.
pub enum Presented {
    /// Nothing.
    Nothing,
    /// A run's id and its proxy secret.
    RunSecret {
        /// The run's id, as the client wrote it.
        run: String,
        /// The secret.
        secret: Secret,
    },
    /// That the request came in through a door of a captured run.
    Door(DoorProof),
    /// That a client of the token service proved itself, or a token of ours was presented by whom
    /// it is bound to.
    Bound(Box<BoundProof>),
}

impl Presented {
    /// The same proof again, for the next request of one tunnel.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            // A proof of possession is good for one request.
            Self::Nothing | Self::Bound(_) => Self::Nothing,
            Self::Door(proof) => Self::Door(proof.duplicate()),
            Self::RunSecret { run, secret } => {
                Self::RunSecret { run: run.clone(), secret: secret.duplicate() }
            }
        }
    }
}

/// Somebody proven. `W` is [`marque_domain::User`] or [`Run`]; neither turns into the other.
pub struct Acting<W> {
    pub(crate) who: Who,
    pub(crate) is_dry_run: bool,
    kind: std::marker::PhantomData<fn() -> W>,
}

/// Whom an [`Acting`] stands for.
pub(crate) enum Who {
    User(UserRef),
    Run(Arc<LiveRun>),
}

impl Acting<marque_domain::User> {
    /// The human.
    pub fn user(&self) -> &UserRef {
        match &self.who {
            Who::User(user) => user,
            Who::Run(_) => unreachable!("INVARIANT: an acting user is made of a factor only"),
        }
    }
}

impl Acting<Run> {
    /// The run.
    pub fn run(&self) -> Id<Run> {
        self.live().run
    }

    pub(crate) fn live(&self) -> &Arc<LiveRun> {
        match &self.who {
            Who::Run(live) => live,
            Who::User(_) => unreachable!("INVARIANT: an acting run is made of its own proof only"),
        }
    }

    pub(crate) fn of_run(live: Arc<LiveRun>) -> Self {
        Self { who: Who::Run(live), is_dry_run: false, kind: std::marker::PhantomData }
    }
}

/// Who asks, on the road: whoever holds the proof, but a captured run by its doors alone. Its
/// secret is its launcher's, and whoever else has come by it has nothing (threat 98).
pub(crate) fn prove(
    world: &World,
    key: &MachineHashKey,
    presented: &Presented,
) -> Result<Arc<LiveRun>, Refusal> {
    let live = identify(world, key, presented)?;
    let run = world.runs.get(live.run);
    let is_captured = run.is_none_or(|run| run.fact.tier == Tier::Captured);
    match presented {
        Presented::RunSecret { .. } if is_captured => Err(Refusal::new(
            Code::CallerDoor,
            format!("run `{}` is captured: it speaks through its own doors only", live.run),
            "send the request from inside the run, without proxy credentials",
        )),
        _ => Ok(live),
    }
}

/// Whose proof this is. The secret is random, so a keyed hash finds it in constant time with
/// regard to its bytes; the id beside it must agree, so that a mix-up is told and not served.
pub(crate) fn identify(
    world: &World,
    key: &MachineHashKey,
    presented: &Presented,
) -> Result<Arc<LiveRun>, Refusal> {
    let found = match presented {
        Presented::Nothing => {
            return Err(Refusal::new(
                Code::CallerMissing,
                "the request does not say which run it belongs to",
                "start the command with `marque run … -- COMMAND`, which sets the proxy variables",
            ));
        }
        Presented::RunSecret { run, secret } => world
            .caller(&machine::hash(key, secret.expose()))
            .filter(|live| run.parse() == Ok(live.run)),
        Presented::Door(proof) => is_itself(world, proof.live()),
        Presented::Bound(proof) => is_itself(world, proof.live()),
    };
    if let Some(cut) = found.filter(|live| live.is_cancelled() && is_open(world, live.run)) {
        let message = format!("run `{}` was cut; the log cannot say so yet", cut.run);
        let remedy = "start the command again with `marque run` once the log can be written";
        return Err(Refusal::new(Code::RunKilled, message, remedy));
    }
    found.cloned().ok_or_else(|| {
        Refusal::new(
            Code::CallerUnknown,
            "what proves the run belongs to no run of this server",
            "the run is over, or the server was restarted: start it again with `marque run`",
        )
    })
}

fn is_itself<'a>(world: &'a World, live: &Arc<LiveRun>) -> Option<&'a Arc<LiveRun>> {
    world.live(live.run).filter(|known| Arc::ptr_eq(known, live))
}

fn is_open(world: &World, run: Id<Run>) -> bool {
    world.runs.get(run).is_some_and(|run| run.fact.state == RunState::Open)
}
