//! Stage 2, `run`: which run, and does everything it stands on still stand?

use std::sync::Arc;

use marque_domain::{
    Agent, AgentVersion, Closing, Code, Id, Refusal, Revised, Run, RunState, Tier, Timestamp, User,
};

use crate::tier::Floor;
use crate::world::World;

/// A run that may act, and everybody it stands on.
pub(crate) struct Standing {
    pub(crate) run: Arc<Revised<Run>>,
    pub(crate) agent: Arc<Revised<Agent>>,
    pub(crate) version: Arc<Revised<AgentVersion>>,
    pub(crate) owner: Arc<Revised<User>>,
    pub(crate) sponsor: Option<Arc<Revised<User>>>,
    /// The human who answers for it: the owner, or the sponsor if the owner is gone.
    pub(crate) accountable: Arc<Revised<User>>,
    pub(crate) owner_present: bool,
    pub(crate) opener: Arc<Revised<User>>,
    pub(crate) person: Option<Arc<Revised<User>>>,
}

/// Whether the run and everything under it still stands at `now`.
pub(crate) fn stand(world: &World, run: Id<Run>, now: Timestamp) -> Result<Standing, Refusal> {
    let run = world.runs.get(run).ok_or_else(|| gone("the run"))?;
    must_be_open(&run.fact, now)?;
    let agent = world.agents.get(run.fact.agent).ok_or_else(|| gone("the agent"))?;
    if !agent.fact.is_active() {
        return Err(Refusal::new(
            Code::AgentStopped,
            format!("agent `{}` is {}", agent.fact.name, agent.fact.state.word()),
            format!("its owner can let it run again: `marque agent resume {}`", agent.fact.name),
        ));
    }
    let version = world.versions.get(run.fact.version).ok_or_else(|| gone("the version"))?;
    if !version.fact.is_approved() {
        return Err(Refusal::new(
            Code::VersionNotApproved,
            format!(
                "no human stands behind version {} of `{}`",
                version.fact.number, agent.fact.name
            ),
            "a human must review the version before it inherits authority",
        ));
    }
    let person = match run.fact.chain.on_behalf_of {
        Some(id) => Some(live_user(world, id).ok_or_else(|| {
            Refusal::new(
                Code::PersonGone,
                "the person this run acts for is gone",
                "open another run, as the agent itself or for somebody else",
            )
        })?),
        None => None,
    };
    let owner = world.users.get(agent.fact.owner).ok_or_else(|| gone("the owner"))?;
    let present = live_user(world, agent.fact.owner);
    let owner_present = present.is_some();
    let accountable =
        present.or_else(|| live_user(world, agent.fact.sponsor)).ok_or_else(|| {
            Refusal::new(
                Code::NobodyAccountable,
                format!("neither owner nor sponsor of `{}` is there", agent.fact.name),
                "an administrator must name another owner",
            )
        })?;
    let opener = world.users.get(run.fact.opened_by).ok_or_else(|| gone("who opened the run"))?;
    Ok(Standing {
        run: Arc::clone(run),
        agent: Arc::clone(agent),
        version: Arc::clone(version),
        owner: Arc::clone(owner),
        sponsor: world.users.get(agent.fact.sponsor).cloned(),
        accountable,
        owner_present,
        opener: Arc::clone(opener),
        person,
    })
}

/// As [`stand`], and whether it is held firmly enough to act.
pub(crate) fn stand_held(
    world: &World,
    run: Id<Run>,
    organisation_floor: Tier,
    now: Timestamp,
) -> Result<Standing, Refusal> {
    let standing = stand(world, run, now)?;
    must_be_held(world, &standing, organisation_floor, now)?;
    Ok(standing)
}

/// Whether the run is held as firmly as everybody asks who has a say in it now.
pub(crate) fn must_be_held(
    world: &World,
    standing: &Standing,
    organisation_floor: Tier,
    now: Timestamp,
) -> Result<(), Refusal> {
    let run = &standing.run.fact;
    let agents = run.chain.actors.iter().map(|actor| actor.agent);
    Floor::of_organisation(organisation_floor).with_grants(world, agents, now).judge(run.tier)
}

fn must_be_open(run: &Run, now: Timestamp) -> Result<(), Refusal> {
    let (code, message) = match &run.state {
        RunState::Open if now < run.expires_at => return Ok(()),
        RunState::Open | RunState::Closed { cause: Closing::Expired, .. } => {
            (Code::RunExpired, format!("run `{}` expired at {}", run.id, run.expires_at))
        }
        RunState::Closed { cause: Closing::Killed, at } => {
            (Code::RunKilled, format!("run `{}` was killed at {at}", run.id))
        }
        RunState::Closed { cause, at } => {
            (Code::RunClosed, format!("run `{}` is closed since {at}: {cause}", run.id))
        }
    };
    Err(Refusal::new(code, message, "start the command again with `marque run`"))
}

fn live_user(world: &World, id: Id<User>) -> Option<Arc<Revised<User>>> {
    world.users.get(id).filter(|user| user.fact.is_live()).cloned()
}

fn gone(what: &str) -> Refusal {
    Refusal::new(
        Code::RunClosed,
        format!("{what} is not known any more"),
        "start the command again with `marque run`",
    )
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
