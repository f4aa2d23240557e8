//! Spending: what stage 6 computed, done inside the sequencer, and what comes of it later.
//!
//! A call that is allowed spends at once, reserves more while its bodies flow, and settles with its
//! outcome. A call whose outcome a crash swallowed keeps what it reserved: nobody guesses in its
//! favour.
//!
//! A day's count begins anew with what is spent on the new day, and with nothing else: an outcome
//! that comes after midnight, by a clock that then steps back, must not give the day before twice.

use std::sync::Arc;

use marque_domain::portion::{Holding, Portion};
use marque_domain::{Connection, Decision, Id, Refusal, Run, RunState};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::limits::{self, Reserved};
use crate::step::Step;
use crate::world::MeterKey;

/// What one call under way has reserved, in every meter it moves.
#[derive(Serialize, Deserialize)]
pub(crate) struct Held {
    run: Id<Run>,
    meters: Vec<(MeterKey, Holding)>,
}

/// Why a call spends nothing.
pub(crate) enum Unspent {
    /// There is no budget.
    Over(Refusal),
    /// The store failed.
    Failed(Failure),
}

/// What a call is about to spend on.
pub(crate) struct Spending<'a> {
    pub(crate) run: &'a Run,
    pub(crate) connection: &'a Connection,
    pub(crate) announced_bytes: u64,
}

/// Spends one call and reserves its first portion, which is answered where bytes are limited.
pub(crate) fn begin(
    step: &mut Step<'_, '_>,
    decision: Id<Decision>,
    spending: &Spending<'_>,
) -> Result<Option<u64>, Unspent> {
    let Spending { run, connection, announced_bytes } = *spending;
    let reserved = limits::reserve(step.world, run, connection, announced_bytes, step.now);
    let Reserved { meters, portion, .. } = reserved.map_err(Unspent::Over)?;
    let bytes = portion.unwrap_or(0);
    let mut held = Vec::with_capacity(meters.len());
    for (key, meter) in meters {
        step.put_meter(key, meter).map_err(Unspent::Failed)?;
        held.push((key, Holding::default().and(bytes, &meter)));
    }
    step.hold(decision, Arc::new(Held { run: run.id, meters: held }));
    Ok(portion)
}

/// Spends one call of which nothing flows and nothing is settled.
pub(crate) fn once(step: &mut Step<'_, '_>, spending: &Spending<'_>) -> Result<(), Unspent> {
    let Spending { run, connection, .. } = *spending;
    let reserved = limits::reserve(step.world, run, connection, 0, step.now);
    let Reserved { meters, portion, .. } = reserved.map_err(Unspent::Over)?;
    for (key, meter) in meters {
        let holding = Holding::default().and(portion.unwrap_or(0), &meter);
        step.put_meter(key, meter.settled(&holding, 0)).map_err(Unspent::Failed)?;
    }
    Ok(())
}

/// Reserves more for a call under way; nothing is done where that is refused.
pub(crate) fn more(
    step: &mut Step<'_, '_>,
    decision: Id<Decision>,
    wanted: Portion,
) -> Result<Result<u64, Refusal>, Failure> {
    let Some(held) = step.world.held(decision).cloned() else {
        return Ok(Err(over()));
    };
    // Of a run that is over, and forgotten after a while, no limit would be known any more.
    if step.world.runs.get(held.run).is_none_or(|run| run.fact.state != RunState::Open) {
        return Ok(Err(over()));
    }
    let keys: Vec<_> = held.meters.iter().map(|(key, _)| *key).collect();
    let granted = match limits::grant(step.world, (&keys, held.run), wanted, step.now) {
        Ok(granted) => granted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut meters = Vec::with_capacity(held.meters.len());
    for (key, holding) in &held.meters {
        let binds = limits::limits_of(step.world, *key).bytes.is_some();
        let meter =
            if binds { step.world.meter_at(*key, step.now) } else { step.world.meter(*key) };
        let meter = meter.reserved(granted);
        step.put_meter(*key, meter)?;
        meters.push((*key, holding.and(granted, &meter)));
    }
    step.hold(decision, Arc::new(Held { run: held.run, meters }));
    Ok(Ok(granted))
}

/// Ends what a call holds: the meters then have exactly the bytes it spent.
pub(crate) fn settle(
    step: &mut Step<'_, '_>,
    decision: Id<Decision>,
    spent_bytes: u64,
) -> Result<(), Failure> {
    let Some(held) = step.release(decision) else { return Ok(()) };
    for (key, holding) in &held.meters {
        let meter = step.world.meter(*key).settled(holding, spent_bytes);
        step.put_meter(*key, meter)?;
    }
    Ok(())
}

// Its outcome was recorded before its last bytes asked for room.
fn over() -> Refusal {
    let message = "the call is over, and no more bytes can be reserved for it";
    Refusal::new(marque_domain::Code::BytesSpent, message, "send the request again")
}
