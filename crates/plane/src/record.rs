//! Stage 8, `record`: is it durable? Only then is there a [`Permit`].
//!
//! Inside the sequencer everything is looked at once more: whoever changed a fact since the
//! decision was made was there first, and the road is walked again.

mod no;
mod question;

use std::sync::Arc;

use marque_domain::{
    Answer, Approval, Code, Connection, Decision, Digest, Event, Grant, Id, Operation, Refusal,
    Revised, Stage, Tier,
};
use marque_store::Intent;

pub(crate) use no::{behind, hold, refuse, refuse_early, replayed, unwritable};

use crate::allowance::Allowance;
use crate::broker::Named;
use crate::draft::Draft;
use crate::failure::Failure;
use crate::laps::Laps;
use crate::lease::Lease;
use crate::live::LiveRun;
use crate::mandate::{self, Mandated};
use crate::oauth::{self, Bound, Mint, Use};
use crate::plane::Plane;
use crate::run::{self, Standing};
use crate::sequence::Durability;
use crate::spending::{self, Spending, Unspent};
use crate::step::{Appended, Step};
use crate::world::{Shelved, Unusable, World};

/// The unforgeable right to one act. Neither `Clone` nor `Deserialize`; consumed by value.
///
/// It exists only once its decision is durable at [`Permit::index`], and it is for one operation,
/// one revision of one credential, one run.
#[must_use = "a permit that is dropped leaves an intent without an act"]
pub struct Permit {
    decision: Id<Decision>,
    index: u64,
    leaf: Digest,
    operation: Digest,
    run_revision: u64,
    live: Arc<LiveRun>,
    connection: Arc<Revised<Connection>>,
    named: Option<Named>,
    portion: Option<u64>,
    token: Option<Box<Mint>>,
}

impl Permit {
    /// The decision it stands on.
    pub fn decision(&self) -> Id<Decision> {
        self.decision
    }

    /// The index of the durable entry.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The hash of that entry as a leaf of the log.
    pub fn leaf(&self) -> Digest {
        self.leaf
    }

    /// The digest of the one operation it is for.
    pub fn operation(&self) -> Digest {
        self.operation
    }

    /// The revision of the run it was given to.
    pub fn run_revision(&self) -> u64 {
        self.run_revision
    }

    /// The token it is for, and whose run that is of; `None` of a permit for anything else.
    pub(crate) fn mint(self) -> Option<(Box<Mint>, Arc<LiveRun>)> {
        self.token.map(|token| (token, self.live))
    }

    /// Whether it is for signing a token.
    pub(crate) fn is_for_token(&self) -> bool {
        self.token.is_some()
    }

    pub(crate) fn redeem(self, plane: &Plane) -> (Arc<Revised<Connection>>, Option<Named>, Lease) {
        let allowance =
            self.portion.map(|portion| Allowance::new(plane.clone(), self.decision, portion));
        let lease = Lease::new(plane.clone(), self.live, self.decision, allowance);
        (self.connection, self.named, lease)
    }
}

/// What the first seven stages let through.
pub(crate) struct Cleared {
    pub(crate) announced_bytes: u64,
    pub(crate) live: Arc<LiveRun>,
    pub(crate) standing: Standing,
    pub(crate) mandated: Mandated,
    pub(crate) named: Option<Named>,
    pub(crate) approval: Option<Arc<Revised<Approval>>>,
    /// What it is bound to, where it came by the token service.
    pub(crate) bound: Bound,
}

/// Why there is no permit after all.
pub(crate) enum Stop {
    /// A fact changed in between; the road must be walked again.
    Stale,
    /// No.
    Refused(Refusal),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Refused(unwritable(&failure))
    }
}

