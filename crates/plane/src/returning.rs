//! Returning: captured runs outlive their server, and their launchers take hold of them again.
//!
//! What such a run holds in memory is kept beside its facts. A server that starts leaves its own
//! open for a while; whoever proves to be the launcher, by its process and the run's secret, holds
//! the run again and hands over its doors. Until then nothing of the run can be done, for it has no
//! door; whoever does not come is closed by the reaper.

use std::time::Duration;

use marque_domain::{Id, Run, RunState};

use crate::failure::Failure;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::step::Step;
use crate::told::Kept;
use crate::world::{MeterKey, World};

/// How long launchers have to come back after a start. As long as a launcher tries.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

impl Plane {
    /// Whether a run may outlive this server, so that it need not be closed when the server ends.
    pub fn may_return(&self, run: Id<Run>) -> bool {
        self.world().may_return(run)
    }
}

/// Runs of an earlier server for which nobody came in time, in the order of ids.
pub(crate) fn lost(plane: &Plane) -> Vec<Id<Run>> {
    if plane.clock().elapsed() < plane.inner().awaits_until {
        return Vec::new();
    }
    let world = plane.world();
    let mut lost: Vec<_> = awaited(&world, plane).map(|live| live.run).collect();
    lost.sort_unstable();
    lost
}

/// Terminals at which runs sit that may come back: no unlock counts there.
pub(crate) fn sit_again(plane: &Plane) {
    let world = plane.world();
    for live in awaited(&world, plane) {
        if let Some(session) = live.session {
            plane.inner().humans.occupy_again(session, live.run);
        }
    }
}

/// Drops what is kept of runs that are no more.
pub(crate) fn tidy(step: &mut Step<'_, '_>) -> Result<(), Failure> {
    for (key, _) in step.tx.all_kept()? {
        let Ok(Kept::Live(run) | Kept::Refusals(run) | Kept::Meter(MeterKey::Run(run))) =
            key.parse()
        else {
            continue;
        };
        if step.world.live(run).is_none() {
            step.tx.drop_kept(&key)?;
        }
    }
    Ok(())
}

fn awaited<'a>(world: &'a World, plane: &'a Plane) -> impl Iterator<Item = &'a LiveRun> {
    let is_open = |run| world.runs.get(run).is_some_and(|run| run.fact.state == RunState::Open);
    let replica = &plane.inner().kin.replica;
    let live = world.all_live().map(|live| &**live);
    live.filter(move |live| live.is_awaited(replica) && is_open(live.run))
}
