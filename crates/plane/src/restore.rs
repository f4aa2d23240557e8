//! Restore: an older copy of the store is taken as it is, and made safe.
//!
//! What was taken away since the copy was made is not known: a revoked grant is live in it, a
//! killed run is open. So everything in force in it is off until a human turns it on again. This
//! only narrows, and is recorded, so that it needs no factor.

use marque_domain::event::Restored;
use marque_domain::{Agent, Approval, Digest, Event, Id, Name, Run, RunState};
use marque_store::Store;
use serde::Serialize;

use crate::plane::{Parts, Plane};
use crate::replicas::{self, Runs};
use crate::seen::{self, Restoration, Seen};
use crate::start::{Begun, StartError, must_be_its_keys};
use crate::step::Step;
use crate::verbs::{clients, issuers};
use crate::world::World;

/// Epochs left out: more than starts can have been lost with what came after the copy. A server
/// that still runs must not find its own epoch given again.
const EPOCHS: u64 = 1_000_000;

/// What taking an older copy did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredView {
    /// Which restoration of this plane it is, from 1.
    pub number: u64,
    /// Entries that were found.
    pub found: u64,
    /// Their root.
    pub root: Digest,
    /// The most that were seen here before, if anybody remembers.
    pub seen: Option<Seen>,
    /// Agents that are suspended by it, by name.
    pub agents: Vec<Name>,
    /// Runs that are closed by it.
    pub runs: Vec<Id<Run>>,
    /// Approvals that lapse, waiting or given.
    pub approvals: Vec<Id<Approval>>,
    /// What is to be remembered of the store now; nothing of a rehearsal.
    pub head: Option<Seen>,
}

impl Plane {
    /// Takes an older copy of the store as it is: suspends every active agent, closes every run,
    /// lapses every approval, and records that. No server may run on it meanwhile.
    ///
    /// Whether anybody remembers more of the store is recorded, and makes no difference: a copy on
    /// a new machine has no witness.
    pub fn restore(store: Store, parts: Parts) -> Result<RestoredView, StartError> {
        must_be_alone(&store, Some(store.replica()))?;
        let witnesses = parts.seen.clone();
        let syncer = store.syncer()?;
        let mut begun = Begun::on(&store, &parts, None)?;
        let view = begun.committer.commit_alone(move |step| take(step, &witnesses))?;
        // Nobody syncs after us.
        drop(begun);
        syncer.sync()?;
        Ok(view)
    }

    /// What [`Plane::restore`] would do. Changes nothing; the store may be open for reading only.
    pub fn would_restore(store: &Store, parts: &Parts) -> Result<RestoredView, StartError> {
        must_be_alone(store, None)?;
        must_be_its_keys(store, parts)?;
        let beginning = Begun::look(store, parts)?;
        let number = number(&store.read("restored", seen::restorations)?, &parts.seen);
        let head = (beginning.head.size(), beginning.head.root());
        must_be_claimed(head.0)?;
        Ok(view(&beginning.world, number, head, &parts.seen))
    }
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method by itself is not general over the transaction's lifetime"
)]
fn must_be_alone(store: &Store, own: Option<&str>) -> Result<(), StartError> {
    let living = store.read("restored.living", |tx| tx.living())?;
    match living.into_iter().find(|name| own != Some(name)) {
        Some(name) => Err(StartError::StillServed(name)),
        None => Ok(()),
    }
}

// INVARIANT: nothing is recorded before the claim, which is entry 0.
fn must_be_claimed(size: u64) -> Result<(), StartError> {
    if size > 0 { Ok(()) } else { Err(StartError::NothingToRestore) }
}

fn take(step: &mut Step<'_, '_>, witnesses: &[Seen]) -> Result<RestoredView, StartError> {
    let found = (step.head.size(), step.head.root());
    must_be_claimed(found.0)?;
    let number = number(&seen::restorations(step.tx)?, witnesses);
    let view = view(step.world, number, found, witnesses);
    let (mut agents, now) = (Vec::new(), step.now);
    let active = active(step.world).into_iter();
    for agent in active.filter_map(|agent| agent.suspend_restored(now).ok()) {
        agents.push(step.save(agent)?.reference());
    }
    seen::put_restoration(step.tx, Restoration { number, at: found.0 })?;
    let epoch = step.tx.skip_epochs(EPOCHS)?;
    step.append(Event::Restored(Box::new(Restored {
        number,
        root: found.1,
        seen_size: view.seen.map(|seen| seen.size),
        seen_root: view.seen.map(|seen| seen.root),
        epoch,
        agents,
        runs: view.runs.len() as u64,
        approvals: view.approvals.len() as u64,
    })))?;
    let taken = replicas::take_up(step, None)?;
    replicas::close_behind(step, None, &taken, Runs::CloseAll)?;
    // What was taken away of these since is not known either.
    clients::suspend_all(step, |_| true)?;
    issuers::remove_all(step)?;
    if let Some(keys) = step.world.tokens.keys().cloned() {
        step.set_token_keys(keys.signers_alone());
    }
    // Who has which place since is not known: a list that is not there lets nobody in.
    step.unlist_all();
    let open: Vec<Approval> =
        step.world.approvals.all().map(|approval| approval.fact.clone()).collect();
    for lapsed in open.into_iter().filter_map(|approval| approval.lapse(now).ok()) {
        step.save(lapsed)?;
    }
    for replica in step.tx.replicas()? {
        step.tx.dismiss(&replica.name)?;
    }
    let head = Seen { restored: number, size: step.head.size(), root: step.head.root() };
    Ok(RestoredView { head: Some(head), ..view })
}

// Above every one that was counted, in the copy or in what was lost.
fn number(restorations: &[Restoration], witnesses: &[Seen]) -> u64 {
    let remembered = witnesses.iter().map(|seen| seen.restored).max().unwrap_or(0);
    seen::count(restorations).max(remembered) + 1
}

fn view(
    world: &World,
    number: u64,
    (found, root): (u64, Digest),
    witnesses: &[Seen],
) -> RestoredView {
    let mut agents: Vec<_> = active(world).into_iter().map(|agent| agent.name).collect();
    agents.sort_unstable();
    let open = world.runs.all().filter(|run| run.fact.state == RunState::Open);
    let mut runs: Vec<_> = open.map(|run| run.fact.id).collect();
    runs.sort_unstable();
    let mut approvals: Vec<_> = world.approvals.all().map(|approval| approval.fact.id).collect();
    approvals.sort_unstable();
    let seen = witnesses.iter().max_by_key(|seen| seen.size).copied();
    RestoredView { number, found, root, seen, agents, runs, approvals, head: None }
}

// In the order of ids.
fn active(world: &World) -> Vec<Agent> {
    let active = world.agents.all().filter(|agent| agent.fact.is_active());
    let mut active: Vec<_> = active.map(|agent| agent.fact.clone()).collect();
    active.sort_unstable_by_key(|agent| agent.id);
    active
}
