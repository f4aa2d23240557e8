//! Runs: showing them, holding them, and closing them with all they opened.

mod bounds;
pub(crate) mod detached;
mod open;
mod reached;

use std::sync::Arc;

use marque_domain::{Approval, Closing, Event, Id, Run, RunState, TaskRef, User, UserRef};

use crate::caller::{Acting, Peer};
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::step::Step;
use crate::view::{EndedView, RunView};
use crate::world::MeterKey;

/// Closed runs shown at most.
const MAX_SHOWN: u64 = 1_000;

impl Plane {
    /// The open runs, or with them the youngest closed ones, oldest first.
    pub async fn runs(
        &self,
        _who: &Acting<User>,
        include_closed: bool,
    ) -> Result<Vec<RunView>, AdminError> {
        let world = self.world();
        let show = self.show(&world);
        let now = self.now();
        let open = world.runs.all().filter(|run| run.fact.is_open(now));
        let mut runs: Vec<_> = open.map(|run| show.run(&run.fact)).collect();
        if include_closed {
            let store = self.inner().store.clone();
            let recent =
                self.blocking(move || store.read("runs", |tx| tx.recent::<Run>(None, MAX_SHOWN)));
            let closed = recent.await??;
            let is_shown = |run: &Run| runs.iter().any(|shown| shown.id == run.id);
            let closed: Vec<_> = closed
                .iter()
                .filter(|run| !is_shown(&run.fact))
                .map(|run| show.run(&run.fact))
                .collect();
            runs.extend(closed);
        }
        runs.sort_by_key(|run| run.id);
        Ok(runs)
    }

    /// One run, open or closed, by id.
    pub async fn run(&self, _who: &Acting<User>, which: &str) -> Result<RunView, AdminError> {
        let id: Id<Run> = which.parse().map_err(|error| AdminError::invalid(&error))?;
        let world = self.world();
        if let Some(run) = world.runs.get(id) {
            return Ok(self.show(&world).run(&run.fact));
        }
        let store = self.inner().store.clone();
        let found = self.blocking(move || store.read("run", |tx| tx.get(id))).await??;
        let run = found.ok_or_else(|| AdminError::not_found("run", which, "marque run list"))?;
        Ok(self.show(&world).run(&run.fact))
    }

    /// The run's launcher says that its command has ended and that no process of it is left.
    ///
    /// Nobody else can: the run's secret lies inside the run.
    pub async fn end_run(&self, who: &Acting<Run>, peer: &Peer) -> Result<EndedView, AdminError> {
        must_be_launcher(who, peer)?;
        let (run, plane) = (who.run(), self.clone());
        let view = self
            .sequencer()
            .submit(Durability::Disk, move |step| {
                close_tree(step, run, unless_cut(step, run, Closing::Done), None)?;
                let closed = step.world.runs.get(run).ok_or_else(AdminError::unavailable)?;
                Ok::<_, AdminError>(plane.show(step.world).run(&closed.fact))
            })
            .await?;
        if let Some(session) = who.live().session {
            self.inner().humans.vacate(session, run);
        }
        Ok(EndedView { run: view, checkpoint: self.checkpoint(Some(run)).await? })
    }

    /// Takes hold of a run. Only its launcher can, and only once.
    pub fn hold_run(&self, who: &Acting<Run>, peer: &Peer) -> Result<(), AdminError> {
        must_be_launcher(who, peer)?;
        if who.live().take_hold() {
            return Ok(());
        }
        let message = format!("run `{}` is held already", who.run());
        Err(AdminError::new(AdminKind::Conflict, message))
    }

    /// Resolves when the run is closed, by whomever, and that is on disk.
    pub async fn closed_run(&self, who: &Acting<Run>) -> Result<RunView, AdminError> {
        let live = Arc::clone(who.live());
        live.cancelled().await;
        self.sequencer().submit(Durability::Disk, |_| Ok::<_, Failure>(())).await?;
        let world = self.world();
        let run = world.runs.get(live.run).ok_or_else(AdminError::unavailable)?;
        Ok(self.show(&world).run(&run.fact))
    }

