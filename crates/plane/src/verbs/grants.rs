//! Grants: giving an agent its standing ceiling, and taking it away.

use std::time::Duration;

use marque_domain::grant::GrantState;
use marque_domain::{Grant, Id, Sorted, User, Verb};

use super::agents::find_agent;
use super::{Detailed, changed, lines};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::spec::GrantSpec;
use crate::view::GrantView;

/// The longest a grant may last.
const LONGEST: Duration = Duration::from_secs(3_653 * 86_400);

impl Plane {
    /// Lets an agent do what the lines say, until a date.
    pub async fn add_grant(
        &self,
        who: &Acting<User>,
        spec: GrantSpec,
    ) -> Result<GrantView, AdminError> {
        let (by, plane) = (Self::by(who), self.clone());
        let mut openers: Sorted<Id<User>> =
            spec.openers.iter().map(|name| self.user_named(name)).collect::<Result<_, _>>()?;
        if openers.is_empty() {
            openers = [by.id].into();
        }
        self.change(who, move |step| {
            let agent = find_agent(step.world, spec.agent.as_str())?;
            let authority = lines::read(step.world, &spec.lines)?;
            if authority.is_empty() && authority.never.is_empty() {
                return Err(AdminError::new(AdminKind::Invalid, "a grant has at least one line")
                    .hint("for example `--allow 'status:read /v1/**'`"));
            }
            if spec.until <= step.now {
                let message = format!("{} is over already", spec.until);
                return Err(AdminError::new(AdminKind::Invalid, message));
            }
            if spec.until > step.now.plus(LONGEST) {
                return Err(AdminError::new(AdminKind::Invalid, "a grant ends within ten years"));
            }
            let grant = step.save(Grant {
                id: step.id(),
                agent: agent.id,
                given_by: by.id,
                given_at: step.now,
                openers: openers.clone(),
                authority,
                tier_floor: spec.tier_floor,
                user_namespaces: spec.user_namespaces,
                until: spec.until,
                state: GrantState::Live,
            })?;
            let authority = &grant.fact.authority;
            let entry = changed(Verb::GrantAdded, &by, Some(grant.reference()), &agent.name)
                .detail("allow", lines::joined(&authority.allow))
                .detail("ask", lines::joined(&authority.ask))
                .detail("never", lines::joined(&authority.never))
                .detail("until", grant.fact.until);
            let entry = match grant.fact.tier_floor {
                Some(tier) => entry.detail("tier", tier),
                None => entry,
            };
            let may_nest = grant.fact.user_namespaces;
            let entry = if may_nest { entry.detail("user_namespaces", "allowed") } else { entry };
            step.append(entry.event())?;
            Ok(plane.show(step.world).grant(&grant.fact))
        })
        .await
    }

    /// Every grant, or those of one agent, oldest first.
    pub fn grants(
        &self,
        _who: &Acting<User>,
        agent: Option<&str>,
    ) -> Result<Vec<GrantView>, AdminError> {
        let world = self.world();
        let agent = agent.map(|which| find_agent(&world, which)).transpose()?;
        let mut grants: Vec<_> = world
            .grants
            .all()
            .filter(|grant| agent.as_ref().is_none_or(|agent| grant.fact.agent == agent.id))
            .map(|grant| self.show(&world).grant(&grant.fact))
            .collect();
        grants.sort_by_key(|grant| grant.id);
        Ok(grants)
    }

    /// Ends a grant. What open runs did under it is refused from the next call on.
    pub async fn revoke_grant(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<GrantView, AdminError> {
        let (by, plane, which) = (Self::by(who), self.clone(), which.to_owned());
        self.change(who, move |step| {
            let found = which.parse().ok().and_then(|id| step.world.grants.get(id));
            let grant = found
                .map(|grant| grant.fact.clone())
                .ok_or_else(|| AdminError::not_found("grant", &which, "marque grant list"))?;
            let revoked =
                grant.revoke(by.id, step.now).map_err(|error| AdminError::conflict(&error))?;
            let grant = step.save(revoked)?;
            let agent = step.world.agents.get(grant.fact.agent);
            let label = agent.map_or_else(String::new, |agent| agent.fact.name.to_string());
            let entry = changed(Verb::GrantRevoked, &by, Some(grant.reference()), label);
            step.append(entry.event())?;
            Ok(plane.show(step.world).grant(&grant.fact))
        })
        .await
    }
}
