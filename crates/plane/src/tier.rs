//! Floors of tiers: how firmly a run must at least be held, and who asks for it.
//!
//! The organisation, the live grants of every agent of the chain and the mandate each can ask; the
//! firmest counts. Used when a run is opened and again on every call.

use marque_domain::{Agent, Code, Grant, Id, Refusal, Tier, Timestamp};

use crate::world::World;

/// The least tier a run may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Floor {
    tier: Tier,
    asked_by: AskedBy,
}

/// Who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedBy {
    Organisation,
    Grant(Id<Grant>),
    Mandate,
}

impl Floor {
    /// What the organisation asks of every run.
    pub(crate) fn of_organisation(tier: Tier) -> Self {
        Self { tier, asked_by: AskedBy::Organisation }
    }

    /// The same, and what the live grants of those agents ask. A grant asks whoever opens the run:
    /// like a line that forbids, it takes away from all.
    pub(crate) fn with_grants(
        self,
        world: &World,
        agents: impl IntoIterator<Item = Id<Agent>>,
        now: Timestamp,
    ) -> Self {
        let grants = agents.into_iter().flat_map(|agent| world.live_grants(agent, now));
        grants.fold(self, |floor, grant| {
            floor.and(grant.fact.tier_floor, AskedBy::Grant(grant.fact.id))
        })
    }

    /// The same, and what the mandate asks.
    pub(crate) fn with_mandate(self, tier: Option<Tier>) -> Self {
        self.and(tier, AskedBy::Mandate)
    }

    fn and(self, tier: Option<Tier>, asked_by: AskedBy) -> Self {
        tier.filter(|tier| *tier > self.tier).map_or(self, |tier| Self { tier, asked_by })
    }

    /// Whether a run that is held like that is held firmly enough.
    pub(crate) fn judge(self, held: Tier) -> Result<(), Refusal> {
        if held >= self.tier {
            return Ok(());
        }
        let Self { tier, asked_by } = self;
        let who = match asked_by {
            AskedBy::Organisation => "the organisation (`run.tier_floor`) asks".to_owned(),
            AskedBy::Grant(grant) => format!("grant `{grant}` asks"),
            AskedBy::Mandate => "the mandate asks".to_owned(),
        };
        let needs = match tier {
            Tier::Advisory => "any machine gives it",
            Tier::Confined => "it takes Linux with Landlock and seccomp",
            Tier::Captured => "it takes Linux that lets users make namespaces",
        };
        Err(Refusal::new(
            Code::TierBelowFloor,
            format!("the run is {held}, and {who} for {tier}"),
            format!("open the run on a machine that gives the tier `{tier}`: {needs}"),
        ))
    }
}

#[cfg(test)]
#[path = "tier_tests.rs"]
mod tests;
