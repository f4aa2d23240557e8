//! Stage 5, `trust`: is the run trusted enough for this?

use marque_domain::{Class, Code, Refusal, TrustInputs, TrustLevel, TrustScore, trust};

use crate::mandate::Mandated;
use crate::run::Standing;
use crate::world::World;

/// What trust is computed from, as the world stands. Stage 4 shows it to policies, stage 5 judges.
pub(crate) fn inputs(world: &World, standing: &Standing) -> TrustInputs {
    // A child starts with what the runs above it were refused: opening one sheds nothing.
    let actors = &standing.run.fact.chain.actors;
    let refusals = actors.iter().map(|actor| world.refusals(actor.run)).max();
    TrustInputs {
        tier: Some(standing.run.fact.tier),
        user_namespaces: Some(standing.run.fact.user_namespaces),
        version_approved: Some(standing.version.fact.is_approved()),
        owner_present: Some(standing.owner_present),
        refusals,
    }
}

/// The score those inputs make.
pub(crate) fn score(inputs: &TrustInputs) -> TrustScore {
    trust::score(inputs)
}

/// Whether the score carries the operation. `Ok(Some)` is a hold.
pub(crate) fn weigh(
    score: &TrustScore,
    mandated: &Mandated,
    organisation_floor: u8,
    class: Class,
) -> Result<Option<Refusal>, Refusal> {
    let floor = organisation_floor.max(mandated.connection.fact.trust_floor);
    let table = || -> String {
        let part =
            |part: &trust::Contribution| format!("{} {}/{}", part.input, part.points, part.of);
        score.contributions.iter().map(part).collect::<Vec<_>>().join(", ")
    };
    if score.score < floor || score.level == TrustLevel::Untrusted {
        return Err(Refusal::new(
            Code::BelowFloor,
            format!("the run's trust is {} of at least {floor}: {}", score.score, table()),
            "open another run in a stronger tier, or have a human look at what it did",
        ));
    }
    let asks = score.level == TrustLevel::Pending && class != Class::Read;
    Ok(asks.then(|| {
        Refusal::new(
            Code::TrustNeedsApproval,
            format!("at trust {} a human answers for every change: {}", score.score, table()),
            "a human answers with `marque approval give`, then the same request goes through once",
        )
    }))
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