    /// The run's launcher is gone without a word, or never took hold: the run is closed.
    ///
    /// The terminal it was opened from stays occupied: a process the run left behind there could
    /// pass for a human's.
    pub async fn abandon_run(&self, run: Id<Run>) {
        let closed = self.sequencer().submit_patiently(Durability::Disk, move |step| {
            close_tree(step, run, unless_cut(step, run, Closing::Orphaned), None)
        });
        if let Err(failure) = closed.await {
            tracing::error!(%run, %failure, "an abandoned run could not be closed; it is cut");
            if let Some(live) = self.world().live(run) {
                live.cut();
            }
        }
    }
}

// Why a run ends whose launcher says so or is gone: a kill that cut it is not on record yet where
// the log could not be written, and is why its command ended.
fn unless_cut(step: &Step<'_, '_>, run: Id<Run>, otherwise: Closing) -> Closing {
    let is_open = step.world.runs.get(run).is_some_and(|run| run.fact.is_open(step.now));
    let is_cut = step.world.live(run).is_some_and(|live| live.is_cancelled());
    if is_open && is_cut { Closing::Killed } else { otherwise }
}

/// Only the process that opened a run speaks for what lies outside it.
pub(crate) fn must_be_launcher(who: &Acting<Run>, peer: &Peer) -> Result<(), AdminError> {
    if peer.process().is_some() && peer.process() == who.live().launcher {
        return Ok(());
    }
    Err(not_the_launcher())
}

pub(crate) fn not_the_launcher() -> AdminError {
    let message = "only the launcher of a run can hold it, hand over its doors, or end it";
    AdminError::new(AdminKind::Forbidden, message)
        .hint("a run ends when its command does; a human can end it with `marque kill`")
}

/// The runs that nobody has closed, in the order of their ids, so that a seed replays. Those whose
/// time is up are among them until they are closed: a clock that steps back must not revive them.
pub(crate) fn unclosed(step: &Step<'_, '_>, wanted: impl Fn(&Run) -> bool) -> Vec<Id<Run>> {
    let is_meant = |run: &Run| run.state == RunState::Open && wanted(run);
    let all = step.world.runs.all().filter(|run| is_meant(&run.fact));
    let mut found: Vec<_> = all.map(|run| run.fact.id).collect();
    found.sort_unstable();
    found
}

/// The setting that says a task is closed.
pub(crate) fn closed_task(task: &TaskRef) -> String {
    format!("closed_task {task}")
}

/// Closes a run and every open run below it, lapses their approvals, and has their streams cut
/// once that is committed. Returns what it closed; nothing if the run was closed before.
pub(crate) fn close_tree(
    step: &mut Step<'_, '_>,
    run: Id<Run>,
    cause: Closing,
    by: Option<&UserRef>,
) -> Result<Vec<Id<Run>>, Failure> {
    let mut closed = Vec::new();
    let mut pending = vec![run];
    while let Some(id) = pending.pop() {
        pending.extend(step.world.children_of(id).map(|child| child.fact.id));
        let found = step.world.runs.get(id).map(|run| run.fact.clone());
        let tier = found.as_ref().map(|run| run.tier);
        let Some(Ok(over)) = found.map(|run| run.close(cause.clone(), step.now)) else { continue };
        step.save(over)?;
        let open: Vec<Approval> =
            step.world.approvals_of(id).map(|approval| approval.fact.clone()).collect();
        let now = step.now;
        for lapsed in open.into_iter().filter_map(|approval| approval.lapse(now).ok()) {
            step.save(lapsed)?;
        }
        let calls = step.world.meter(MeterKey::Run(id)).calls;
        let refusals = step.world.refusals(id);
        let (cause, by) = (cause.clone(), by.cloned());
        step.append(Event::RunClosed { run: id, tier, cause, by, calls, refusals })?;
        if let Some(live) = step.world.live(id).cloned() {
            step.cut(live);
        }
        closed.push(id);
    }
    Ok(closed)
}
