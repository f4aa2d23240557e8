//! The road: the one function every act passes, in one order, on one screen.
//!
//! Parents branch, leaves compute: each stage is the sibling file of its name. Stages 1 to 7 look
//! at one immutable world and touch nothing; stage 8 makes the answer durable.

use marque_domain::{Code, Operation, Refusal, Stage};

use crate::caller::Presented;
use crate::draft::Draft;
use crate::laps::Laps;
use crate::plane::Plane;
use crate::record::{Cleared, Permit, Stop};
use crate::world::World;
use crate::{broker, caller, limits, mandate, policy, record, run, trust};

/// How often the road is walked anew because a fact changed under it.
const ROUNDS: usize = 4;

/// One question to the road.
pub struct Ask {
    /// What proves who asks.
    pub presented: Presented,
    /// What is asked for.
    pub operation: Operation,
    /// How long the request says its body is; 0 where it does not.
    pub announced_bytes: u64,
}

/// What the road would answer, had it been asked in earnest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// Yes.
    WouldPass,
    /// Ask a human: whoever asks in earnest must have read the body.
    WouldHold,
    /// No.
    WouldRefuse(Refusal),
}

/// Walks the road. The only way to a [`Permit`]; every answer is recorded, refusals too.
pub(crate) async fn decide(plane: &Plane, ask: Ask) -> Result<Permit, Refusal> {
    let mut draft = Draft::new(&ask.operation, plane.now());
    for _ in 0..ROUNDS {
        let world = plane.world();
        let refusal = match walk(plane, &world, &ask, &mut draft) {
            Ok(cleared) => match draft.hold.take() {
                Some(hold) if cleared.approval.is_none() => {
                    let run = cleared.standing.run.fact.id;
                    let uses = ask.presented.uses();
                    return Err(Box::pin(record::hold(plane, &draft, (run, uses), hold)).await);
                }
                _ => match record::allow(plane, cleared, &mut draft).await {
                    Ok(permit) => return Ok(permit),
                    Err(Stop::Stale) => {
                        draft = Draft::new(&ask.operation, plane.now());
                        continue;
                    }
                    Err(Stop::Refused(refusal)) => refusal,
                },
            },
            Err(refusal) => refusal,
        };
        return Err(record::refuse(plane, &draft, ask.presented.uses(), refusal).await);
    }
    let message = "the facts of this decision kept changing while it was made";
    let refusal = Refusal::new(Code::FactsChanged, message, "try again");
    Err(record::refuse(plane, &draft, ask.presented.uses(), refusal).await)
}

/// What [`decide`] would answer now. Records nothing and gives nothing.
pub(crate) fn preview(plane: &Plane, ask: &Ask) -> Preview {
    let mut draft = Draft::new(&ask.operation, plane.now());
    match walk(plane, &plane.world(), ask, &mut draft) {
        Ok(_) if draft.hold.is_some() => Preview::WouldHold,
        Ok(_) => Preview::WouldPass,
        Err(refusal) => Preview::WouldRefuse(refusal),
    }
}

// Stages 1 to 7, in `Stage` order. Whatever is known when one refuses stays in the draft.
fn walk(
    plane: &Plane,
    world: &World,
    ask: &Ask,
    draft: &mut Draft<'_>,
) -> Result<Cleared, Refusal> {
    let operation = &ask.operation;
    let now = draft.now;
    let mut laps = Laps::start(plane.stopwatch());

    let live = caller::prove(world, plane.machine_key(), &ask.presented)?;
    laps.passed(Stage::Caller);

    let standing = run::stand_held(world, live.run, plane.settings().tier_floor, now);
    let standing = standing.inspect_err(|_| draft.asked_by(world, live.run))?;
    draft.stood(&standing);
    ask.presented.must_still_hold(world, now)?;
    laps.passed(Stage::Run);

    let mandated = mandate::rule(world, &standing, operation, now);
    let mandated = mandated.map_err(|uncovered| draft.left_uncovered(*uncovered))?;
    draft.covered_by(&mandated);
    ask.presented.must_cover(operation)?;
    laps.passed(Stage::Mandate);

    let inputs = trust::inputs(world, &standing);
    let score = trust::score(&inputs);
    draft.weighed(inputs, score.clone());

    // ORDER: policies come before trust is judged, so that what the organisation forbids reads as
    // forbidden and never as a question to a human.
    let judged = policy::judge(world, &standing, &mandated, &score, (operation, now));
    draft.judged(judged.rules, judged.digest);
    draft.hold(judged.hold?);
    laps.passed(Stage::Policy);

    let floor = plane.settings().trust_floor;
    draft.hold(trust::weigh(&score, &mandated, floor, operation.class)?);
    laps.passed(Stage::Trust);

    // ORDER: limits come after trust, so that an untrusted run cannot burn its owner's budget.
    let (run, over) = (&standing.run.fact, &mandated.connection.fact);
    let reserved = limits::reserve(world, run, over, ask.announced_bytes, now)?;
    draft.meter = Some(reserved.before);
    laps.passed(Stage::Limits);

    let named = broker::name(world, &mandated.connection.fact)?;
    draft.served_by(named.as_ref());
    laps.passed(Stage::Broker);

    // ORDER: a hold is answered last of all, so that no human is asked for what would be refused
    // anyway. An approval lifts a hold and nothing else.
    let approval = draft.hold.as_ref().and_then(|_| draft.approved(world, &standing, now));
    let bound = ask.presented.bind(world, &standing, approval.as_deref(), now)?;
    draft.mints(bound.token.as_deref());
    let announced_bytes = ask.announced_bytes;
    Ok(Cleared { announced_bytes, live, standing, mandated, named, approval, bound })
}
