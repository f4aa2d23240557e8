//! Limits: what an agent, or everybody through a connection, may spend.
//!
//! New limits bind the next call. Calls under way go on under what they reserved, and ask the new
//! limits for more.

use marque_domain::{Agent, Connection, Limits, Period, User, Verb};

use super::agents::{find_agent, must_answer_for};
use super::connections::find_connection;
use super::{Detailed, changed};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::spec::LimitSpec;
use crate::view::{AgentView, ConnectionView};
use crate::world::MeterKey;

/// Numbers that JSON holds exactly (RFC 8785 §3.2.2.3), so that records can hold them.
const MOST: u64 = 1 << 53;

impl Plane {
    /// Sets what all runs of an agent together may spend. Its owner or an administrator may.
    pub async fn limit_agent(
        &self,
        who: &Acting<User>,
        which: &str,
        spec: LimitSpec,
    ) -> Result<AgentView, AdminError> {
        let (by, which, plane) = (Self::by(who), which.to_owned(), self.clone());
        self.change(who, move |step| {
            let agent = find_agent(step.world, &which)?;
            must_answer_for(step.world, &agent, &by, Verb::AgentLimited)?;
            let limits = limited(agent.limits, &spec)?;
            let agent = step.save(Agent { limits, ..agent })?;
            step.keep_meter(MeterKey::Agent(agent.fact.id))?;
            let entry = changed(Verb::AgentLimited, &by, Some(agent.reference()), &agent.fact.name);
            step.append(entry.detail("limits", words(&limits)).event())?;
            Ok(plane.show(step.world).agent(&agent.fact))
        })
        .await
    }

    /// Sets what all agents together may spend through a connection.
    pub async fn limit_connection(
        &self,
        who: &Acting<User>,
        which: &str,
        spec: LimitSpec,
    ) -> Result<ConnectionView, AdminError> {
        let (by, which, plane) = (Self::by(who), which.to_owned(), self.clone());
        self.change(who, move |step| {
            let connection = find_connection(step.world, &which)?;
            if !connection.is_live() {
                let message = format!("connection `{}` is removed", connection.name);
                return Err(AdminError::new(AdminKind::Conflict, message));
            }
            let limits = limited(connection.limits, &spec)?;
            let connection = step.save(Connection { limits, ..connection })?;
            step.keep_meter(MeterKey::Connection(connection.fact.id))?;
            let label = &connection.fact.name;
            let entry = changed(Verb::ConnectionLimited, &by, Some(connection.reference()), label);
            step.append(entry.detail("limits", words(&limits)).event())?;
            Ok(plane.show(step.world).connection(&connection.fact))
        })
        .await
    }
}

fn limited(old: Limits, spec: &LimitSpec) -> Result<Limits, AdminError> {
    let limits = if spec.clear { spec.limits } else { old.overlaid(spec.limits) };
    must_make_sense(&limits)?;
    Ok(limits)
}

/// Refuses limits that say nothing, or that no record could hold.
pub(crate) fn must_make_sense(limits: &Limits) -> Result<(), AdminError> {
    let invalid = |message: &str| Err(AdminError::new(AdminKind::Invalid, message));
    if limits.burst.is_some() && limits.calls_per_minute.is_none() {
        return invalid("a burst is part of a rate: name the calls in a minute as well");
    }
    if limits.calls.into_iter().chain(limits.bytes).any(|most| most > MOST) {
        return invalid("a limit is at most 2^53");
    }
    Ok(())
}

/// The limits in the words of an entry's details.
pub(crate) fn words(limits: &Limits) -> String {
    let lines = limits.lines(Period::Day);
    if lines.is_empty() { "none".to_owned() } else { lines.join("; ") }
}
