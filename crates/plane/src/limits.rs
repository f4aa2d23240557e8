//! Stage 6, `limits`: is there budget?
//!
//! What this stage computes is checked again where it is spent, inside the sequencer.

use marque_domain::limits::{OverLimit, spend};
use marque_domain::portion::{self, Portion};
use marque_domain::{Code, Connection, Id, Limits, Meter, Refusal, Run, Timestamp};

use crate::world::{MeterKey, World};

/// The meters a call moves, as they will stand after it.
pub(crate) struct Reserved {
    pub(crate) meters: Vec<(MeterKey, Meter)>,
    /// The run's own meter before the call.
    pub(crate) before: Meter,
    /// Bytes reserved in each of the meters; none where nobody limits them.
    pub(crate) portion: Option<u64>,
}

/// What one more call of the run through the connection would come to, whose body has the announced
/// length.
///
/// A call of a child run also counts against every run above it and against their agents: opening
/// children buys nothing. One of a hop counts against whoever presented for it as well, so that
/// tokens of others buy nothing either.
pub(crate) fn reserve(
    world: &World,
    run: &Run,
    connection: &Connection,
    announced_bytes: u64,
    now: Timestamp,
) -> Result<Reserved, Refusal> {
    let keys = counted(world, run, connection);
    let mut meters = Vec::with_capacity(keys.len());
    let mut binds = false;
    for key in &keys {
        let limits = limits_of(world, *key);
        let spent = spend(&limits, &world.meter_at(*key, now), now);
        let meter = spent.map_err(|over| refusal(world, (*key, run.id), &over))?;
        meters.push((*key, meter));
        binds |= limits.bytes.is_some();
    }
    let wanted = Portion::first(announced_bytes);
    let granted = binds.then(|| grant(world, (&keys, run.id), wanted, now)).transpose()?;
    let bytes = granted.unwrap_or(0);
    let meters = meters.into_iter().map(|(key, meter)| (key, meter.reserved(bytes))).collect();
    Ok(Reserved { meters, before: world.meter(MeterKey::Run(run.id)), portion: granted })
}

/// How many bytes all those meters have for one call of the run.
pub(crate) fn grant(
    world: &World,
    (keys, run): (&[MeterKey], Id<Run>),
    wanted: Portion,
    now: Timestamp,
) -> Result<u64, Refusal> {
    keys.iter().try_fold(wanted.most, |granted, key| {
        let meter = world.meter_at(*key, now);
        let portion = portion::reserve(&limits_of(world, *key), &meter, wanted);
        let portion = portion.map_err(|over| refusal(world, (*key, run), &over))?;
        Ok(granted.min(portion))
    })
}

/// The limits of whoever that meter is of.
pub(crate) fn limits_of(world: &World, key: MeterKey) -> Limits {
    let limits = match key {
        MeterKey::Run(id) => world.runs.get(id).map(|run| run.fact.limits),
        MeterKey::Agent(id) => world.agents.get(id).map(|agent| agent.fact.limits),
        MeterKey::Connection(id) => world.connections.get(id).map(|found| found.fact.limits),
        MeterKey::Strangers
        | MeterKey::Refusals(_)
        | MeterKey::ClientRefusals(_)
        | MeterKey::ResourceRefusals(_)
        | MeterKey::Factors => None,
    };
    limits.unwrap_or_default()
}

// Every meter once, the narrowest first.
fn counted(world: &World, run: &Run, connection: &Connection) -> Vec<MeterKey> {
    let mut keys = Vec::with_capacity(run.chain.actors.len() * 2 + 1);
    let mut agents = Vec::with_capacity(run.chain.actors.len());
    let mut chains = vec![&run.chain];
    while let Some(chain) = chains.pop() {
        for actor in chain.actors.iter().rev() {
            let agent = MeterKey::Agent(actor.agent);
            if !agents.contains(&agent) {
                agents.push(agent);
            }
            let key = MeterKey::Run(actor.run);
            let Some(known) = world.runs.get(actor.run).filter(|_| !keys.contains(&key)) else {
                continue;
            };
            keys.push(key);
            let presenter = known.fact.presenter().and_then(|run| world.runs.get(run));
            chains.extend(presenter.map(|presenter| &presenter.fact.chain));
        }
    }
    keys.extend(agents);
    keys.push(MeterKey::Connection(connection.id));
    keys
}

fn refusal(world: &World, (key, run): (MeterKey, Id<Run>), over: &OverLimit) -> Refusal {
    let whose = whose(world, key, run);
    match over {
        OverLimit::Rate { wait_millis, .. } => Refusal::new(
            Code::RateSpent,
            format!("{whose} is too fast: {over}"),
            format!("wait {} s and try again", wait_millis.div_ceil(1_000).max(1)),
        ),
        OverLimit::Calls { .. } => Refusal::new(
            Code::CallsSpent,
            format!("{whose} has no calls left: {over}"),
            remedy(world, key, ("--limit-calls", "--calls-per-day N")),
        ),
        OverLimit::Bytes { .. } => Refusal::new(
            Code::BytesSpent,
            format!("{whose} has too few bytes left: {over}"),
            remedy(world, key, ("--limit-bytes", "--bytes-per-day SIZE")),
        ),
    }
}

fn whose(world: &World, key: MeterKey, run: Id<Run>) -> String {
    match key {
        MeterKey::Run(id) if id == run => "this run".to_owned(),
        MeterKey::Agent(_) | MeterKey::Connection(_) => named(world, key)
            .map_or_else(|| "its agent".to_owned(), |(noun, name)| format!("{noun} `{name}`")),
        _ => "a run above this one, or one that presented for it,".to_owned(),
    }
}

fn remedy(world: &World, key: MeterKey, (of_run, by_day): (&str, &str)) -> String {
    match named(world, key) {
        Some((noun, name)) => format!(
            "wait for the next day (UTC), or have a human raise it: `marque {noun} limit {name} \
             {by_day}`"
        ),
        None => format!("open another run with a larger `{of_run}`"),
    }
}

fn named(world: &World, key: MeterKey) -> Option<(&'static str, String)> {
    match key {
        MeterKey::Agent(id) => {
            world.agents.get(id).map(|agent| ("agent", agent.fact.name.to_string()))
        }
        MeterKey::Connection(id) => {
            world.connections.get(id).map(|found| ("connection", found.fact.name.to_string()))
        }
        _ => None,
    }
}
