//! Stage 6, `limits`: is there budget?
//!
//! What this stage computes is checked again where it is spent, inside the sequencer.

use marque_domain::limits::{OverLimit, spend};
use marque_domain::{Code, Connection, Limits, Meter, Refusal, Run, Timestamp};

use crate::world::{MeterKey, World};

/// The meters a call moves, as they will stand after it.
pub(crate) struct Reserved {
    pub(crate) meters: Vec<(MeterKey, Meter)>,
    /// The run's own meter before the call.
    pub(crate) before: Meter,
}

/// What one more call of the run through the connection would come to.
///
/// A call of a child run also counts against every run above it: opening children buys nothing.
pub(crate) fn reserve(
    world: &World,
    run: &Run,
    connection: &Connection,
    now: Timestamp,
) -> Result<Reserved, Refusal> {
    let mut meters = Vec::with_capacity(run.chain.actors.len() + 1);
    for actor in &run.chain.actors {
        if let Some(acting) = world.runs.get(actor.run) {
            let whose = if actor.run == run.id { "this run" } else { "a run above this one" };
            let key = MeterKey::Run(actor.run);
            meters.push(one(world, (key, &acting.fact.limits, whose), now)?);
        }
    }
    let key = MeterKey::Connection(connection.id);
    meters.push(one(world, (key, &connection.limits, "this connection"), now)?);
    Ok(Reserved { meters, before: world.meter(MeterKey::Run(run.id)) })
}

fn one(
    world: &World,
    (key, limits, whose): (MeterKey, &Limits, &str),
    now: Timestamp,
) -> Result<(MeterKey, Meter), Refusal> {
    let spent = spend(limits, &world.meter(key), now);
    spent.map(|meter| (key, meter)).map_err(|over| refusal(&over, whose))
}

fn refusal(over: &OverLimit, whose: &str) -> Refusal {
    match over {
        OverLimit::Rate { wait_millis, .. } => Refusal::new(
            Code::RateSpent,
            format!("{whose} is too fast: {over}"),
            format!("wait {} s and try again", wait_millis.div_ceil(1_000).max(1)),
        ),
        OverLimit::Calls { .. } => Refusal::new(
            Code::CallsSpent,
            format!("{whose} has no calls left: {over}"),
            "open another run with a larger `--limit-calls`",
        ),
    }
}
