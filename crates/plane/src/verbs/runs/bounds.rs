//! What bounds a run that is opened: its agent, the grants that name its opener, its parent.

use std::sync::Arc;

use marque_domain::authority::{beyond, narrow};
use marque_domain::{Agent, Authority, Grant, Id, Revised, Run, Tier, Timestamp, User, UserRef};

use super::open::Opening;
use crate::error::{AdminError, AdminKind};
use crate::spec::{Lines, RunSpec};
use crate::step::Step;
use crate::tier::Floor;
use crate::verbs::agents::find_agent;
use crate::verbs::lines;
use crate::world::World;

pub(super) fn wanted_agent(
    world: &World,
    opening: &Opening,
    spec: &RunSpec,
) -> Result<Agent, AdminError> {
    let agent = match (&spec.agent, &opening.parent) {
        (Some(name), _) => find_agent(world, name.as_str())?,
        (None, Some(parent)) => {
            let agent = world.agents.get(parent.fact.agent);
            agent.map(|agent| agent.fact.clone()).ok_or_else(AdminError::unavailable)?
        }
        (None, None) => {
            return Err(AdminError::new(AdminKind::Invalid, "a run needs an agent")
                .hint("name it: `marque run --agent NAME -- COMMAND`; see `marque agent list`"));
        }
    };
    if agent.is_active() {
        return Ok(agent);
    }
    let message = format!("agent `{}` is {}", agent.name, agent.state.word());
    Err(AdminError::new(AdminKind::Conflict, message))
}

// The live grants that name the human who opens. Without one there is nothing to open under.
pub(super) fn grants_for(
    world: &World,
    agent: &Agent,
    opener: &UserRef,
    now: Timestamp,
) -> Result<Vec<Arc<Revised<Grant>>>, AdminError> {
    let grants: Vec<_> = world
        .live_grants(agent.id, now)
        .filter(|grant| grant.fact.openers.contains(&opener.id))
        .cloned()
        .collect();
    if grants.is_empty() {
        let message =
            format!("no live grant of agent `{}` names `{}` as opener", agent.name, opener.name);
        return Err(AdminError::new(AdminKind::Forbidden, message).hint(format!(
            "give one: `marque grant add {} --allow 'CONNECTION:GET /**' --for 30d`",
            agent.name
        )));
    }
    Ok(grants)
}

// How firmly the run will be held, against everybody who asks for more.
pub(super) fn must_be_held(
    step: &Step<'_, '_>,
    opening: &Opening,
    spec: &RunSpec,
    (agent, organisation_floor): (&Agent, Tier),
) -> Result<(), AdminError> {
    let above = opening.parent.as_ref().map_or(&[][..], |parent| &parent.fact.chain.actors);
    let agents = above.iter().map(|actor| actor.agent).chain([agent.id]);
    let floor = Floor::of_organisation(organisation_floor)
        .with_grants(step.world, agents, step.now)
        .with_mandate(spec.tier_floor);
    let Err(refusal) = floor.judge(opening.tier(spec)) else { return Ok(()) };
    Err(AdminError {
        kind: AdminKind::TierBelowFloor,
        message: refusal.message,
        remedy: refusal.remedy,
    })
}

// Only what is captured: what holds other runs does not hold them once they have such powers. A
// child may only if the run above it may.
pub(super) fn may_make_user_namespaces(
    run: &Run,
    opening: &Opening,
    grants: &[Arc<Revised<Grant>>],
) -> bool {
    let is_above = opening.parent.as_ref().is_none_or(|parent| parent.fact.user_namespaces);
    run.tier == Tier::Captured && is_above && grants.iter().any(|grant| grant.fact.user_namespaces)
}

pub(super) fn on_behalf_of(
    world: &World,
    opening: &Opening,
    spec: &RunSpec,
) -> Result<Option<Id<User>>, AdminError> {
    let Some(name) = &spec.on_behalf_of else { return Ok(None) };
    let person = world.user_named(name).filter(|user| user.fact.is_live());
    match person {
        Some(person) if person.fact.id == opening.opener.id => Ok(Some(person.fact.id)),
        _ => {
            let message = format!("acting for `{name}` needs that person's own proof");
            Err(AdminError::new(AdminKind::Forbidden, message)
                .hint("open the run as yourself, or have them open it"))
        }
    }
}

// Grants ⊇ parent's mandate ⊇ what was asked for ⊇ what the repository's file leaves of it.
pub(super) fn mandate(
    world: &World,
    opening: &Opening,
    spec: &RunSpec,
    grants: &[Arc<Revised<Grant>>],
) -> Result<(Authority, Vec<String>), AdminError> {
    let too_complex = |error: &_| AdminError::invalid(error);
    let mut ceiling =
        Authority::together(grants.iter().map(|grant| &grant.fact.authority)).normal();
    if let Some(parent) = &opening.parent {
        ceiling = narrow(&ceiling, &parent.fact.mandate).map_err(|error| too_complex(&error))?;
    }
    let asked = asked_for(world, &spec.mandate, &ceiling)?;
    let outside = beyond(&asked, &ceiling);
    if !outside.is_empty() {
        let listed: Vec<_> = outside.iter().map(|line| format!("`{line}`")).collect();
        let message = format!("{} is not inside what the run may have", listed.join(", "));
        return Err(AdminError::new(AdminKind::Forbidden, message)
            .hint("grant it first: `marque grant add AGENT --allow 'LINE' --for 30d`"));
    }
    let mandate = narrow(&asked, &ceiling).map_err(|error| too_complex(&error))?;
    let Some(file) = &spec.file_mandate else { return Ok((mandate, Vec::new())) };
    let file = asked_for(world, file, &mandate)?;
    let left_out = beyond(&file, &mandate).iter().map(ToString::to_string).collect();
    Ok((narrow(&mandate, &file).map_err(|error| too_complex(&error))?, left_out))
}

// Lines that only forbid take away from all there is.
fn asked_for(world: &World, wanted: &Lines, ceiling: &Authority) -> Result<Authority, AdminError> {
    let mut asked = lines::read(world, wanted)?;
    // What was written counts, not what is left of it: an allow that its own `never` swallows is an
    // empty mandate, never the whole ceiling.
    if wanted.allow.is_empty() && wanted.ask.is_empty() {
        asked.allow.clone_from(&ceiling.allow);
        asked.ask.clone_from(&ceiling.ask);
    }
    Ok(asked)
}