/// Why nothing was recorded, as far as is known.
enum Unmade {
    Stop(Stop),
    Failed(Failure),
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Stop> for Unmade {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Unspent> for Unmade {
    fn from(unspent: Unspent) -> Self {
        match unspent {
            Unspent::Over(refusal) => Self::Stop(Stop::Refused(refusal)),
            Unspent::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// Makes the intent durable and gives the permit for it.
pub(crate) async fn allow(
    plane: &Plane,
    cleared: Cleared,
    draft: &mut Draft<'_>,
) -> Result<Permit, Stop> {
    draft.approval = cleared.approval.as_ref().map(|approval| approval.fact.id);
    let mut laps = Laps::start(plane.stopwatch());
    let durability = Durability::of(draft.operation().class);
    let tier_floor = plane.settings().tier_floor;
    let decision = plane.id();
    let cleared = Arc::new(cleared);
    let (inside, operation) = (Arc::clone(&cleared), draft.operation().clone());
    let intended = Event::Decided(Box::new(draft.decided(decision, Answer::Allowed)));
    let recorded = plane.sequencer().submit(durability, move |step| {
        must_be_unchanged(step, (&inside, &operation), tier_floor)?;
        use_all(step, &inside.bound.uses)?;
        let portion = spend(step, &inside, decision)?;
        consume(step, &inside, decision)?;
        let place = oauth::take_place(step, &inside.bound, inside.live.run)?;
        let appended = step.append(&intended)?;
        if inside.bound.token.is_none() {
            intend(step, &inside, (decision, appended))?;
        }
        Ok::<_, Unmade>((appended, portion, place))
    });
    let (appended, portion, place) = match heard(plane, recorded).await {
        Ok(recorded) => recorded,
        Err(Unmade::Stop(stop)) => return Err(stop),
        Err(Unmade::Failed(failure)) => {
            if cleared.bound.token.is_none()
                && matches!(failure, Failure::InDoubt | Failure::Silent)
            {
                // It may be on record all the same. Then its lease says that nothing came of it.
                drop(Lease::in_doubt(plane.clone(), Arc::clone(&cleared.live), decision));
            }
            return Err(failure.into());
        }
    };
    if cleared.live.is_cancelled() {
        // The run was cut while its entry waited for the disk. A lease says how the act went: it
        // did not. The road then says why.
        if cleared.bound.token.is_none() {
            drop(Lease::new(plane.clone(), Arc::clone(&cleared.live), decision, None));
        }
        return Err(Stop::Stale);
    }
    laps.passed(Stage::Record);
    plane.inner().allowed.increment(1);
    Ok(Permit {
        decision,
        index: appended.index,
        leaf: appended.leaf,
        operation: draft.digest,
        run_revision: cleared.standing.run.revision,
        live: Arc::clone(&cleared.live),
        connection: Arc::clone(&cleared.mandated.connection),
        named: cleared.named.clone(),
        portion,
        token: cleared.bound.token.clone().map(|token| token.placed(place)),
    })
}

// Every fact the decision rests on, at the revision it rests on, and no newer kill.
fn must_be_unchanged(
    step: &Step<'_, '_>,
    (cleared, operation): (&Cleared, &Operation),
    tier_floor: Tier,
) -> Result<(), Stop> {
    let world = &*step.world;
    let standing = &cleared.standing;
    let stands = is_current(world, &*standing.run)
        && standing.run.fact.is_open(step.now)
        && is_current(world, &*standing.agent)
        && is_current(world, &*standing.version)
        && is_current(world, &*standing.accountable)
        && standing.person.as_ref().is_none_or(|person| is_current(world, &**person))
        && is_current(world, &*cleared.mandated.connection)
        && cleared
            .mandated
            .grants
            .iter()
            .all(|grant| is_current(world, &**grant) && grant.fact.is_live(step.now))
        && cleared.named.as_ref().is_none_or(|named| is_current(world, &*named.credential))
        && cleared.approval.as_ref().is_none_or(|approval| is_current(world, &**approval))
        && cleared.bound.rests_on.iter().all(|token| world.tokens.revoked_until(*token).is_none());
    let is_covered = || is_still_covered(step, (cleared, operation), tier_floor);
    if stands && is_covered() { Ok(()) } else { Err(Stop::Stale) }
}

// A fact nobody used when the road was walked can forbid by now: a grant with a new `never` or that
// asks for a firmer tier, or a second connection at the endpoint.
fn is_still_covered(
    step: &Step<'_, '_>,
    (cleared, operation): (&Cleared, &Operation),
    tier_floor: Tier,
) -> bool {
    let (standing, then) = (&cleared.standing, &cleared.mandated);
    if run::must_be_held(step.world, standing, tier_floor, step.now).is_err() {
        return false;
    }
    let now = mandate::rule(step.world, standing, operation, step.now);
    now.is_ok_and(|now| {
        let ids = |grants: &[Arc<Revised<Grant>>]| -> Vec<_> {
            grants.iter().map(|grant| grant.fact.id).collect()
        };
        now.connection.fact.id == then.connection.fact.id
            && now.hold.is_some() == then.hold.is_some()
            && ids(&now.grants) == ids(&then.grants)
    })
}

fn is_current<T: Shelved>(world: &World, revised: &Revised<T>) -> bool {
    T::shelf(world).revision(revised.fact.id()) == revised.revision
}

fn spend(
    step: &mut Step<'_, '_>,
    cleared: &Cleared,
    decision: Id<Decision>,
) -> Result<Option<u64>, Unmade> {
    let run = &cleared.standing.run.fact;
    let connection = &cleared.mandated.connection.fact;
    let spending = Spending { run, connection, announced_bytes: cleared.announced_bytes };
    if cleared.bound.token.is_some() {
        // Its entry is all there is to it: nothing flows, and nothing is settled later.
        spending::once(step, &spending)?;
        return Ok(None);
    }
    Ok(spending::begin(step, decision, &spending)?)
}

// What a crash between this and the outcome leaves behind, and what the permit opens.
fn intend(
    step: &mut Step<'_, '_>,
    cleared: &Cleared,
    (decision, appended): (Id<Decision>, Appended),
) -> Result<(), Unmade> {
    let run = cleared.standing.run.fact.id;
    let replica = step.replica.to_owned();
    let intent = Intent { decision, run, index: appended.index, replica };
    step.tx.open_intent(&intent).map_err(Failure::from)?;
    give(step, cleared);
    Ok(())
}

// What is good once is used by this, whether it was for a yes or a no.
fn use_all(step: &mut Step<'_, '_>, uses: &[Use]) -> Result<(), Stop> {
    uses.iter().try_for_each(|one| step.use_once(one.digest, one.until)).map_err(|unusable| {
        Stop::Refused(match unusable {
            Unusable::Again => replayed(),
            Unusable::Full => Refusal::new(
                Code::Overloaded,
                "too many proofs were used lately to remember one more",
                "wait a minute and try again",
            ),
        })
    })
}

// What the permit opens must not come back in an answer, not after a restart of the server either.
fn give(step: &mut Step<'_, '_>, cleared: &Cleared) {
    let (run, slot) = (cleared.standing.run.fact.id, &cleared.mandated.connection.fact.slot);
    if let (Some(named), Some(slot)) = (&cleared.named, slot) {
        step.note_given(run, (named, slot));
    }
}

fn consume(
    step: &mut Step<'_, '_>,
    cleared: &Cleared,
    decision: Id<Decision>,
) -> Result<(), Unmade> {
    if let Some(approval) = &cleared.approval {
        let used = approval.fact.clone().consume(decision, step.now).map_err(|_| Stop::Stale)?;
        step.save(used)?;
    }
    Ok(())
}

// The answer, for as long as this server hears the others: nobody waits for a database as long as
// its connection may be silent.
async fn heard<R, E: From<Failure>>(
    plane: &Plane,
    recorded: impl Future<Output = Result<R, E>>,
) -> Result<R, E> {
    tokio::select! {
        biased;
        recorded = recorded => recorded,
        () = plane.lost() => Err(Failure::Silent.into()),
    }
}
