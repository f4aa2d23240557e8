//! Agents: registering, stopping, restarting and ending them.

use marque_domain::agent::BadAgentMove;
use marque_domain::{
    Agent, AgentState, AgentVersion, Closing, Id, Timestamp, User, UserRef, Verb, VersionState,
};

use super::runs::{close_tree, unclosed};
use super::{Detailed, changed, limits};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::spec::AgentSpec;
use crate::step::Step;
use crate::view::AgentView;
use crate::world::World;

const MAX_PURPOSE_CHARS: usize = 500;
const DESCRIBED: [&str; 4] = ["code", "model", "prompt", "tools"];

impl Plane {
    /// Registers an agent; its first version is approved by whoever registers it.
    pub async fn add_agent(
        &self,
        who: &Acting<User>,
        spec: AgentSpec,
    ) -> Result<AgentView, AdminError> {
        check(&spec)?;
        let by = Self::by(who);
        let owner = spec.owner.as_ref().map_or(Ok(by.id), |name| self.user_named(name))?;
        let sponsor = spec.sponsor.as_ref().map_or(Ok(owner), |name| self.user_named(name))?;
        let plane = self.clone();
        self.change(who, move |step| {
            let (agent, version) = describe(step, &spec, (owner, sponsor, by.id));
            if step.world.agent_named(&agent.name).is_some() {
                return Err(taken(&agent));
            }
            step.tx.take_name(agent.name.as_str(), agent.id)?;
            step.save(version)?;
            let agent = step.save(agent)?;
            let entry = changed(Verb::AgentAdded, &by, Some(agent.reference()), &agent.fact.name);
            let entry = entry.detail("purpose", &agent.fact.purpose);
            step.append(entry.limited(&agent.fact.limits).event())?;
            Ok(plane.show(step.world).agent(&agent.fact))
        })
        .await
    }

    /// Every agent, by name.
    pub fn agents(&self, _who: &Acting<User>) -> Result<Vec<AgentView>, AdminError> {
        let world = self.world();
        let mut agents: Vec<_> =
            world.agents.all().map(|agent| self.show(&world).agent(&agent.fact)).collect();
        agents.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(agents)
    }

    /// One agent, by name or id.
    pub fn agent(&self, _who: &Acting<User>, which: &str) -> Result<AgentView, AdminError> {
        let world = self.world();
        find_agent(&world, which).map(|agent| self.show(&world).agent(&agent))
    }

    /// Stops an agent: kills its runs, and lets no other be opened until it is resumed.
    pub async fn suspend_agent(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<AgentView, AdminError> {
        self.move_agent(who, which, Verb::AgentSuspended, Agent::suspend).await
    }

    /// Lets a suspended agent run again. Only its owner or an administrator may.
    pub async fn resume_agent(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<AgentView, AdminError> {
        self.move_agent(who, which, Verb::AgentResumed, |agent, _, _| agent.resume()).await
    }

    /// Ends an agent for good. Its name stays taken.
    pub async fn retire_agent(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<AgentView, AdminError> {
        self.move_agent(who, which, Verb::AgentRetired, Agent::retire).await
    }

    async fn move_agent(
        &self,
        who: &Acting<User>,
        which: &str,
        verb: Verb,
        next: fn(Agent, Id<User>, Timestamp) -> Result<Agent, BadAgentMove>,
    ) -> Result<AgentView, AdminError> {
        let (by, which, plane) = (Self::by(who), which.to_owned(), self.clone());
        self.change(who, move |step| {
            let agent = find_agent(step.world, &which)?;
            must_answer_for(step.world, &agent, &by, verb)?;
            let moved =
                next(agent, by.id, step.now).map_err(|error| AdminError::conflict(&error))?;
            let agent = step.save(moved)?;
            let entry = changed(verb, &by, Some(agent.reference()), &agent.fact.name);
            step.append(entry.event())?;
            if !agent.fact.is_active() {
                close_runs_of(step, agent.fact.id, &by)?;
            }
            Ok(plane.show(step.world).agent(&agent.fact))
        })
        .await
    }
}

fn check(spec: &AgentSpec) -> Result<(), AdminError> {
    let chars = spec.purpose.chars().count();
    if chars == 0 || chars > MAX_PURPOSE_CHARS || spec.purpose.chars().any(char::is_control) {
        let message = format!(
            "a purpose is one line of 1 to {MAX_PURPOSE_CHARS} characters: what the agent is for"
        );
        return Err(AdminError::new(AdminKind::Invalid, message));
    }
    limits::must_make_sense(&spec.limits)?;
    match spec.digests.keys().find(|described| !DESCRIBED.contains(&described.as_str())) {
        None => Ok(()),
        Some(other) => {
            let message =
                format!("`{other}` is not part of a version: use {}", DESCRIBED.join(", "));
            Err(AdminError::new(AdminKind::Invalid, message))
        }
    }
}

fn describe(
    step: &Step<'_, '_>,
    spec: &AgentSpec,
    (owner, sponsor, by): (Id<User>, Id<User>, Id<User>),
) -> (Agent, AgentVersion) {
    let (id, version) = (step.id(), step.id());
    let agent = Agent {
        id,
        name: spec.name.clone(),
        purpose: spec.purpose.clone(),
        owner,
        sponsor,
        version,
        limits: spec.limits,
        added_at: step.now,
        state: AgentState::Active,
    };
    let version = AgentVersion {
        id: version,
        agent: id,
        number: 1,
        digests: spec.digests.clone(),
        proposed_at: step.now,
        state: VersionState::Approved { by, at: step.now },
    };
    (agent, version)
}

fn taken(agent: &Agent) -> AdminError {
    let message = format!("the name `{}` is taken, perhaps by a retired agent", agent.name);
    AdminError::new(AdminKind::Conflict, message)
        .hint("choose another: downstream systems authorise by name, so none is given twice")
}

/// An agent by name or id.
pub(crate) fn find_agent(world: &World, which: &str) -> Result<Agent, AdminError> {
    let by_name = which.parse().ok().and_then(|name| world.agent_named(&name));
    let found = by_name.or_else(|| world.agents.get(which.parse().ok()?));
    let agent = found.map(|agent| agent.fact.clone());
    agent.ok_or_else(|| AdminError::not_found("agent", which, "marque agent list"))
}

/// Its owner and its sponsor may stop an agent; its owner or an administrator does the rest.
pub(crate) fn must_answer_for(
    world: &World,
    agent: &Agent,
    by: &UserRef,
    verb: Verb,
) -> Result<(), AdminError> {
    let is_admin = world.users.get(by.id).is_some_and(|user| user.fact.is_admin);
    let stops = matches!(verb, Verb::AgentSuspended | Verb::AgentRetired);
    let stops = stops && agent.sponsor == by.id;
    if is_admin || agent.owner == by.id || stops {
        return Ok(());
    }
    let message = format!("`{}` does not answer for agent `{}`", by.name, agent.name);
    Err(AdminError::new(AdminKind::Forbidden, message).hint("ask its owner"))
}

/// Kills every open run of an agent, and their children. Returns what was closed.
pub(crate) fn close_runs_of(
    step: &mut Step<'_, '_>,
    agent: Id<Agent>,
    by: &UserRef,
) -> Result<Vec<Id<marque_domain::Run>>, AdminError> {
    let mut closed = Vec::new();
    for run in unclosed(step, |run| run.agent == agent) {
        closed.extend(close_tree(step, run, Closing::Killed, Some(by))?);
    }
    Ok(closed)
}
