//! Kills that the log could not take: they hold all the same, and are recorded once it can.
//!
//! Runs are cut at once. Whoever would open the next one opens none until the kill is on record,
//! for only then is it suspended.

use std::sync::{Mutex, PoisonError};

use marque_domain::{Agent, Client, Digest, Id, Run, UserName, UserRef};

use super::strike_and_say;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::spec::KillTarget;
use crate::verbs::clients::{Behind, behind};
use crate::verbs::runs::detached::Hop;
use crate::world::World;

/// All of them. Each names something there is and is kept once, so they are bounded by that.
#[derive(Default)]
pub(crate) struct Unrecorded(Mutex<Vec<Owed>>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owed {
    by: UserRef,
    target: KillTarget,
}

impl Unrecorded {
    pub(super) fn add(&self, by: UserRef, target: KillTarget) {
        let owed = Owed { by, target };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&owed) {
            all.push(owed);
        }
    }

    fn all(&self) -> Vec<Owed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_recorded(&self, owed: &Owed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one != owed);
    }

    /// Whether one of them stops that client, or that job or person of it.
    pub(crate) fn stops(&self, world: &World, client: &Client, instance: Option<Digest>) -> bool {
        self.all().iter().any(|owed| stops(world, &owed.target, (client, instance)))
    }

    /// Whether one of them stops that hop. Of an agent or an owner, its runs are cut.
    pub(crate) fn stops_hop(&self, world: &World, hop: Hop) -> bool {
        let is_it =
            |run: &Run| run.parent == Some(hop.subject) && run.presenter() == Some(hop.presenter);
        self.all().iter().any(|owed| match &owed.target {
            KillTarget::Run(which) => run_of(world, which).is_some_and(is_it),
            KillTarget::Agent(_) | KillTarget::Owner(_) | KillTarget::All => false,
        })
    }
}

fn stops(
    world: &World,
    target: &KillTarget,
    (client, instance): (&Client, Option<Digest>),
) -> bool {
    match target {
        KillTarget::Run(which) => {
            let stopped = run_of(world, which).and_then(behind);
            let whole = stopped == Some(Behind::Client(client.id));
            whole
                || stopped.zip(instance).is_some_and(|(stopped, instance)| {
                    stopped == Behind::Instance(client.id, instance)
                })
        }
        KillTarget::Agent(name) => {
            world.agent_named(name).is_some_and(|agent| agent.fact.id == client.agent)
        }
        KillTarget::Owner(name) => is_owner(world, name, client.agent),
        KillTarget::All => true,
    }
}

fn takes(world: &World, target: &KillTarget, run: &Run) -> bool {
    let mut actors = run.chain.actors.iter();
    match target {
        KillTarget::Run(which) => {
            run.presenter().is_some_and(|presenter| presenter.to_string() == *which)
                || actors.any(|actor| actor.run.to_string() == *which)
        }
        KillTarget::Agent(name) => world
            .agent_named(name)
            .is_some_and(|agent| actors.any(|actor| actor.agent == agent.fact.id)),
        KillTarget::Owner(name) => actors.any(|actor| is_owner(world, name, actor.agent)),
        KillTarget::All => true,
    }
}

fn is_owner(world: &World, name: &UserName, agent: Id<Agent>) -> bool {
    let owner = world.user_named(name).map(|user| user.fact.id);
    owner.is_some() && world.agents.get(agent).map(|agent| agent.fact.owner) == owner
}

fn run_of<'a>(world: &'a World, which: &str) -> Option<&'a Run> {
    which.parse::<Id<Run>>().ok().and_then(|run| world.runs.get(run)).map(|run| &run.fact)
}

impl Plane {
    // Taking authority away must not wait for a log that cannot be written.
    pub(super) fn cut_unrecorded(
        &self,
        by: UserRef,
        target: KillTarget,
        error: &AdminError,
    ) -> AdminError {
        // ORDER: first nothing more is opened; then whatever is open is cut.
        self.inner().unrecorded.add(by, target.clone());
        let cut = self.cut_all_of(&target);
        let message = format!("{cut} runs were cut, but the log does not say so yet: {error}");
        AdminError::new(AdminKind::Unavailable, message).hint(
            "it is recorded once the log can be written; look at the server's output, and kill \
             again if the server is restarted before that",
        )
    }

    fn cut_all_of(&self, target: &KillTarget) -> usize {
        let world = self.world();
        let meant = world.all_live().filter(|live| {
            let run = world.runs.get(live.run);
            run.is_some_and(|run| takes(&world, target, &run.fact))
        });
        meant.inspect(|live| live.cut()).count()
    }

    /// Records the kills that the log could not take, each by whom it was. Called by the reaper.
    pub(crate) async fn record_kills(&self) -> Result<(), AdminError> {
        for owed in self.inner().unrecorded.all() {
            let Owed { by, target } = owed.clone();
            let aim = target.clone();
            let struck = self
                .sequencer()
                .submit(Durability::Disk, move |step| strike_and_say(step, &aim, &by));
            match struck.await {
                Err(error) if error.kind == AdminKind::Unavailable => {
                    // What was committed when the kill came is known here by now.
                    self.cut_all_of(&target);
                    return Err(error);
                }
                // A kill of what is not there stops nothing.
                Ok(_) | Err(_) => self.inner().unrecorded.is_recorded(&owed),
            }
        }
        Ok(())
    }
}
